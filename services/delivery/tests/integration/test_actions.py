"""From a press in the inbox to the record in the CRM, once, and the transcript beside it."""

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest
from common.catalog import APPS, ActionKind
from devstack.waiting import until

pytestmark = pytest.mark.integration


DUE = "2026-12-24T09:30:00Z"
ON_A_PERSON = (ActionKind.DEAL, ActionKind.TASK, ActionKind.NOTE)
OFFERED = [(app.key, kind) for app in APPS.values() for kind in ActionKind if kind in app.actions]
_LISTS = {ActionKind.DEAL: "deals", ActionKind.TASK: "activities", ActionKind.NOTE: "notes"}


@pytest.fixture(scope="module")
async def everywhere(world: Any) -> dict[str, Any]:
    """Each app in a workspace of its own, where a search finds nobody for a long while."""
    lagging = {"search_lag_s": 3_600}
    places = await asyncio.gather(*(world.install(app, on=False, **lagging) for app in APPS))
    return {place.app: place for place in places}


@pytest.fixture(scope="module")
async def acting(world: Any) -> Any:
    return await world.install("hubspot", on=False)


def form_of(kind: ActionKind, contact: Any) -> dict[str, str]:
    who = {"name": "Ada Example", "email": contact["email"]}
    match kind:
        case ActionKind.PERSON:
            return who
        case ActionKind.LEAD:
            return who | {"title": "Wants 20 bikes"}
        case ActionKind.DEAL:
            return {"title": "20 bikes"}
        case ActionKind.TASK:
            return {"title": "Call Ada", "due_at": DUE, "text": "About the bikes"}
    return {"text": "Wants 20 bikes, soon"}


def records(place: Any, kind: ActionKind) -> list[dict[str, Any]]:
    """Live ones of this kind, as the simulated CRM keeps them."""
    account = place.world.control.account(place.crm, place.account)
    if kind is ActionKind.LEAD:
        listed = [*account["persons"], *account["deals"]]
    else:
        listed = account[_LISTS.get(kind, "persons")]
    is_lead = kind is ActionKind.LEAD
    return [
        one for one in listed if not one["deleted"] and bool(one["extra"].get("lead")) == is_lead
    ]


@pytest.mark.parametrize(("app", "kind"), OFFERED, ids=lambda value: str(value))
async def test_each_action_makes_its_record_and_syncs_to_its_person(
    everywhere: Any, app: str, kind: ActionKind
) -> None:
    place = everywhere[app]
    contact = place.contact()
    person_id = place.person(contact) if kind in ON_A_PERSON else None
    talk = place.conversation(contact)
    before = {one["id"] for one in records(place, kind)}
    done = await talk.press(kind, form_of(kind, contact), person_id=person_id)
    assert (done["http"], done["state"], done["was_there"]) == (200, "done", False), done
    outcome = await talk.outcome("delivered")
    made = [one for one in records(place, kind) if one["id"] not in before]
    own = [one for one in made if f"[lull {place.workspace}/{talk.id}]" not in one.get("body", "")]
    (record,) = own
    assert done["record_id"].removeprefix("lead.") == record["id"]
    (transcript,) = place.transcripts(talk)
    whose = outcome["person_id"].removeprefix("lead.")
    assert transcript["person_ids"] == [whose]
    if person_id is not None:
        assert whose == person_id == done["person_id"]
    else:
        assert outcome["person_id"] == (done["person_id"] or done["record_id"])


def deals(place: Any, title: str) -> list[dict[str, Any]]:
    return [deal for deal in records(place, ActionKind.DEAL) if deal["title"] == title]


def calls_of(place: Any) -> list[Any]:
    return list(place.world.control.journal(place.crm, place.account))


def somebody(place: Any) -> str:
    return str(place.world.control.persons(place.crm, place.account)[-1]["id"])


def new_id() -> str:
    return f"press-{uuid.uuid4().hex}"


async def pressed_until_done(talk: Any, kind: str, form: Any, **press: Any) -> dict[str, Any]:
    """Like a patient teammate: again and again, the same button."""
    async with asyncio.timeout(30):
        while True:
            end: dict[str, Any] = await talk.press(kind, form, **press)
            if end["state"] == "done":
                return end
            assert end["http"] in (202, 503), end
            await asyncio.sleep(0.2)


