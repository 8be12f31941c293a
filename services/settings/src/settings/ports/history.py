"""What became of conversations, and what waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from common.outcomes import Outcome

from settings.domain.attention import Lately
from settings.domain.history import Again, AppSummary, Entry, Filter, Place


class HistoryStore(Protocol):
    async def page(
        self, workspace_id: str, wanted: Filter, after: Place | None, limit: int
    ) -> list[Entry]:
        """Newest first."""
        ...

    async def conversations(self, workspace_id: str, wanted: Filter) -> dict[str, list[str]]:
        """Whose outcomes it finds, each once, by app."""
        ...

    async def summary(self, workspace_id: str, today: datetime) -> dict[str, AppSummary]: ...

    async def lately(self, workspace_id: str, now: datetime) -> dict[str, Lately]: ...

    async def last_update_received(self, workspace_id: str) -> datetime | None: ...

    async def forget_before(self, at: datetime, forgotten_at: datetime) -> int:
        """Delete what is older, and what says that something was forgotten before."""
        ...

    async def conversations_of(
        self, workspace_id: str, apps: Sequence[str], person_id: str
    ) -> list[str]:
        """Whose outcomes name this record of a CRM."""
        ...

    async def forget_conversations(
        self, workspace_id: str, ids: Sequence[str], at: datetime
    ) -> int:
        """Also what is reported of them later, if it was decided by then."""
        ...


class Pending(Protocol):
    """What debounce holds. Raises PeerUnavailable."""

    async def count(self, workspace_id: str) -> int: ...

    async def due_at(self, workspace_id: str, conversation_id: str) -> datetime | None:
        """When it is settled if nobody speaks again; None: it does not wait for quiet."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation that delivery holds."""

    conversation_id: str
    app: str
    waits_for: str  # delivery's word: `retry`, `reconnect`, `settings`, `quiet`, `worker`, ...
    until: datetime | None
    failed_attempts: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would become of a conversation by itself; nothing is written. Never stored or logged."""

    refused: Outcome | None
    quiet_at: datetime | None  # it would wait until then
    person_id: str | None
    note: str | None  # plain text, of the conversation

    def __repr__(self) -> str:
        return f"Preview(refused={self.refused!r})"


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What delivery would look at once more: so many, decided before `until`."""

    count: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What delivery was asked to look at once more."""

    asked: int
    already_open: int  # it is being asked for already, and needs no other request
    after: Any = None  # where to go on, in delivery's own words; None: that was all


@dataclass(frozen=True, slots=True)
class ForgottenContact:
    deleted: Mapping[str, int]  # rows, by table
    conversation_ids: list[str]


class Deliveries(Protocol):
    """What delivery's ledger holds. Raises PeerUnavailable."""

    async def waiting(self, workspace_id: str, conversation_id: str) -> list[Waiting]: ...

    async def preview(self, workspace_id: str, conversation_id: str, app: str) -> Preview: ...

    async def unwritten(self, workspace_id: str, wanted: Again) -> Unwritten: ...

    async def ask_again(
        self, workspace_id: str, wanted: Again, until: datetime, after: Any
    ) -> Asked: ...

    async def forget(self, workspace_id: str) -> Mapping[str, int]:
        """Delete all it holds of the workspace; how many rows of what. Safe to repeat."""
        ...

    async def forget_contact(
        self, workspace_id: str, conversation_ids: Sequence[str], record: tuple[str, str] | None
    ) -> ForgottenContact:
        """Delete all it holds of these conversations, and of those with this CRM's record."""
        ...
