"""`/canvas/initialize` and `/canvas/submit`: who is answered, and what a press does."""

import copy
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from common.clock import FakeClock
from ingest import inbox as inbox_module
from ingest.api import new_api
from ingest.config import IngestConfig
from ingest.domain.standing import AppStanding, End, Ends
from ingest.inbox import Inbox

Canvas = Callable[[str, dict[str, Any]], Awaitable[httpx.Response]]

HUBSPOT = {
    "app": "hubspot",
    "actor": "active",
    "person": {"state": "matched", "id": "77"},
    "actions": ["person", "deal", "task", "note", "sync"],
}


@pytest.fixture
def opened(examples: dict[str, Any]) -> dict[str, Any]:
    """An initialize request as Intercom sends it."""
    return copy.deepcopy(examples["canvas-kit-inbox-initialize"])


@pytest.fixture(autouse=True)
def installed(actions: Any) -> None:
    actions.shown = [AppStanding.model_validate(HUBSPOT)]


def pressed(
    opened: dict[str, Any], answer: httpx.Response, button: str, **typed: str
) -> dict[str, Any]:
    """A press on the card that was answered."""
    canvas = answer.json()["canvas"]
    return opened | {"component_id": button, "input_values": typed, "current_canvas": canvas}


async def form(canvas: Canvas, opened: dict[str, Any], kind: str) -> httpx.Response:
    card = await canvas("initialize", opened)
    return await canvas("submit", pressed(opened, card, f"open:hubspot:{kind}"))


@pytest.mark.parametrize("request_name", ["initialize", "submit"])
async def test_unsigned_or_wrongly_signed_is_401_and_nothing_is_read_or_done(
    request_name: str,
    api: httpx.AsyncClient,
    opened: dict[str, Any],
    signer: Any,
    actions: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parsed(_: bytes) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(inbox_module, "parse_object", parsed)
    body = json.dumps(opened | {"component_id": "do:hubspot:sync"}).encode()
    right = signer.canvas_headers(body)["X-Body-Signature"]
    for wrong in (None, "", right[:-1], f"sha256={right}", right.upper(), "0" * 64):
        headers = {} if wrong is None else {"X-Body-Signature": wrong}
        answer = await api.post(f"/canvas/{request_name}", content=body, headers=headers)
        assert answer.status_code == 401
    assert actions.pressed == []


async def test_the_old_secret_is_good_during_rotation(
    api: httpx.AsyncClient, opened: dict[str, Any], old_signer: Any
) -> None:
    body = json.dumps(opened).encode()
    headers = old_signer.canvas_headers(body)
    answer = await api.post("/canvas/initialize", content=body, headers=headers)
    assert answer.status_code == 200


async def test_the_vector_that_was_made_elsewhere_is_signed_rightly(
    api: httpx.AsyncClient, signature_vector: dict[str, str], inbox: Inbox, ingest: Any
) -> None:
    known = Inbox(
        inbox.actions,
        inbox.pending,
        (signature_vector["client_secret"].encode(),),
        inbox.clock,
        inbox.new_id,
    )
    config = IngestConfig(kafka_bootstrap_servers=["unused"], intercom_client_secrets=["unused"])
    transport = httpx.ASGITransport(new_api(ingest, known, config))
    headers = {"X-Body-Signature": signature_vector["X-Body-Signature"]}
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        answer = await client.post(
            "/canvas/initialize", content=signature_vector["raw_body"], headers=headers
        )
    assert answer.status_code == 400  # signed, though not a request for a card


@pytest.mark.parametrize("missing", ["workspace_id", "admin"])
async def test_signed_but_without_who_asks_is_400(
    missing: str, canvas: Canvas, opened: dict[str, Any]
) -> None:
    del opened[missing]
    assert (await canvas("initialize", opened)).status_code == 400


async def test_too_long_is_413(api: httpx.AsyncClient) -> None:
    assert (await api.post("/canvas/submit", content=b"x" * 100_001)).status_code == 413


async def test_a_card_is_a_canvas_that_nothing_may_keep(
    canvas: Canvas, opened: dict[str, Any]
) -> None:
    answer = await canvas("initialize", opened)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()["canvas"]) == {"content", "stored_data"}
    assert "do:hubspot:sync" in answer.text


async def test_without_a_conversation_and_without_delivery_the_card_says_so(
    canvas: Canvas, opened: dict[str, Any], inbox: Inbox, ingest: Any, signer: Any
) -> None:
    assert (
        "Open a conversation" in (await canvas("initialize", opened | {"conversation": None})).text
    )
    off = Inbox(None, inbox.pending, inbox.secrets, inbox.clock, inbox.new_id)
    config = IngestConfig(kafka_bootstrap_servers=["unused"], intercom_client_secrets=["unused"])
    transport = httpx.ASGITransport(new_api(ingest, off, config))
    body = json.dumps(opened).encode()
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        answer = await client.post(
            "/canvas/initialize", content=body, headers=signer.canvas_headers(body)
        )
    assert "The inbox app is not configured." in answer.text


async def test_a_form_is_drawn_without_asking_anybody_and_names_the_contact(
    canvas: Canvas, opened: dict[str, Any], actions: Any
) -> None:
    answer = await form(canvas, opened, "task")
    assert "Follow up with Ada Example" in answer.text
    assert actions.pressed == []