async def test_a_double_click_and_a_redelivery_make_one_record(acting: Any) -> None:
    talk = await acting.talk()
    press = {"action_id": new_id(), "person_id": somebody(acting)}
    ends = await asyncio.gather(
        *(talk.press("deal", {"title": "Twice"}, **press) for _ in range(5))
    )
    ends.append(await talk.press("deal", {"title": "Typed anew"}, **press))
    assert {end["state"] for end in ends} == {"done"}
    assert len({end["record_id"] for end in ends}) == 1
    assert len(deals(acting, "Twice")) == 1
    assert deals(acting, "Typed anew") == []
    looked = await talk.pressed(press["action_id"])
    assert (looked["http"], looked["record_id"]) == (200, ends[0]["record_id"])
    task = form_of(ActionKind.TASK, {"email": ""})
    conflicts = [
        await talk.press("task", task, **press),
        await talk.press("deal", {"title": "Twice"}, **(press | {"person_id": "987654321"})),
    ]
    assert {(end["http"], end["state"]) for end in conflicts} == {(409, "conflict")}


async def test_who_does_not_wait_is_told_later(acting: Any, world: Any) -> None:
    talk = await acting.talk()
    press = {"action_id": new_id(), "person_id": somebody(acting)}
    world.control.add_fault(
        "hubspot", "slow", account=acting.account, method="POST", path="/deals$", ms=500
    )
    now = await talk.press("deal", {"title": "Later"}, wait_ms=0, **press)
    assert (now["http"], now["state"]) == (202, "working")
    assert (await talk.pressed(press["action_id"]))["state"] == "working"
    joined = await talk.press("deal", {"title": "Later"}, **press)
    assert (joined["state"], joined["was_there"]) == ("done", False)
    assert (await talk.pressed(new_id()))["http"] == 404


@pytest.mark.parametrize("fault", ["500_after", "timeout_after"])
async def test_an_end_in_the_dark_is_found_by_the_next_press(
    acting: Any, world: Any, fault: str
) -> None:
    talk = await acting.talk()
    press = {"action_id": new_id(), "person_id": somebody(acting)}
    world.control.add_fault("hubspot", fault, account=acting.account, method="POST", path="/deals$")
    dark = await talk.press("deal", {"title": fault}, **press)
    assert (dark["http"], dark["state"]) == (503, "unknown"), dark
    assert dark["again_in_s"] > 0
    early = await talk.press("deal", {"title": fault}, **press)
    assert (early["http"], early["state"]) == (503, "unknown")
    end = await pressed_until_done(talk, "deal", {"title": fault}, **press)
    (deal,) = deals(acting, fault)
    assert (end["record_id"], end["was_there"]) == (deal["id"], True)
    await talk.outcome("delivered")


async def test_what_had_no_effect_is_done_by_the_next_press(acting: Any, world: Any) -> None:
    talk = await acting.talk()
    press = {"action_id": new_id(), "person_id": somebody(acting)}
    world.control.add_fault("hubspot", "429", account=acting.account, method="POST", path="/deals$",
                            headers={"Retry-After": "1"})  # fmt: skip
    away = await talk.press("deal", {"title": "Away"}, **press)
    assert (away["http"], away["state"], away["reason"]) == (503, "away", "http_429")
    await pressed_until_done(talk, "deal", {"title": "Away"}, **press)
    assert len(deals(acting, "Away")) == 1


async def test_killed_in_the_act_it_is_still_done_once(acting: Any, world: Any) -> None:
    talk = await acting.talk()
    press = {"action_id": new_id(), "person_id": somebody(acting)}
    fault = world.control.add_fault(
        "hubspot", "slow", account=acting.account, method="POST", path="/deals$", ms=1_500
    )
    assert (await talk.press("deal", {"title": "Killed"}, wait_ms=0, **press))["http"] == 202
    await until(lambda: any(f["id"] == fault and f["hits"] for f in world.control.faults()))
    world.delivery.kill()
    await world.restart_delivery()
    assert (await talk.pressed(press["action_id"]))["state"] == "working"  # its lease goes on
    end = await pressed_until_done(talk, "deal", {"title": "Killed"}, **press)
    (deal,) = deals(acting, "Killed")
    assert (end["record_id"], end["was_there"]) == (deal["id"], True)
    await talk.outcome("delivered")
    assert len(acting.transcripts(talk)) == 1


@pytest.mark.parametrize("app", ["hubspot", "pipedrive"])  # found by its marker, and by its title
async def test_after_a_restore_an_old_press_is_looked_for_and_not_done_twice(
    everywhere: Any, database_dsn: str, app: str
) -> None:
    place = everywhere[app]
    contact = place.contact()
    press = {"action_id": new_id(), "person_id": place.person(contact)}
    talk = place.conversation(contact)
    made = await talk.press("deal", {"title": "Restored"}, **press)
    ledger = await asyncpg.connect(database_dsn)
    try:
        await ledger.execute("DELETE FROM actions WHERE action_id = $1", press["action_id"])
        await ledger.execute(  # longer ago than an attempt may take to show
            "INSERT INTO ledger_distrust (before) VALUES (now() - interval '6 seconds')"
        )
        end = await talk.press("deal", {"title": "Restored"}, **press)
    finally:
        await ledger.execute("DELETE FROM ledger_distrust")
        await ledger.close()
    assert (end["state"], end["was_there"], end["record_id"]) == ("done", True, made["record_id"])
    assert len(deals(place, "Restored")) == 1


