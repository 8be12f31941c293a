"""A ledger row as a value: ids and times only (R11). `docs/delivery-states.md` draws its states."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from common.events import CrmPerson, DeliveryOutcome, Trigger
from common.updates import Update

Kind = Literal["note", "activity"]  # what we write


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
    unknown_note: UnknownWrite | None = None
    unknown_activity: UnknownWrite | None = None
    lost: Lost | None = None
    lost_through: Update | None = None  # newest reply when the loss was noticed
    handed_over: int = 0  # how many notes of this conversation people made theirs
    heal_at: datetime | None = None  # look for surplus notes then
    heal_periods: tuple[int, ...] = ()  # policy `new`: and of these periods
    heal_persons: tuple[str, ...] = ()  # and at these persons, where creates ended unknown


class Waiting(StrEnum):
    """What an unanswered row waits for, beside a free worker."""

    QUIET = "quiet"  # the fresh conversation shows a younger reply
    REPLY = "reply"  # Intercom does not show the announced reply yet
    RETRY = "retry"  # the other side could not answer
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
    known: Known = Known()
    outcomes: tuple[DeliveryOutcome, ...] = ()  # new ones, for the outbox
