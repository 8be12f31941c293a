"""What ingest's handlers need."""

from typing import Protocol

from common.events import ConversationEvent


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