async def test_a_refusal_for_good_says_so_and_other_values_may_be_tried(acting: Any) -> None:
    talk = await acting.talk()
    press = {"action_id": new_id(), "person_id": "987654321"}
    gone = await talk.press("deal", {"title": "Nobody's"}, **press)
    assert (gone["http"], gone["state"], gone["reason"]) == (502, "failed", "person_gone")
    assert "HubSpot" in gone["sentence"]
    invalid = await talk.press("deal", {"title": "", "due_at": "soon"}, **press)
    assert (invalid["http"], invalid["state"]) == (422, "invalid")
    assert invalid["errors"].keys() == {"title", "due_at"}


async def test_only_active_app_users_act(acting: Any, world: Any) -> None:
    contact = await acting.customer()
    talk = acting.conversation(contact)
    press = {"person_id": somebody(acting), "action_id": new_id()}
    users = [{"id": acting.admin}, {"id": "5002", "paused": True}]
    assert (await acting.operator("PUT", "/app-users", {"users": users})).status_code == 200
    for actor, reason in (("5002", "paused"), ("5003", "not_listed")):
        refused = await talk.press("deal", {"title": "Not mine"}, actor_id=actor, **press)
        assert (refused["http"], refused["reason"]) == (403, reason)

        async with asyncio.timeout(10):  # a card may be a little behind
            while (await talk.card(contact, actor_id=actor))["actor"] != reason:  # noqa: ASYNC110
                await asyncio.sleep(0.03)
    lead = form_of(ActionKind.LEAD, contact)
    refused = await talk.press("lead", lead)
    assert (refused["http"], refused["reason"]) == (403, "not_offered")
    assert deals(acting, "Not mine") == []
    for path in ("/v1/actions", "/v1/cards"):
        assert (await world.inbox("POST", path, {}, "another-token")).status_code == 401


async def test_sync_now_asks_once_however_often_it_is_pressed(acting: Any, world: Any) -> None:
    contact = await acting.customer()
    talk, other = acting.conversation(contact), await acting.talk()
    press = {"action_id": new_id()}
    ends = await asyncio.gather(*(talk.press("sync", **press) for _ in range(3)))
    ends.append(await talk.press("sync", **press))
    assert {end["http"] for end in ends} <= {200, 202}
    assert ends[-1] | press == ends[-1] | press | {"state": "done", "record_id": None}
    await talk.outcome("delivered")
    await other.press("sync")
    await other.outcome("delivered")
    assert [seen for seen in world.seen if seen["conversation_id"] == talk.id] == []
    card = await talk.card(contact)
    assert card["last"]["outcome"] == "delivered"
    assert card["waiting"] is None


async def test_a_card_says_who_the_contact_is(acting: Any, world: Any) -> None:
    known, unknown, twice = await acting.customer(), acting.contact(), await acting.customer()
    addresses = [twice["email"], known["email"]]

    async def person_of(talker: Any, **rest: Any) -> Any:
        return (await acting.conversation(talker).card(talker, **rest))["person"]

    found = await person_of(known)
    assert found["state"] == "matched"
    assert found["id"] in found["url"]
    assert (await person_of(unknown))["state"] == "none"
    several = await person_of(twice, contact={"id": twice["id"], "emails": addresses})
    assert several["state"] == "several"
    nobody = await person_of(unknown, contact={"id": unknown["id"]})
    assert (nobody["state"], nobody["reason"]) == ("none", "no_address")
    # However often it is asked while the CRM thinks it over, it is asked once.
    slow, calls = await acting.customer(), len(calls_of(acting))
    world.control.add_fault("hubspot", "slow", account=acting.account, ms=800)
    first = await person_of(slow, wait_ms=50)
    assert (first["state"], first["reason"]) == ("unknown", "slow")
    again = await asyncio.gather(*(person_of(slow) for _ in range(3)))
    assert {one["state"] for one in again} == {"matched"}
    assert len(calls_of(acting)) == calls + 1
    card = await acting.conversation(known).card(known)
    assert card["actions"] == ["person", "deal", "task", "note", "sync"]


async def test_whom_an_action_made_is_shown_before_a_search_finds_them(everywhere: Any) -> None:
    place = everywhere["dynamics365-sales"]
    contact = place.contact()
    talk = place.conversation(contact)
    assert (await talk.card(contact))["person"]["state"] == "none"
    made = await talk.press("lead", form_of(ActionKind.LEAD, contact))
    shown = (await talk.card(contact))["person"]
    assert (shown["state"], shown["id"]) == ("lead", made["record_id"])
    await talk.outcome("delivered")
    assert (await talk.card(contact))["person"] == shown
