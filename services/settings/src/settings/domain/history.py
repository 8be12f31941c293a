"""What became of conversations, for people who look: ids, times and outcomes."""

from dataclasses import dataclass
from datetime import datetime

from common.events import Trigger
from common.outcomes import Outcome

WRITTEN = frozenset({Outcome.DELIVERED, Outcome.UPDATED})

DONE = WRITTEN | {Outcome.UP_TO_DATE, Outcome.ALREADY_THERE, Outcome.SUPERSEDED}
# What may be tried again, if somebody wishes; and what is where nobody says what he means.
AGAIN = frozenset(Outcome) - {Outcome.DELIVERED, Outcome.UP_TO_DATE}
UNWRITTEN = frozenset(Outcome) - DONE


@dataclass(frozen=True, slots=True)
class Entry:
    """One conversation's outcome for one app."""

    outcome_id: str
    conversation_id: str
    app: str
    crm_account: str
    outcome: Outcome
    triggers: tuple[Trigger, ...]
    updated_at: datetime | None
    person_id: str | None
    note_id: str | None
    reason: str | None
    decided_at: datetime

    @property
    def may_be_tried_again(self) -> bool:
        return self.outcome in AGAIN


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; None and empty: anything. `until` is exclusive."""

    app: str | None = None
    outcomes: frozenset[Outcome] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    conversation_id: str | None = None

    @property
    def to_try_again(self) -> frozenset[Outcome]:
        """Of what it finds, the outcomes that are tried again."""
        return (self.outcomes & AGAIN) if self.outcomes else UNWRITTEN

    @property
    def means_superseded(self) -> bool:
        """It finds nothing but requests that a later one answered."""
        return self.to_try_again == {Outcome.SUPERSEDED}


@dataclass(frozen=True, slots=True)
class Again:
    """What delivery is to look at once more, of its answers: the newest of each conversation.

    None of those is `superseded`: of a conversation whose request was, the later one's is meant.
    """

    outcomes: frozenset[Outcome]
    app: str | None = None
    since: datetime | None = None
    until: datetime | None = None  # exclusive
    conversation_ids: tuple[str, ...] = ()  # none: any


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: the next one begins behind this entry, newest first."""

    decided_at: datetime
    outcome_id: str


@dataclass(frozen=True, slots=True)
class AppSummary:
    written_today: int = 0
    last_failure_at: datetime | None = None
