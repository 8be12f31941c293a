"""Presses of the inbox app's buttons: who joins whom, what each failure means, what is told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from common.catalog import ActionKind
from common.events import CrmPerson, Trigger
from common.health import Health
from delivery.acting import Actions
from delivery.domain.acted import ActionKey
from delivery.domain.action import Made
from delivery.domain.row import Key
from delivery.ports import (
    GiveUp,
    Gone,
    LedgerAway,
    Paused,
    ReconnectNeeded,
    RetryLater,
    SettingsAway,
    TokenRejected,
    UnknownEnd,
)
from pressing import INSTALLATION, MADE, TOKEN, Store, World, client_of

DAY = timedelta(days=1)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def actions(world: World) -> Actions:
    return world.actions


@pytest.fixture
async def client(actions: Actions) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(actions, TOKEN) as client:
        yield client


BODY = {
    "action_id": "a1",
    "workspace_id": "wk1",
    "conversation_id": "12",
    "app": "hubspot",
    "actor_id": "5001",
    "kind": "deal",
    "person_id": "501",
    "form": {"title": "canary"},
    "wait_ms": 2_000,
}


async def pressed(client: httpx.AsyncClient, **change: Any) -> dict[str, Any]:
    answer = await client.post("/v1/actions", json=BODY | change)
    assert "canary" not in answer.text
    return dict(answer.json()) | {"http": answer.status_code}


async def test_what_is_done_is_folded_for_the_records_person_and_wakes_the_worker(
    client: httpx.AsyncClient, world: World
) -> None:
    done = await pressed(client)
    assert done == {
        "http": 200,
        "state": "done",
        "kind": "deal",
        "record_id": "77",
        "person_id": "501",
        "url": "https://crm/deal/77",
        "was_there": False,
    }
    ((row, event),) = world.store.events
    assert row == Key("wk1", "12", "hubspot", "42001")
    assert (event.trigger, event.app, event.action_id) == (Trigger.ACTION, "hubspot", "a1")
    assert event.person == CrmPerson(kind="person", id="501")
    assert world.woken == 1
    (action,) = world.acted
    assert (action.owner_id, action.again) == ("u9", False)


async def test_a_lead_without_a_person_is_itself_whom_the_transcript_goes_to(
    client: httpx.AsyncClient, world: World
) -> None:
    world.ends = [Made(ActionKind.LEAD, "lead.8", None, None)]
    await pressed(client)
    assert world.store.events[0][1].person == CrmPerson(kind="lead", id="lead.8")


async def test_a_second_press_joins_the_first_and_whoever_looks_sees_it_work(
    client: httpx.AsyncClient, world: World
) -> None:
    world.hold = asyncio.Event()
    assert (await pressed(client, wait_ms=0))["http"] == 202
    looked = await client.get("/v1/actions/wk1/12/a1")
    assert (looked.status_code, looked.json()["state"]) == (202, "working")
    assert (await pressed(client, person_id="502"))["http"] == 409
    joining = asyncio.create_task(pressed(client))
    await asyncio.sleep(0)
    world.hold.set()
    assert (await joining)["state"] == "done"
    assert len(world.acted) == 1


@pytest.mark.parametrize(
    ("end", "http", "state", "reason"),
    [
        (UnknownEnd("http_500"), 503, "unknown", "http_500"),
        (RetryLater("http_429"), 503, "away", "http_429"),
        (Paused("circuit_open", timedelta(seconds=5)), 503, "away", "circuit_open"),
        (LedgerAway("permits"), 503, "away", "ledger_away"),
        (ReconnectNeeded("forbidden"), 503, "away", "forbidden"),
        (GiveUp("http_400"), 502, "failed", "http_400"),
        (Gone("person"), 502, "failed", "person_gone"),
        (KeyError("canary"), 503, "unknown", "internal_error"),
    ],
)
async def test_each_way_to_end_is_told_and_the_next_press_acts_on_it(
    client: httpx.AsyncClient, world: World, end: Exception, http: int, state: str, reason: str
) -> None:
    world.ends = [end]
    told = await pressed(client)
    assert (told["http"], told["state"], told["reason"]) == (http, state, reason), told
    assert told["sentence"]
    looked = (await client.get("/v1/actions/wk1/12/a1")).json()
    assert (looked["state"], looked["reason"]) == (state, reason)
    assert world.store.events == []
    if state == "unknown":
        assert (await pressed(client))["state"] == "unknown"  # not before it must be visible
        world.store.now += timedelta(minutes=1)
    assert (await pressed(client))["state"] == "done"
    assert [action.again for action in world.acted] == [False, state == "unknown"]


async def test_a_refused_token_is_replaced_once(client: httpx.AsyncClient, world: World) -> None:
    world.ends = [TokenRejected(), MADE, TokenRejected(), TokenRejected()]
    assert (await pressed(client))["state"] == "done"
    away = await pressed(client, action_id="a2")
    assert (away["state"], away["reason"]) == ("away", "crm_token_rejected")


async def test_a_crm_that_answers_never_leaves_the_action_in_the_dark(
    client: httpx.AsyncClient, world: World
) -> None:
    world.hold = asyncio.Event()
    told = await pressed(client)
    assert (told["state"], told["reason"]) == ("unknown", "timeout")
    assert (await pressed(client))["state"] == "unknown"


@pytest.mark.parametrize(
    ("installation", "actor", "http", "state", "reason"),
    [
        (None, "5001", 403, "refused", "uninstalled"),
        (INSTALLATION, "5002", 403, "refused", "paused"),
        (INSTALLATION, "5003", 403, "refused", "not_listed"),
        (SettingsAway("settings_unreachable"), "5001", 503, "away", "settings_unreachable"),
    ],
)
async def test_nobody_acts_who_may_not_or_of_whom_it_is_not_known(
    client: httpx.AsyncClient,
    world: World,
    installation: Any,
    actor: str,
    http: int,
    state: str,
    reason: str,
) -> None:
    world.installation = installation
    told = await pressed(client, actor_id=actor)
    assert (told["http"], told["state"], told["reason"]) == (http, state, reason)
    assert told["sentence"]
    assert (world.acted, world.store.rows) == ([], {})


async def test_what_cannot_be_noted_is_not_begun_or_not_called_undone(
    client: httpx.AsyncClient, world: World
) -> None:
    world.store.away = {"begin"}
    assert (await pressed(client))["state"] == "away"
    assert world.acted == []
    world.store.away = {"done"}
    told = await pressed(client)
    assert (told["state"], told["reason"]) == ("unknown", "ledger_away")
    world.store.away = {"read"}
    assert (await client.get("/v1/actions/wk1/12/a1")).status_code == 503


async def test_whoever_lost_its_lease_leaves_the_end_to_the_other(
    client: httpx.AsyncClient, world: World
) -> None:
    world.hold = asyncio.Event()
    await pressed(client, wait_ms=0)
    await world.called.wait()
    world.store.tokens[ActionKey("wk1", "12", "a1")] = "another's"
    world.hold.set()
    assert (await pressed(client))["state"] == "working"
    assert world.store.events == []


async def test_a_stop_lets_actions_end_and_tells_of_those_it_cuts_off(
    client: httpx.AsyncClient, world: World, actions: Actions
) -> None:
    world.hold, stop = asyncio.Event(), asyncio.Event()
    waiting = asyncio.create_task(pressed(client))
    await world.called.wait()
    stop.set()
    await actions.drain(stop, timedelta(seconds=0.01))
    told = await waiting
    assert (told["state"], told["reason"]) == ("unknown", "cut_off")
    assert (await client.get("/v1/actions/wk1/12/a1")).json()["state"] == "working"


async def test_what_another_front_end_told_is_known_again_by_its_values(
    client: httpx.AsyncClient, world: World
) -> None:
    told = {
        "action_id": "a1",
        "workspace_id": "wk1",
        "conversation_id": "1",
        "actor_id": "5001",
        "app": "hubspot",
        "kind": "create_deal",
        "person": "contact.501",
    }
    statuses = [
        (await client.post("/v1/actions/told", json=told | change)).status_code
        for change in ({}, {}, {"kind": "create_task"}, {"kind": "no kind"}, {"text": "canary"})
    ]
    assert statuses == [200, 200, 409, 422, 422]
    world.store.away = {"told"}
    assert (await client.post("/v1/actions/told", json=told)).status_code == 503


async def test_a_sync_asks_without_the_crm(client: httpx.AsyncClient, world: World) -> None:
    for _ in range(2):
        done = await pressed(client, kind="sync", person_id=None, form={})
        assert (done["state"], done["record_id"], done["url"]) == ("done", None, None)
    ((_, event),) = world.store.events
    assert (event.trigger, event.actor_id, event.person) == (Trigger.MANUAL, "5001", None)
    assert world.acted == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "canary"}, "kind"),
        ({"app": "canary"}, "app"),
        ({"conversation_id": "canary"}, "conversation_id"),
        ({"person_id": "ca nary"}, "person_id"),
        ({"form": {"title": ""}}, "title"),
        ({"form": {"canary": "x"}}, "form"),
        ({"canary": 1}, "body"),
    ],
)
async def test_what_is_wrong_is_told_without_its_value(
    client: httpx.AsyncClient, world: World, change: dict[str, Any], field: str
) -> None:
    told = await pressed(client, **change)
    assert (told["http"], told["state"], list(told["errors"])) == (422, "invalid", [field])
    assert world.acted == []


async def test_without_the_credential_nothing_is_shown_or_done(world: World) -> None:
    for token, status in ((None, 403), ("another-one", 401)):
        async with client_of(world.actions, token) as client:
            for path in ("/v1/actions", "/v1/cards"):
                answer = await client.post(path, json=BODY)
                assert (answer.status_code, answer.json()["state"]) == (status, "refused")
    assert world.acted == []


async def test_an_app_that_this_process_does_not_serve_is_refused(
    client: httpx.AsyncClient,
) -> None:
    told = await pressed(client, app="keap")
    assert (told["http"], told["reason"]) == (403, "not_served")


@pytest.mark.parametrize("away", [False, True])
async def test_what_was_pressed_long_ago_is_forgotten_now_and_then(away: bool) -> None:
    store, stop, kept_for = Store(away={"forget"} if away else set()), asyncio.Event(), 90 * DAY
    loop = Health("delivery").loop("actions")

    async def end() -> None:
        stop.set()

    await asyncio.gather(Actions({}, store).sweep(stop, loop, kept_for), end())
    assert store.forgotten == ([] if away else [kept_for])
