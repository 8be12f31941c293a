"""What is sent to our endpoint, for everything that can happen to a conversation."""

import hashlib
import hmac
import json
from importlib import resources
from typing import Any

import pytest
from devstack.waiting import wait_until
from simulators.client import SimulatorControl
from simulators.intercom.webhooks import signature

ADA, SAM = "67a0c0ffee00000000000001", "5001"
CUSTOMER, AGENT = {"type": "user", "id": ADA}, {"type": "admin", "id": SAM}
BOT = {"type": "bot", "id": "5000"}


def _examples() -> dict[str, Any]:
    file = resources.files("simulators") / "vendor_data" / "intercom" / "webhook-examples.json"
    examples: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return examples


def test_the_signature_is_that_of_the_published_vector() -> None:
    body = b'{"type":"notification_event","topic":"ping","app_id":"wk9demo1"}'
    expected = "sha1=77b94f7047f0a0494f286375aaaebf72d1c4c56d"
    assert signature("test-client-secret", body) == expected


def test_the_signature_covers_the_raw_bytes(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any
) -> None:
    control.set_intercom_app(client_secret="another")
    control.reply(workspace, conversation, CUSTOMER, "<p>Ünïcödé \U0001f600</p>", wait=True)
    (sent,) = endpoint.received
    expected = hmac.new(b"another", sent.raw, hashlib.sha1).hexdigest()
    assert sent.headers["x-hub-signature"] == f"sha1={expected}"
    assert sent.headers["user-agent"] == "intercom-parrot-service-client/1.0"


@pytest.mark.parametrize(
    ("part", "topics"),
    [
        ({"author": CUSTOMER, "body": "<p>a</p>"}, ["user.replied"]),
        ({"author": AGENT, "body": "<p>a</p>"}, ["admin.replied"]),
        ({"author": AGENT, "attachments": [{"name": "a", "url": "b"}]}, ["admin.replied"]),
        ({"author": AGENT, "part_type": "note", "body": "<p>a</p>"}, ["admin.noted"]),
        ({"author": BOT, "body": "<p>a</p>"}, ["operator.replied"]),
        ({"author": {**AGENT, "from_ai_agent": True}, "body": "a"}, ["operator.replied"]),
        (
            {"author": AGENT, "part_type": "assignment", "assign": {"admin": SAM}},
            ["admin.assigned"],
        ),
        (
            {"author": AGENT, "part_type": "assignment", "assign": {"admin": SAM}, "body": "a"},
            ["admin.replied", "admin.assigned"],
        ),
        ({"author": BOT, "part_type": "assignment", "assign": {"team": "77"}}, ["admin.assigned"]),
        ({"author": AGENT, "part_type": "close"}, ["admin.closed"]),
        ({"author": AGENT, "part_type": "close", "body": "a"}, ["admin.replied", "admin.closed"]),
        ({"author": AGENT, "part_type": "open"}, ["admin.opened"]),
        ({"author": AGENT, "part_type": "snoozed"}, ["admin.snoozed"]),
        ({"author": AGENT, "part_type": "priority_changed"}, []),
    ],
)
def test_topics_follow_from_what_happened(
    control: SimulatorControl,
    workspace: str,
    conversation: str,
    endpoint: Any,
    part: dict[str, Any],
    topics: list[str],
) -> None:
    control.add_part(workspace, conversation, wait=True, **part)
    assert endpoint.topics() == [f"conversation.{t}" for t in topics]


def test_assign_and_reply_is_two_notifications_of_one_part(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any
) -> None:
    posted = control.assign(workspace, conversation, AGENT, admin=SAM, body="<p>Hi</p>", wait=True)
    first, second = (r.body for r in endpoint.received)
    assert first["id"] != second["id"]
    for sent in (first, second):
        (part,) = sent["data"]["item"]["conversation_parts"]["conversation_parts"]
        assert (part["id"], part["part_type"], part["body"]) == (
            posted["part"],
            "assignment",
            "<p>Hi</p>",
        )


@pytest.mark.parametrize(
    ("author", "delivered_as", "topics"),
    [
        (CUSTOMER, None, ["conversation.user.created"]),
        (AGENT, None, ["conversation.admin.single.created"]),
        (AGENT, "campaigns_initiated", []),
        (BOT, None, []),
        (AGENT, "automated", []),
    ],
)
def test_an_opening_tells_who_began(
    control: SimulatorControl,
    workspace: str,
    endpoint: Any,
    author: dict[str, Any],
    delivered_as: str | None,
    topics: list[str],
) -> None:
    control.create_conversation(
        workspace,
        contacts=[ADA],
        author=author,
        body="<p>Hello</p>",
        delivered_as=delivered_as,
        wait=True,
    )
    assert endpoint.topics() == topics


@pytest.mark.parametrize(
    "example", [n for n, e in _examples().items() if e.get("topic", "").startswith("conversation.")]
)
def test_an_envelope_has_the_fields_of_the_example(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any, example: str
) -> None:
    expected = _examples()[example]
    control.reply(
        workspace, conversation, CUSTOMER, "<p>a</p>", topics=[expected["topic"]], wait=True
    )
    sent = endpoint.received[-1].body
    assert sent.keys() == expected.keys()
    if expected["topic"] == "conversation.deleted":
        assert sent["data"]["item"] == {"type": "conversation", "id": conversation}
        return
    item, wanted = sent["data"]["item"], expected["data"]["item"]
    assert item.keys() == wanted.keys() - {"topics"}
    assert item["source"].keys() == wanted["source"].keys()
    assert item["teammates"].keys() == wanted["teammates"].keys()
    parts = wanted["conversation_parts"]["conversation_parts"]
    for part in parts:
        shown = item["conversation_parts"]["conversation_parts"][0]
        assert shown.keys() == part.keys()
        assert shown["author"].keys() == part["author"].keys()


