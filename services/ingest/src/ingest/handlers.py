"""What ingest does: one method per kind of request. Each returns an answer out of a closed set."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from common import log

from ingest.domain.action import Action
from ingest.domain.notification import TopicClass, Unusable, meaning_of, topic_class
from ingest.domain.signature import is_signed
from ingest.domain.strict_json import Malformed, parse_object
from ingest.ports import EventLog, Told, Unavailable

_log = log.get(__name__)


class Answer(StrEnum):
    PUBLISHED = "published"
    NOTHING_TO_DO = "nothing_to_do"
    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    UNUSABLE = "unusable"
    UNAVAILABLE = "unavailable"


class OtherAction(Exception):
    """The action's id belongs to another action."""


@dataclass(frozen=True, slots=True)
class Ingest:
    events: EventLog
    webhook_secrets: tuple[bytes, ...]
    action_tokens: Mapping[bytes, str]  # each is one app's
    told: Told | None  # None: nothing is kept to compare a repeat with

    async def notify(self, body: bytes, signature: str | None) -> tuple[Answer, TopicClass | None]:
        """Take one notification; PUBLISHED only once the event is on the log for good.

        A body that is not signed is not parsed.
        """
        if not is_signed(body, signature, self.webhook_secrets):
            return Answer.UNSIGNED, None
        try:
            notification = parse_object(body)
        except Malformed:
            return Answer.MALFORMED, None
        topic = topic_class(notification)
        try:
            meaning = meaning_of(notification)
        except Unusable:
            # Intercom signed it, so this is news to us about its format: worth a look.
            _log.error("notification.unusable", topic_class=topic, size=len(body))
            return Answer.UNUSABLE, topic
        if meaning.event is None:
            return Answer.NOTHING_TO_DO, topic
        try:
            await self.events.append(meaning.event, meaning.event_id or str(uuid4()))
        except Unavailable:
            return Answer.UNAVAILABLE, topic
        return Answer.PUBLISHED, topic

    def apps_of(self, authorization: str | None) -> frozenset[str]:
        """The apps whose token the header carries; in constant time per token."""
        scheme, _, given = (authorization or "").partition(" ")
        matching = [
            app
            for token, app in self.action_tokens.items()
            if hmac.compare_digest(given.encode(), token)
        ]
        return frozenset(matching if scheme.lower() == "bearer" else ())

    async def act(self, action: Action) -> str:
        """Publish an action as settled at once, and return the event's id.

        Raises:
            Unavailable: the caller should send the same action again; it is done once only.
            OtherAction: its id was used before, with other values; nothing was published.

        """
        if self.told is not None and not await self.told.is_new_or_same(action):
            raise OtherAction
        event_id = action.event_id()
        await self.events.append(action.event(), event_id)
        _log.info(
            "action.published",
            workspace_id=action.workspace_id,
            conversation_id=action.conversation_id,
            app=action.app,
            kind=action.kind,
            event_id=event_id,
        )
        return event_id
