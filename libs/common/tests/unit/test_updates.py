"""Rule R9's table: which messages are updates. One sentence per case."""

from datetime import UTC, datetime
from typing import Any

import pytest
from common.updates import (
    OPENING_PART_ID,
    Update,
    part_id,
    update_of_notification,
    update_of_opening,
    update_of_part,
)

AT = 1_795_000_000
USER = {"type": "user", "id": "u1"}
ADMIN = {"type": "admin", "id": "5001"}
BOT = {"type": "bot", "id": "b1"}
FIN = ADMIN | {"from_ai_agent": True}


def part(author: dict[str, Any] | None, part_type: str = "comment", **more: Any) -> dict[str, Any]:
    return {
        "id": "9000",
        "part_type": part_type,
        "body": "<p>Text</p>",
        "author": author,
        "attachments": [],
        "created_at": AT,
    } | more


def opening(
    author: dict[str, Any] | None, delivered_as: str | None = "customer_initiated", **more: Any
) -> dict[str, Any]:
    source = {"author": author, "body": "<p>Text</p>", "attachments": []} | more
    return {"created_at": AT, "source": source | {"delivered_as": delivered_as}}


FILE = [{"type": "upload", "name": "a.pdf"}]

PARTS: list[tuple[str, dict[str, Any], bool]] = [
    ("a customer's reply", part(USER), True),
    ("a lead's reply", part({"type": "lead"}), True),
    ("a contact's reply", part({"type": "contact"}), True),
    ("a teammate's reply", part(ADMIN), True),
    ("a quick reply of a customer", part(USER, "quick_reply"), True),
    ("assign-and-reply", part(ADMIN, "assignment"), True),
    ("assign-and-unsnooze with a reply", part(ADMIN, "assign_and_unsnooze"), True),
    ("close-and-reply", part(ADMIN, "close"), True),
    ("reopen with a reply", part(USER, "open"), True),
    ("snooze with a reply", part(ADMIN, "snoozed"), True),
    ("a part type never seen before, with a reply", part(ADMIN, "brand_new_type"), True),
    ("an attachment alone", part(USER, body=None, attachments=FILE), True),
    ("an attachment and an empty body", part(USER, body="", attachments=FILE), True),
    ("a bare assignment", part(ADMIN, "assignment", body=None), False),
    ("a bare close", part(ADMIN, "close", body=None), False),
    ("a bare reopening", part(USER, "open", body=""), False),
    ("a tag", part(ADMIN, "conversation_tags_updated", body=None), False),
    ("a rating without a remark", part(USER, "conversation_rating_changed", body=None), False),
    ("an internal note", part(ADMIN, "note"), False),
    ("an internal note that reopens", part(ADMIN, "note_and_reopen"), False),
    ("an internal note that unsnoozes", part(ADMIN, "note_and_unsnooze"), False),
    ("an internal note with an attachment", part(ADMIN, "note", attachments=FILE), False),
    ("a bot's reply", part(BOT), False),
    ("a team's message", part({"type": "team"}), False),
    ("an operator's message", part({"type": "operator"}), False),
    ("an AI agent in a teammate's name", part(FIN), False),
    ("an AI answer in a teammate's name", part(ADMIN | {"is_ai_answer": True}), False),
    ("a workflow's assignment with text", part(ADMIN, "workflow_assignment"), False),
    ("a workflow's event with text", part(ADMIN, "operator_workflow_event"), False),
    ("a redacted reply, whose body is gone", part(USER, body=None, redacted=True), False),
    ("a part without an author", part(None), False),
    ("a part by nobody we know", part({"type": None}), False),
]

OPENINGS: list[tuple[str, dict[str, Any], bool]] = [
    ("a customer opens", opening(USER), True),
    ("a customer opens with an attachment alone", opening(USER, body="", attachments=FILE), True),
    ("a teammate writes directly", opening(ADMIN, "admin_initiated"), True),
    ("a campaign in a teammate's name", opening(ADMIN, "campaigns_initiated"), False),
    ("a series in a teammate's name", opening(ADMIN, "automated"), False),
    ("a workflow in a teammate's name", opening(ADMIN, "operator_initiated"), False),
    ("a bot opens", opening(BOT, "operator_initiated"), False),
    ("a bot opens, and it is not said how", opening(BOT, None), False),
    ("an AI agent opens", opening(FIN, "admin_initiated"), False),
    ("an empty opening", opening(USER, body="", attachments=[]), False),
    ("no source at all", {"created_at": AT, "source": None}, False),
]


