"""A ledger row as a value: ids and times only (R11). `docs/delivery-states.md` draws its states."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from common.events import CrmPerson, DeliveryOutcome, Trigger
from common.updates import Update

Kind = Literal["note", "activity"]  # what we write
# Action ids of our own requests begin so: to write once more, whatever stands in the CRM now.
ONCE_MORE = "once-more."


@dataclass(frozen=True, slots=True)
class Key:
    """One conversation at one CRM account."""

    workspace_id: str
    conversation_id: str
    crm: str
    crm_account: str


@dataclass(frozen=True, slots=True)
class Request:
    """An accepted event, still to be answered for one app."""

    number: int  # what `wanted` was raised to; an attempt answers those up to its `taken`
    trigger: Trigger
    app: str
    asked_at: datetime
    update: Update | None = None  # quiet and backfill: the reply that was announced
    action_id: str | None = None
    actor_id: str | None = None
    person: CrmPerson | None = None

    @property
    def waits_for_quiet(self) -> bool:
        return self.trigger in (Trigger.QUIET, Trigger.BACKFILL)

    @property
    def is_our_own(self) -> bool:
        """Nobody outside asked, so nobody is told how it ends (promise 1 counts those asked)."""
        return self.action_id is not None and self.action_id.startswith(ONCE_MORE)


@dataclass(frozen=True, slots=True)
class Written:
    """A note or activity of ours that is known to exist."""

    id: str
    period: int | None  # policy `new`: the period it belongs to
    through: Update | None  # newest reply in its text; None: unknown, so it is written again


@dataclass(frozen=True, slots=True)
class UnknownWrite:
    """A create was sent, and nobody knows whether it took effect. While set, nothing is created."""

    person_id: str
    period: int | None
    started_at: datetime
    through: Update | None = None  # newest reply in the text that was sent
    probes: int = 0  # finished looks that found nothing


class Lost(StrEnum):
    """Why the note that was ours no longer is."""

    HANDED_OVER = "handed_over"  # people edited our marker lines away: it is theirs
    DELETED = "deleted"  # somebody deleted it in the CRM


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of our records in the CRM account. Only the holder of the lease changes it."""

    person_id: str | None = None
    note: Written | None = None
    activity: Written | None = None
    activity_person_id: str | None = None  # at whom it was made; None: of an older ledger
    unknown_note: UnknownWrite | None = None
    unknown_activity: UnknownWrite | None = None
    lost: Lost | None = None
    lost_through: Update | None = None  # newest reply when the loss was noticed
    handed_over: int = 0  # how many notes of this conversation people made theirs
    heal_at: datetime | None = None  # look for surplus notes then
    heal_periods: tuple[int | None, ...] = ()  # and of these periods
    heal_persons: tuple[str, ...] = ()  # and at these persons, where creates ended unknown
    users: tuple[str, ...] = ()  # the CRM's, as whom we created: the connection's own, over time
    persons: tuple[str, ...] = ()  # whom we created anything for, or tried to, over time
    heal_text: bool = False  # an update may land late, over a newer text: write once more then
    note_sure_at: datetime | None = None  # a distrusted ledger was looked over for it then
    activity_sure_at: datetime | None = None

    @property
    def may_stand(self) -> bool:
        """Whether anything of ours may be in the CRM, whatever became of the latest."""
        return self.person_id is not None or bool(self.persons)

    def created_as(self, user_id: str | None, person_id: str) -> Self:
        """Whoever connects next, what this user wrote with our marker is ours."""
        users = self.users if user_id is None else (*self.users, user_id)
        return replace(
            self,
            users=tuple(dict.fromkeys(users)),
            persons=tuple(dict.fromkeys((*self.persons, person_id))),
        )

    def record(self, kind: Kind) -> Written | None:
        return self.note if kind == "note" else self.activity

    def unknown(self, kind: Kind) -> UnknownWrite | None:
        return self.unknown_note if kind == "note" else self.unknown_activity

    def sure_at(self, kind: Kind) -> datetime | None:
        return self.note_sure_at if kind == "note" else self.activity_sure_at

    def with_record(self, kind: Kind, record: Written | None, person_id: str | None = None) -> Self:
        """`person_id`: at whom it stands, which is kept of the activity."""
        if kind == "note":
            return replace(self, note=record)
        return replace(self, activity=record, activity_person_id=person_id)

    def with_unknown(self, kind: Kind, unknown: UnknownWrite | None) -> Self:
        if kind == "note":
            return replace(self, unknown_note=unknown)
        return replace(self, unknown_activity=unknown)

    def with_sure_at(self, kind: Kind, at: datetime) -> Self:
        if kind == "note":
            return replace(self, note_sure_at=at)
        return replace(self, activity_sure_at=at)


@dataclass(frozen=True, slots=True)
class Distrust:
    """The ledger came out of a backup: what it says of notes made until `before` may be too little.

    Of a conversation that began until then, what has no id here may stand in the CRM all the same,
    and even the row may be a new one in place of one that was lost.
    """

    before: datetime
    declared_at: datetime  # whatever was looked over since then is known for sure


class Waiting(StrEnum):
    """What an unanswered row waits for, beside a free worker."""

    QUIET = "quiet"  # the fresh conversation shows a younger reply
    REPLY = "reply"  # Intercom does not show the announced reply yet
    RETRY = "retry"  # the other side could not answer
    PAUSED = "paused"  # a rate limit or an open circuit holds the connection's calls back
    PROBE = "probe"  # until a write of unknown end must be visible
    SETTINGS = "settings"  # settings could not answer, and nothing is guessed
    RECONNECT = "reconnect"  # until the admin connects the CRM or Intercom again


@dataclass(frozen=True, slots=True)
class Row:
    key: Key
    wanted: int = 0
    taken: int = 0
    done: int = 0
    requests: tuple[Request, ...] = ()
    seen_actions: tuple[str, ...] = ()
    answered_through: Update | None = None
    not_before_quiet: datetime | None = None
    not_before_retry: datetime | None = None
    waiting: Waiting | None = None
    reason: str | None = None  # a code that goes with `waiting`
    attempts: int = 0  # failed ones in a row
    failing_since: datetime | None = None
    looks: int = 0  # looks in a row that did not show the announced reply
    leased: bool = False
    abandoned: bool = False  # at a claim: whoever had it before gave no result, but may have sent
    known: Known = Known()
    distrust: Distrust | None = None  # the same for all rows
    outcomes: tuple[DeliveryOutcome, ...] = ()  # new ones, for the outbox
