"""What ingest makes of delivery's answers, and of none."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from common.catalog import APPS, CRMS
from common.health import Need
from common.http import Through
from ingest.adapters.delivery import HttpActions
from ingest.domain.action import Action
from ingest.domain.action_card import Asked
from ingest.domain.canvas_request import Contact, Drawing, Looking
from ingest.domain.standing import Ends
from ingest.ports import Unavailable

LOOKING = Looking("wk1", "5001", "77", Contact("c1", "Ada", "ada@example.com", ""))
NOTE = Asked("hubspot", "note", Drawing("d", 0, {"hubspot": "9"}), {"text": "hello", "x": "y"})
TOKEN = "t" * 16

Answer = Callable[[httpx.Request], httpx.Response]


def actions(answer: Answer, url: str = "http://delivery-{crm}") -> HttpActions:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return HttpActions(Through(client), Need("delivery"), url, TOKEN)


def standing(app: str) -> dict[str, Any]:
    return {"app": app, "actor": "active", "person": {"state": "none"}, "new": "field"}


async def test_each_crm_is_asked_at_its_own_address_and_the_catalog_orders_the_card() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        asked.append(request.url.host)
        apps = json.loads(request.content)["apps"]
        return httpx.Response(200, json={"apps": [standing(app) for app in apps]})

    found, silent = await actions(answer).standings(LOOKING)
    assert sorted(asked) == sorted(f"delivery-{crm}".replace("_", "-") for crm in CRMS)
    assert [one.app for one in found] == list(APPS)
    assert silent == []


async def test_one_delivery_for_all_is_asked_once() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return httpx.Response(200, json={"apps": []})

    assert await actions(answer, "http://delivery").standings(LOOKING) == ([], [])
    (body,) = asked
    assert body["apps"] == list(APPS)
    assert body["contact"] == {"id": "c1", "emails": ["ada@example.com"], "phones": []}


async def test_a_crm_that_does_not_answer_leaves_the_others_alone() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        match request.url.host:
            case "delivery-keap":
                raise httpx.ConnectError("refused")
            case "delivery-pipedrive":
                return httpx.Response(503, json={"state": "away"})
            case "delivery-salesloft":
                return httpx.Response(200, text="<html>")
        apps = json.loads(request.content)["apps"]
        return httpx.Response(200, json={"apps": [standing(app) for app in apps]})

    found, silent = await actions(answer).standings(LOOKING)
    assert set(silent) == {"keap", "pipedrive", "salesloft"}
    assert {one.app for one in found} == set(APPS) - set(silent)


async def test_a_press_carries_the_action_and_only_the_fields_of_its_kind() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        done = {"state": "done", "kind": "note", "url": "http://x", "was_there": False}
        return httpx.Response(200, json=done)

    end = await actions(answer).press(LOOKING, NOTE)
    assert (end.state, end.url) == (Ends.DONE, "http://x")
    assert str(asked[0].url) == "http://delivery-hubspot/v1/actions"
    assert json.loads(asked[0].content) == {
        "action_id": "d.hubspot.note",
        "workspace_id": "wk1",
        "conversation_id": "77",
        "app": "hubspot",
        "actor_id": "5001",
        "kind": "note",
        "person_id": "9",
        "form": {"text": "hello"},
        "wait_ms": 700,
    }


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (httpx.Response(202, json={"state": "working", "again_in_s": None}), Ends.WORKING),
        (httpx.Response(403, json={"state": "refused", "sentence": "No."}), Ends.REFUSED),
        (httpx.Response(409, json={"state": "conflict", "sentence": "No."}), Ends.CONFLICT),
        (httpx.Response(422, json={"state": "invalid", "errors": {"title": "x"}}), Ends.INVALID),
        (httpx.Response(502, json={"state": "failed", "sentence": "No."}), Ends.FAILED),
        (httpx.Response(503, json={"state": "away", "sentence": "No."}), Ends.AWAY),
        (httpx.Response(503, json={"state": "new", "sentence": "No."}), Ends.UNKNOWN),
        (httpx.Response(502, text="<html>gateway</html>"), Ends.UNKNOWN),
        (httpx.ConnectError("refused"), Ends.AWAY),
        (httpx.ReadError("reset"), Ends.UNKNOWN),
    ],
)
async def test_each_answer_and_none_has_an_end_that_the_card_can_tell(
    answer: httpx.Response | Exception, state: Ends
) -> None:
    def said(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    end = await actions(said).press(LOOKING, NOTE)
    assert end.state is state
    assert end.sentence or state in (Ends.WORKING, Ends.INVALID)


@pytest.mark.parametrize(("status", "same"), [(200, True), (409, False), (503, None), (500, None)])
async def test_whether_an_action_was_told_with_other_values_is_deliverys_to_say(
    status: int, same: bool | None
) -> None:
    asked: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url), json.loads(request.content)))
        return httpx.Response(status, json={"state": "whatever"})

    values = {"action_id": "a1", "workspace_id": "wk1", "conversation_id": "77", "app": "hubspot"}
    action = Action.model_validate(
        values | {"actor_id": "5001", "kind": "add_note", "person": {"kind": "lead", "id": "9"}}
    )
    if same is None:
        with pytest.raises(Unavailable):
            await actions(answer).is_new_or_same(action)
    else:
        assert await actions(answer).is_new_or_same(action) is same
    ((url, body),) = asked
    assert url == "http://delivery-hubspot/v1/actions/told"
    assert body == values | {"actor_id": "5001", "kind": "add_note", "person": "lead.9"}


async def test_who_does_not_answer_in_time_has_an_unknown_end() -> None:
    def late(_: httpx.Request) -> httpx.Response:
        raise TimeoutError

    end = await actions(late).press(LOOKING, NOTE)
    assert end.state is Ends.UNKNOWN
    assert "Press again" in end.sentence
