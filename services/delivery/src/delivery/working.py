"""What an attempt needs, what it has learnt so far, and the ways it can end."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, cast

from common.eligibility import Installation
from common.events import Trigger
from common.outcomes import Outcome

from delivery.domain.answer import Verdict, Wait
from delivery.domain.backoff import Schedule
from delivery.domain.rates import Call
from delivery.domain.row import Kind, Known, Request, Row
from delivery.owners import Owners
from delivery.ports import (
    ActivityCrm,
    Claim,
    Crm,
    CrmAccess,
    IntercomAccess,
    IntercomPort,
    Ledger,
    SettingsPort,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the deployment may choose."""

    quiet_period: timedelta
    call_deadline: timedelta  # whole, per call to Intercom or a CRM
    schedule: Schedule
    heal_after: timedelta = timedelta(minutes=10)  # all must be visible by then
    visible_after: timedelta | None = None  # None: as long as the CRM's adapter says
    # The announced reply is looked for again after these pauses: three looks within a minute.
    look_again_after: tuple[timedelta, ...] = (
        timedelta(seconds=5),
        timedelta(seconds=15),
        timedelta(seconds=35),
    )
    several_persons: Literal["none", "lowest_id"] = "none"
    activity_policy: Literal["update", "new"] = "update"
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = lambda: 0.5


async def _no_limits(_access: CrmAccess, _call: Call) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Needs:
    settings: SettingsPort
    intercom: IntercomPort
    crm: Crm
    ledger: Ledger
    link: Callable[[IntercomAccess, str], str]
    limits: Limits
    owners: Owners = field(default_factory=Owners)
    reserve: Callable[[CrmAccess, Call], Awaitable[None]] = _no_limits  # a write's rate permit
    heard: Callable[[str, str | None], None] = lambda _peer, _fault: None  # how a peer answered


class Ended(Exception):
    """The attempt is over: this is the verdict on every request that is left."""

    def __init__(self, outcome: Outcome, reason: str | None = None) -> None:
        super().__init__(outcome)
        self.verdict = Verdict(outcome, reason)


class NobodyLeft(Exception):
    """Every request has a verdict or waits for quiet."""


class AccountChanged(Exception):
    """An app's connection now leads to another CRM account, where no ids of ours are known."""

    def __init__(self, app: str, crm_account: str) -> None:
        super().__init__()
        self.app = app
        self.crm_account = crm_account


class Postponed(Exception):
    """The requests that are left have to wait."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait.waiting)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Created:
    """A record made by this attempt, as long as the ledger does not know of it."""

    kind: Kind
    id: str
    started_at: datetime


@dataclass(slots=True)
class Working:
    """What an attempt has learnt so far."""

    claim: Claim
    monotonic: Callable[[], float]
    known: Known
    left: list[Request]  # passing so far; the others have a verdict or wait for quiet
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    quiet_at: datetime | None = None  # some wait until then
    unshown: Wait | None = None  # some wait until Intercom shows the announced reply
    # Of every app on this account, whether it asks or not: they share the notes.
    installations: dict[str, Installation] = field(default_factory=dict)
    app: str | None = None  # through whose connection the CRM is written to
    created: list[Created] = field(default_factory=list)  # in this attempt, to undo
    rewrote: bool = False
    healed_at: datetime | None = None  # the `heal_at` that this attempt served

    @property
    def row(self) -> Row:
        return self.claim.row

    def now(self) -> datetime:
        """The present instant by the ledger's clock, which all replicas share."""
        return self.claim.now(self.monotonic())

    def refuse(self, request: Request, outcome: Outcome) -> None:
        self.left.remove(request)
        self.verdicts[request.number] = Verdict(outcome)

    def refuse_all(self, app: str, outcome: Outcome) -> None:
        """Whatever is asked of this app, which shares nothing with the others any more."""
        self.installations.pop(app, None)
        for request in [request for request in self.left if request.app == app]:
            self.refuse(request, outcome)

    @property
    def speaker(self) -> Request:
        """The newest request: its app's options and connection are used."""
        return max(self.left, key=lambda request: request.number)

    @property
    def installation(self) -> Installation:
        return self.installations[self.speaker.app]

    @property
    def apps(self) -> list[str]:
        """Those that ask, newest request first."""
        newest_first = sorted(self.left, key=lambda request: request.number, reverse=True)
        return list(dict.fromkeys(request.app for request in newest_first))

    @property
    def note_per_period(self) -> bool:
        """Policy `new`, where all apps on this account agree on it; else there is one note."""
        return all(one.note_policy == "new" for one in self.installations.values())

    @property
    def by_quiet(self) -> bool:
        return any(request.trigger is Trigger.QUIET for request in self.left)

    @property
    def rewrites(self) -> bool:
        """Whether what stands in the CRM counts, however up to date it is for all we know."""
        return any(request.trigger is Trigger.REMOVED for request in self.left)

    @property
    def removes(self) -> bool:
        """Whether somebody removed something, and it is not only our own text to be made good."""
        return any(r.trigger is Trigger.REMOVED and not r.is_our_own for r in self.left)

    @property
    def only_removal(self) -> bool:
        return all(request.trigger is Trigger.REMOVED for request in self.left)


def as_activity_crm(crm: Crm) -> ActivityCrm:
    """For a CRM whose `has_activity` is true."""
    return cast("ActivityCrm", crm)