async def test_a_press_is_carried_out_with_what_was_typed_for_the_person_of_the_card(
    canvas: Canvas, opened: dict[str, Any], actions: Any
) -> None:
    drawn = await form(canvas, opened, "note")
    done = await canvas("submit", pressed(opened, drawn, "do:hubspot:note", text="call her"))
    ((looking, asked),) = actions.pressed
    assert (looking.workspace_id, looking.actor_id) == ("wk9demo1", "5001")
    assert looking.conversation_id == "215470000000001"
    assert (asked.app, asked.kind, asked.person_id) == ("hubspot", "note", "77")
    assert asked.form() == {"text": "call her"}
    assert "The note is in HubSpot" in done.text
    assert "call her" not in done.text


async def test_a_double_click_and_a_redelivery_carry_the_same_id_and_a_new_form_another(
    canvas: Canvas, opened: dict[str, Any], actions: Any
) -> None:
    drawn = await form(canvas, opened, "note")
    press = pressed(opened, drawn, "do:hubspot:note", text="once")
    for _ in range(3):
        await canvas("submit", press)
    again = await form(canvas, opened, "note")
    await canvas("submit", pressed(opened, again, "do:hubspot:note", text="once"))
    ids = [asked.action_id for _, asked in actions.pressed]
    assert ids[:3] == ids[:1] * 3
    assert ids[3] != ids[0]


@pytest.mark.parametrize("state", [Ends.AWAY, Ends.UNKNOWN, Ends.WORKING])
async def test_what_is_not_done_can_be_pressed_again_as_the_same_action(
    state: Ends, canvas: Canvas, opened: dict[str, Any], actions: Any
) -> None:
    drawn = await form(canvas, opened, "note")
    actions.end = End(state=state, sentence="Press again.")
    answer = await canvas("submit", pressed(opened, drawn, "do:hubspot:note", text="kept"))
    (field,) = [
        one for one in answer.json()["canvas"]["content"]["components"] if one["type"] == "textarea"
    ]
    assert field["value"] == "kept"
    actions.end = End(state=Ends.DONE)
    await canvas("submit", pressed(opened, answer, "do:hubspot:note", text=field["value"]))
    assert len({asked.action_id for _, asked in actions.pressed}) == 1


async def test_after_a_conflict_the_next_press_is_an_action_of_its_own(
    canvas: Canvas, opened: dict[str, Any], actions: Any
) -> None:
    drawn = await form(canvas, opened, "note")
    actions.end = End(state=Ends.CONFLICT, sentence="Used for another action.")
    answer = await canvas("submit", pressed(opened, drawn, "do:hubspot:note", text="x"))
    await canvas("submit", pressed(opened, answer, "do:hubspot:note", text="x"))
    assert len({asked.action_id for _, asked in actions.pressed}) == 2


async def test_a_form_of_yesterday_must_be_pressed_twice_and_is_an_action_of_its_own(
    canvas: Canvas, opened: dict[str, Any], actions: Any, inbox: Inbox
) -> None:
    drawn = await form(canvas, opened, "note")
    assert isinstance(inbox.clock, FakeClock)
    inbox.clock.advance(timedelta(days=1, seconds=1))
    answer = await canvas("submit", pressed(opened, drawn, "do:hubspot:note", text="late"))
    assert "over a day old" in answer.text
    assert actions.pressed == []
    await canvas("submit", pressed(opened, answer, "do:hubspot:note", text="late"))
    ((_, asked),) = actions.pressed
    assert asked.drawing.id != drawn.json()["canvas"]["stored_data"]["drawing"]["id"]


async def test_a_sync_needs_no_form(canvas: Canvas, opened: dict[str, Any], actions: Any) -> None:
    card = await canvas("initialize", opened)
    done = await canvas("submit", pressed(opened, card, "do:hubspot:sync"))
    ((_, asked),) = actions.pressed
    assert (asked.kind, asked.person_id, asked.form()) == ("sync", None, {})
    assert "the transcript is synced now" in done.text


@pytest.mark.parametrize(
    ("button", "stored"),
    [
        ("do:hubspot:note", {}),
        ("do:hubspot:note", {"drawing": {"id": "no spaces", "at": 1}}),
        ("do:hubspot:note", {"drawing": "text"}),
        ("do:nosuch:note", None),
        ("do:hubspot:nosuch", None),
        ("open:hubspot:sync", None),
        ("refresh", None),
        ("", None),
    ],
)
async def test_a_press_that_means_nothing_shows_the_card_and_does_nothing(
    button: str, stored: Any, canvas: Canvas, opened: dict[str, Any], actions: Any
) -> None:
    card = await canvas("initialize", opened)
    press = pressed(opened, card, button)
    if stored is not None:
        press["current_canvas"] = press["current_canvas"] | {"stored_data": stored}
    answer = await canvas("submit", press)
    assert "do:hubspot:sync" in answer.text
    assert actions.pressed == []


async def test_the_contact_of_a_submit_may_be_called_customer(
    canvas: Canvas, opened: dict[str, Any]
) -> None:
    card = await canvas("initialize", opened)
    press = pressed(opened, card, "open:hubspot:task")
    press["customer"] = press.pop("contact")
    assert "Follow up with Ada Example" in (await canvas("submit", press)).text


async def test_what_was_typed_is_not_logged(
    canvas: Canvas, opened: dict[str, Any], actions: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = await form(canvas, opened, "note")
    actions.end = End(state=Ends.UNKNOWN, sentence="Not known.")
    await canvas("submit", pressed(opened, drawn, "do:hubspot:note", text="canary words"))
    said = capsys.readouterr()
    assert "canary" not in said.out + said.err
    assert "canary" not in repr(actions.pressed)