def test_a_failed_notification_is_sent_once_more_with_the_same_id(
    control: SimulatorControl,
    workspace: str,
    conversation: str,
    endpoint: Any,
) -> None:
    control.knobs(webhook_retry_s=0.05)
    endpoint.statuses = [503]
    control.reply(workspace, conversation, CUSTOMER, "<p>a</p>")
    wait_until(lambda: control.notifications(conversation=conversation)[-1]["state"] == "delivered")
    first, again = (r.body for r in endpoint.received)
    assert first["id"] == again["id"]
    assert (first["delivery_attempts"], again["delivery_attempts"]) == (1, 2)
    assert first["first_sent_at"] == again["first_sent_at"]


def test_after_two_failures_it_is_dropped(
    control: SimulatorControl,
    workspace: str,
    conversation: str,
    endpoint: Any,
) -> None:
    control.knobs(webhook_retry_s=0.01)
    endpoint.statuses = [500, 500]
    control.reply(workspace, conversation, CUSTOMER, "<p>a</p>")
    wait_until(lambda: control.notifications(conversation=conversation)[-1]["state"] == "failed")
    attempts = control.notifications(conversation=conversation)[-1]["attempts"]
    assert [a["status"] for a in attempts] == [500, 500]


def test_an_endpoint_that_hangs_is_given_up_and_harms_nothing_after(
    control: SimulatorControl,
    workspace: str,
    conversation: str,
    endpoint: Any,
) -> None:
    control.knobs(webhook_timeout_s=0.2, webhook_retry_s=60)
    endpoint.answers.clear()
    for number in range(40):
        control.reply(workspace, conversation, CUSTOMER, f"<p>{number}</p>")
    wait_until(
        lambda: all(
            n["state"] == "waiting to retry" and n["attempts"][0]["status"] == 0
            for n in control.notifications(conversation=conversation)[1:]
        )
    )
    endpoint.answers.set()
    control.knobs(webhook_timeout_s=5)
    posted = control.reply(workspace, conversation, CUSTOMER, "<p>again</p>", wait=True)
    assert posted["notifications"][0]["state"] == "delivered"


def test_410_ends_the_subscription_until_an_address_is_set_again(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any
) -> None:
    endpoint.statuses = [410]
    control.reply(workspace, conversation, CUSTOMER, "<p>a</p>", wait=True)
    assert control.reply(workspace, conversation, CUSTOMER, "<p>b</p>")["notifications"] == []
    control.set_intercom_app(webhook_url=endpoint.url)
    assert len(control.reply(workspace, conversation, CUSTOMER, "<p>c</p>")["notifications"]) == 1


def test_held_notifications_come_out_in_the_order_asked_for(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any
) -> None:
    parts = [
        control.reply(workspace, conversation, CUSTOMER, f"<p>{n}</p>", hold=True)["part"]
        for n in range(3)
    ]
    assert endpoint.received == []
    released = control.release(newest_first=True, wait=True)
    assert [n["part"] for n in released] == parts[::-1]
    sent = [
        r.body["data"]["item"]["conversation_parts"]["conversation_parts"][0]["id"]
        for r in endpoint.received
    ]
    assert sent == parts[::-1]


def test_a_duplicate_has_the_same_id_and_a_higher_attempt(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any
) -> None:
    deliver = ["normal", "duplicate"]
    control.reply(workspace, conversation, CUSTOMER, "<p>a</p>", deliver=deliver, wait=True)
    first, second = (r.body for r in endpoint.received)
    assert (first["id"], first["delivery_attempts"]) == (second["id"], 1)
    assert second["delivery_attempts"] == 2


def test_what_happened_before_the_install_is_not_told(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any
) -> None:
    posted = control.reply(
        workspace, conversation, CUSTOMER, "<p>old</p>", notify=False, created_at=1_700_000_000
    )
    assert (posted["notifications"], posted["created_at"]) == ([], 1_700_000_000)
    assert endpoint.received == []


def test_redaction_and_deletion_are_told(
    control: SimulatorControl,
    workspace: str,
    conversation: str,
    endpoint: Any,
) -> None:
    part = control.reply(workspace, conversation, CUSTOMER, "<p>secret</p>", wait=True)["part"]
    control.redact_part(workspace, conversation, part)
    wait_until(lambda: endpoint.topics()[-1] == "conversation_part.redacted")
    assert b"secret" not in endpoint.received[-1].raw
    control.delete_conversation(workspace, conversation)
    wait_until(lambda: endpoint.topics()[-1] == "conversation.deleted")
    assert control.conversations(workspace) == []


def test_a_ping_has_no_id(
    control: SimulatorControl, workspace: str, conversation: str, endpoint: Any
) -> None:
    control.ping(workspace)
    assert (endpoint.received[0].body["topic"], endpoint.received[0].body["id"]) == ("ping", None)
