"""What ingest's handlers need."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from common.events import ConversationEvent

from ingest.domain.action import Action
from ingest.domain.action_card import Asked
from ingest.domain.canvas_request import Looking
from ingest.domain.standing import AppStanding, End


class Unavailable(Exception):
    """The record may not be on the log (it may still land): the caller should try again."""


class EventLog(Protocol):
    async def append(self, event: ConversationEvent, event_id: str) -> None:
        """Returns once the event is stored for good.

        Args:
            event_id: the same for every copy of one event, so that a repeat is recognisable.

        Raises:
            Unavailable: not stored, or unknown whether it was.

        """
        ...


class Told(Protocol):
    """Delivery, as the memory of actions that other front ends have done."""

    async def is_new_or_same(self, action: Action) -> bool:
        """Whether nothing else was told under this action's id.

        Raises:
            Unavailable: it cannot be compared now.

        """
        ...


class Actions(Protocol):
    """Delivery: how each app stands, and actions carried out. Answers within a second, or so."""

    async def standings(self, looking: Looking) -> tuple[list[AppStanding], Sequence[str]]:
        """Of the installed apps; and the apps whose delivery does not answer."""
        ...

    async def press(self, looking: Looking, asked: Asked) -> End:
        """Never raises: whoever pressed is told how it ended, also where that is not known."""
        ...


class PendingUpdates(Protocol):
    """Debounce."""

    async def due_at(self, workspace_id: str, conversation_id: str) -> datetime | None:
        """None: it is not pending. Raises PeerUnavailable."""
        ...
