"""Rule R9: which messages are updates. The one table of cases, in ingest and in delivery alike.

An update is a part, or the opening message, whose author is a person, with a body or an attachment,
that is not an internal note, whatever its topic or part type. Its time is the part's `created_at`.
Field names are Intercom's, API 2.14 (conversation, conversation part).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zlib import crc32

OPENING_PART_ID: Final = 0
PERSONS: Final = frozenset({"user", "lead", "contact", "admin"})
INTERNAL_PART_TYPES: Final = frozenset({"note", "note_and_reopen", "note_and_unsnooze"})
# Campaigns, workflows and bots often write in a teammate's name: the author alone does not tell.
SENT_BY_MACHINES: Final = frozenset({"campaigns_initiated", "operator_initiated", "automated"})
MACHINE_PART_TYPES: Final = frozenset({"workflow_assignment", "operator_workflow_event"})


@dataclass(frozen=True, slots=True, order=True)
class Update:
    """A person spoke. Ordered by time, then part, since Intercom's times are whole seconds."""

    updated_at: datetime
    part_id: int  # OPENING_PART_ID for the opening message


def update_of_part(part: Mapping[str, Any]) -> Update | None:
    """The update that this conversation part is, or None where R9 does not count it."""
    if part.get("part_type") in INTERNAL_PART_TYPES | MACHINE_PART_TYPES:
        return None
    if not _said_by_a_person(part):
        return None
    return Update(_instant(part["created_at"]), part_id(part.get("id")))


def update_of_opening(conversation: Mapping[str, Any]) -> Update | None:
    """The update that the opening message (`source`) is, or None."""
    source = conversation.get("source") or {}
    if source.get("delivered_as") in SENT_BY_MACHINES or not _said_by_a_person(source):
        return None
    return Update(_instant(conversation["created_at"]), OPENING_PART_ID)


def update_of_notification(conversation: Mapping[str, Any]) -> Update | None:
    """The newest update in a notification's item, which holds only the part that fired it.

    Without a part it is the opening message that fired it.
    """
    parts = (conversation.get("conversation_parts") or {}).get("conversation_parts") or []
    if not parts:
        return update_of_opening(conversation)
    return max(filter(None, map(update_of_part, parts)), default=None)


def part_id(raw: object) -> int:
    """Intercom's part id as a number: the order of two replies in one second.

    Ids are strings of digits; any other still gets a stable number, never the opening message's.
    """
    text = str(raw)
    return int(text) if text.isdecimal() and len(text) <= 18 else crc32(text.encode()) + 1


def _said_by_a_person(message: Mapping[str, Any]) -> bool:
    author = message.get("author") or {}
    return (
        author.get("type") in PERSONS
        and not author.get("from_ai_agent")
        and not author.get("is_ai_answer")
        and bool(message.get("body") or message.get("attachments"))
    )


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