@pytest.mark.parametrize(("message", "counts"), [pytest.param(p, c, id=i) for i, p, c in PARTS])
def test_part_is_an_update(message: dict[str, Any], counts: bool) -> None:
    expected = Update(datetime.fromtimestamp(AT, UTC), 9000) if counts else None
    assert update_of_part(message) == expected


@pytest.mark.parametrize(
    ("conversation", "counts"), [pytest.param(o, c, id=i) for i, o, c in OPENINGS]
)
def test_opening_is_an_update(conversation: dict[str, Any], counts: bool) -> None:
    expected = Update(datetime.fromtimestamp(AT, UTC), OPENING_PART_ID) if counts else None
    assert update_of_opening(conversation) == expected


def _notification(conversation: dict[str, Any], *parts: dict[str, Any]) -> dict[str, Any]:
    return conversation | {"conversation_parts": {"conversation_parts": list(parts)}}


CAMPAIGN = opening(ADMIN, "campaigns_initiated")
OPENED = opening(USER)
REPLY, NEXT = part(USER), part(ADMIN, id="9001")
NOTE, NEXT_NOTE = part(ADMIN, "note"), part(ADMIN, "note", id="9001")
BARE = part(ADMIN, "assignment", body=None)
LATER = part(USER, created_at=AT + 1)
NOTIFICATIONS: list[tuple[str, dict[str, Any], int | None]] = [
    ("a campaign alone", _notification(CAMPAIGN), None),
    ("a campaign, then a customer's reply", _notification(CAMPAIGN, REPLY), 9000),
    ("a customer opened", _notification(OPENED), OPENING_PART_ID),
    ("a bot answered: the opening was told before", _notification(OPENED, part(BOT)), None),
    ("a note on a customer's conversation", _notification(OPENED, NOTE), None),
    ("assigned, without a word", _notification(OPENED, BARE), None),
    ("several parts: the newest", _notification(OPENED, REPLY, NEXT), 9001),
    ("several parts: a later second wins", _notification(OPENED, LATER, NEXT), 9000),
    ("several parts, the newest a note", _notification(OPENED, REPLY, NEXT_NOTE), 9000),
    ("no list of parts", OPENED | {"conversation_parts": None}, OPENING_PART_ID),
]


@pytest.mark.parametrize(
    ("conversation", "expected"), [pytest.param(n, e, id=i) for i, n, e in NOTIFICATIONS]
)
def test_newest_update_of_a_notification(
    conversation: dict[str, Any], expected: int | None
) -> None:
    found = update_of_notification(conversation)
    assert (found.part_id if found else None) == expected


def test_two_replies_of_one_second_are_ordered_by_part() -> None:
    at = datetime.fromtimestamp(AT, UTC)
    assert Update(at, 9001) > Update(at, 9000) > Update(at, OPENING_PART_ID)
    assert Update(datetime.fromtimestamp(AT + 1, UTC), 1) > Update(at, 9000)


def test_the_time_is_the_parts_created_at_in_whole_seconds() -> None:
    message = part(USER, created_at=AT + 0.9, updated_at=AT + 500, notified_at=AT + 600)
    found = update_of_part(message)
    assert found is not None
    assert found.updated_at == datetime.fromtimestamp(AT, UTC)


@pytest.mark.parametrize(
    "raw", ["abc", None, "", "9" * 19, "-1", "1.5", "٣x"], ids=lambda raw: f"id {raw!r}"
)
def test_an_odd_part_id_gets_a_stable_number_that_is_never_the_openings(raw: object) -> None:
    assert part_id(raw) == part_id(raw)
    assert 0 < part_id(raw) < 2**63


def test_an_id_of_digits_is_itself_also_as_a_number() -> None:
    assert part_id("9000") == part_id(9000) == 9000
