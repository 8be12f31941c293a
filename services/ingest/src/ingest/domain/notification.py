"""What one of Intercom's notifications means to us: somebody spoke, something was removed, nothing.

Facts on envelope and topics: Intercom's webhook models page, 2.16 (read 2026-11-22).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from common.events import (
    ActionId,
    ConversationEvent,
    ConversationId,
    ConversationSettled,
    ConversationUpdated,
    Trigger,
    WorkspaceId,
)
from common.updates import update_of_notification
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

REMOVED_TOPICS: Final = frozenset({"conversation.deleted", "conversation_part.redacted"})
# Sent about a conversation without a message of its own: no parts does not mean "just opened".
SPEECHLESS_TOPICS: Final = frozenset(
    {
        "conversation.read",
        "conversation.rating.added",
        "conversation.priority.updated",
        "conversation.contact.attached",
        "conversation.contact.detached",
    }
)


class TopicClass(StrEnum):
    """Topics as a closed set, since a caller chooses the topic and a metric's label stays."""

    CONVERSATION = "conversation"
    REMOVED = "removed"
    CONTACT = "contact"
    PING = "ping"
    OTHER = "other"


class Unusable(Exception):
    """Rightly signed, but no event can be made of it, now or on any retry."""


@dataclass(frozen=True, slots=True)
class Meaning:
    topic: TopicClass
    event: ConversationEvent | None = None
    event_id: str | None = None  # Intercom's id of the notification: the same on its retry


def meaning_of(notification: dict[str, Any]) -> Meaning:
    """The event that the notification calls for, if any.

    Raises:
        Unusable: it should have led to an event, but its shape or ids are none we can pass on.

    """
    topic = topic_class(notification)
    try:
        if topic is TopicClass.REMOVED:
            removal = _Removal.model_validate(notification)
            return Meaning(topic, _settled(removal), removal.id)
        if topic is TopicClass.CONVERSATION:
            news = _News.model_validate(notification)
            return Meaning(topic, _updated(news), news.id)
    except (ValidationError, OverflowError):
        raise Unusable from None
    return Meaning(topic)


def topic_class(notification: dict[str, Any]) -> TopicClass:
    topic = notification.get("topic")
    if not isinstance(topic, str):
        return TopicClass.OTHER
    if topic in REMOVED_TOPICS:
        return TopicClass.REMOVED
    for start in (TopicClass.CONVERSATION, TopicClass.CONTACT):
        if topic.startswith(f"{start}."):
            return start
    return TopicClass.PING if topic == "ping" else TopicClass.OTHER


def _null_is_absent(value: object) -> object:
    return {} if value is None else value


def _digits(value: object) -> object:
    """Ids are strings, but older API versions write some as numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Id = Annotated[ConversationId, BeforeValidator(_digits)]
_Seconds = Annotated[int, Field(ge=0, lt=2**33)]  # until the year 2242


class _Shape(BaseModel):
    """Only what the table of updates reads; what is said stays an unread object."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Author(_Shape):
    type: object = None
    from_ai_agent: object = None
    is_ai_answer: object = None


class _Message(_Shape):
    author: Annotated[_Author, BeforeValidator(_null_is_absent)] = _Author()
    body: object = None
    attachments: object = None


class _Source(_Message):
    delivered_as: object = None


class _Part(_Message):
    id: object = None
    part_type: object = None
    created_at: _Seconds


class _Parts(_Shape):
    conversation_parts: list[_Part] | None = None


class _Conversation(_Shape):
    id: _Id
    created_at: _Seconds
    source: Annotated[_Source, BeforeValidator(_null_is_absent)] = _Source()
    conversation_parts: Annotated[_Parts, BeforeValidator(_null_is_absent)] = _Parts()


class _ConversationData(_Shape):
    item: _Conversation


class _News(_Shape):
    topic: str
    id: ActionId | None = None
    app_id: WorkspaceId
    data: _ConversationData


class _Reference(_Shape):
    id: _Id


class _RemovedItem(_Shape):
    """A conversation, or a part that names its conversation."""

    type: object = None
    id: object = None
    conversation_id: object = None
    conversation: _Reference | None = None

    def conversation_of_it(self) -> object:
        if self.conversation is not None:
            return self.conversation.id
        if self.conversation_id is not None:
            return _digits(self.conversation_id)
        return None if self.type == "conversation_part" else _digits(self.id)


class _RemovedData(_Shape):
    item: _RemovedItem


class _Removal(_Shape):
    id: ActionId
    app_id: WorkspaceId
    data: _RemovedData


def _updated(news: _News) -> ConversationUpdated | None:
    conversation = news.data.item
    if news.topic in SPEECHLESS_TOPICS and not conversation.conversation_parts.conversation_parts:
        return None
    update = update_of_notification(conversation.model_dump())
    if update is None:
        return None
    return _event(news.app_id, conversation.id, update.updated_at, update.part_id)


def _event(
    workspace_id: str, conversation_id: str, updated_at: datetime, part_id: int
) -> ConversationUpdated:
    return ConversationUpdated(
        workspace_id=workspace_id,
        conversation_id=conversation_id,
        updated_at=updated_at,
        part_id=part_id,
    )


def _settled(removal: _Removal) -> ConversationSettled:
    return ConversationSettled.model_validate(
        {
            "workspace_id": removal.app_id,
            "conversation_id": removal.data.item.conversation_of_it(),
            "trigger": Trigger.REMOVED,
            "action_id": removal.id,
        }
    )
