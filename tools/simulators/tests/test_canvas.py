"""Canvas Kit's requests as Intercom sends them, and what it would not show."""

import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from simulators.client import ControlCallError, SimulatorControl
from simulators.intercom.canvas import body_signature, judged

SAM = "5001"
TEXT = {"type": "text", "text": "hello"}
BUTTON = {"type": "button", "id": "b", "label": "Go", "action": {"type": "submit"}}
CANVAS = {"content": {"components": [BUTTON]}, "stored_data": {"mine": 1}}
OPTION = {"type": "option", "id": "1", "text": "One"}


@pytest.fixture
def card_app(control: SimulatorControl, workspace: str, endpoint: Any) -> Any:
    url = endpoint.url
    control.set_intercom_app(canvas_initialize_url=f"{url}/open", canvas_submit_url=f"{url}/press")
    endpoint.body = json.dumps({"canvas": CANVAS}).encode()
    return endpoint


def test_a_card_is_asked_for_with_the_conversation_its_contact_and_the_teammate(
    control: SimulatorControl, workspace: str, conversation: str, card_app: Any
) -> None:
    answer = control.canvas(workspace, conversation, SAM)
    (sent,) = card_app.received
    assert sent.headers["x-body-signature"] == body_signature("intercom-secret", sent.raw)
    body = sent.body
    assert (body["workspace_id"], body["workspace_region"]) == (workspace, "US")
    assert body["admin"]["id"] == SAM
    assert body["conversation"]["id"] == conversation
    assert body["contact"]["email"] == "ada@example.com"
    assert "component_id" not in body
    assert (answer["status"], answer["faults"], answer["canvas"]) == (200, [], CANVAS)


def test_a_press_carries_its_button_all_values_and_the_card_itself(
    control: SimulatorControl, workspace: str, conversation: str, card_app: Any
) -> None:
    pressed = {"component_id": "b", "input_values": {"title": "x"}, "current_canvas": CANVAS}
    control.canvas(workspace, conversation, SAM, pressed)
    (sent,) = card_app.received
    assert {name: sent.body[name] for name in pressed} == pressed


def test_an_unknown_teammate_is_refused_and_without_an_address_nothing_is_sent(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any
) -> None:
    with pytest.raises(ControlCallError, match="404"):
        control.canvas(workspace, conversation, "1")
    assert control.canvas(workspace, conversation, SAM)["faults"] == ["no address is set"]
    assert endpoint.received == []


def test_the_signature_is_bare_hex_of_sha256() -> None:
    expected = hmac.new(b"secret", b"body", hashlib.sha256).hexdigest()
    assert body_signature("secret", b"body") == expected


@pytest.mark.parametrize(
    ("components", "fault"),
    [
        ([TEXT, BUTTON], None),
        ([{"type": "sheet"}], "no such component in the inbox: sheet"),
        ([{"type": "text"}], "text: text is missing"),
        ([TEXT | {"colour": "red"}], "text: no such field: colour"),
        ([BUTTON, BUTTON], "two components share an id"),
        ([BUTTON | {"action": {"type": "sheet"}}], "button: no such action in the inbox"),
        ([{"type": "dropdown", "id": "d", "options": [OPTION]}], "dropdown: 2 to 10 options"),
        ([TEXT | {"text": "x" * 70_000}], "content: over 64 KB"),
    ],
)
def test_what_intercom_would_not_show_is_named(
    components: list[dict[str, Any]], fault: str | None
) -> None:
    canvas = {"canvas": {"content": {"components": components}, "stored_data": {}}}
    shown, faults = judged(httpx.Response(200, text=json.dumps(canvas)))
    assert shown == canvas["canvas"]
    assert faults == ([] if fault is None else [fault])


def test_any_status_but_200_is_no_card() -> None:
    assert judged(httpx.Response(401)) == (None, ["answered 401"])
