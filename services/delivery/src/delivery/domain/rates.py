"""How often a vendor lets us call. Adapters declare it as data; what it means is judged here.

A limit of less than an hour is *spread*: tokens are earned evenly, a few may be saved up, and no
stretch of its span, wherever it starts, sees more calls than it allows, so it holds whether the
vendor's window rolls or stands on a grid. A longer one is a *budget*: all of it may be used as fast
as one likes, and a new one begins with each span of UTC. The instants are the ledger's, whose
rows all replicas share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

BUDGETS_FROM: Final = timedelta(hours=1)
# A call may reach the vendor so much later than it was meant to, among those meant for then.
LATE_AT_MOST: Final = timedelta(seconds=0.25)
_SAVED_UP: Final = 0.05  # of the limit, at least one call of the dearest kind
_SCARCE: Final = 0.05  # so little is left by the vendor's own count that others must be using it
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Scope(StrEnum):
    """Whose calls count together."""

    CONNECTION = "connection"  # of one user's grant in one CRM account
    TENANT = "tenant"  # of one CRM account, whoever connected it
    VENDOR_KEY = "vendor_key"  # of our client key, all customers together


class Call(StrEnum):
    """Kinds of requests, for limits that count some of them differently, or not at all."""

    SEARCH = "search"  # for persons
    PERSON = "person"  # one by its id
    NOTES = "notes"  # listed
    NOTE = "note"
    CREATE_NOTE = "create_note"
    UPDATE_NOTE = "update_note"
    DELETE_NOTE = "delete_note"
    ACTIVITIES = "activities"
    ACTIVITY = "activity"
    CREATE_ACTIVITY = "create_activity"
    UPDATE_ACTIVITY = "update_activity"
    DELETE_ACTIVITY = "delete_activity"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Whose:
    """Whom a call counts for."""

    account: str  # at the vendor
    user: str | None = None  # whose grant it is, where the vendor counts by grants


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `amount` units in any `per`, over all calls of one scope.

    Args:
        name: within its CRM; part of codes that people see.
        costs: units of a kind of request, where they are not `otherwise`; 0: not counted.

    """

    name: str
    scope: Scope
    amount: int
    per: timedelta
    costs: Mapping[Call, int] = field(default_factory=dict)
    otherwise: int = 1

    def cost(self, call: Call) -> int:
        return self.costs.get(call, self.otherwise)

    @property
    def is_budget(self) -> bool:
        return self.per >= BUDGETS_FROM


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer's headers say of a limit; None: nothing."""

    limit: str  # its name
    amount: int | None = None
    remaining: int | None = None
    resets_in: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is kept of one limit at one connection, tenant or key."""

    free_at: datetime | None = None  # spread: by then everything handed out is earned again
    window_at: datetime | None = None  # budget: the span that `used` belongs to
    used: int = 0
    held_until: datetime | None = None  # the vendor said so: no call before
    amount: int | None = None  # by the vendor's own word; None: as declared


Counted = tuple[str, RateLimit, int]  # the bucket's key, its limit, and what the call costs there


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that asks for its turn at some limits.

    Args:
        not_before: its turn at others.
        together: at all of them for when the last one's comes, though the others stand idle so
            long; else it takes nothing where its turn would be earlier.

    """

    counted: Sequence[Counted]
    not_before: datetime | None = None
    together: bool = False


@dataclass(frozen=True, slots=True)
class Permit:
    """When one call may be sent."""

    at: datetime
    granted: bool  # False: longer than one was ready to wait; nothing was taken
    limit: str | None = None  # the one that has it wait longest
    taken: tuple[str, ...] = ()  # buckets' keys
    others_at: datetime | None = None  # where nothing was taken, its turn would be then by now


def take(
    buckets: Mapping[str, Bucket],
    calls: Sequence[Asked],
    now: datetime,
    patience: timedelta,
) -> tuple[dict[str, Bucket], list[Permit]]:
    """Hand out permits for calls, first come first served; each counts towards several limits.

    A call whose turn would come after `patience` takes nothing from any of them. One that some hold
    back takes from these alone, if it may: counted elsewhere from now on, it would come too late to
    be among those that it was counted with. `Turns` says when it asks there.
    """
    left, permits = dict(buckets), []
    for call in calls:
        at, latest, slowest, turns = max(now, call.not_before or now), now, None, []
        for key, limit, cost in call.counted:
            spent, turn = _turn(left.get(key, Bucket()), limit, cost, now)
            turns.append((key, limit, cost, spent, turn))
            if turn > latest:
                latest, slowest = turn, limit.name
        at = max(at, latest)
        granted = at - now <= patience
        taken = dict[str, Bucket]()
        for key, limit, cost, spent, turn in turns if granted else ():
            if at - turn <= LATE_AT_MOST:
                taken[key] = spent
            elif call.together:
                taken[key], _ = _turn(left.get(key, Bucket()), limit, cost, at)
        left |= taken
        others_at = max((turn for key, *_, turn in turns if key not in taken), default=None)
        permits.append(Permit(at, granted, slowest, tuple(taken), others_at))
    return left, permits


@dataclass(frozen=True, slots=True)
class Turns:
    """One call's turns at all the limits that it counts towards; it goes when they have all come.

    It asks at the slowest first, and at the others in time for theirs to come together with that
    one. A turn that has long come when another's comes is none any more: once that has happened,
    all are taken at once.
    """

    counted: tuple[Counted, ...]
    at: Mapping[str, datetime] = field(default_factory=dict)  # by bucket
    missed: bool = False

    @property
    def asked(self) -> Asked:
        """For those that are missing."""
        missing = tuple(one for one in self.counted if one[0] not in self.at)
        return Asked(missing, max(self.at.values(), default=None), together=self.missed)

    def after(self, permit: Permit) -> tuple["Turns", timedelta | None]:
        """And how long to wait before asking for the missing; None: there are none."""
        at = {**self.at, **dict.fromkeys(permit.taken, permit.at)}
        budgets = {key for key, limit, _ in self.counted if limit.is_budget}
        good = {
            key: turn
            for key, turn in at.items()
            if key in budgets or permit.at - turn <= LATE_AT_MOST
        }
        missed = len(good) < len(at)
        turns = Turns(self.counted, good, missed=self.missed or missed)
        if len(good) == len(self.counted):
            return turns, None
        if missed or permit.others_at is None:
            return turns, timedelta(0)
        return turns, max(permit.at - permit.others_at, timedelta(0))


def heed(bucket: Bucket, limit: RateLimit, told: Told, now: datetime) -> Bucket:
    """The bucket after the vendor's own word. It may know of calls that we do not."""
    amount = told.amount or bucket.amount
    bucket = replace(bucket, amount=amount)
    if told.remaining is None:
        return bucket
    amount = amount or limit.amount
    if limit.is_budget:
        window = _window(limit, now)
        used = bucket.used if bucket.window_at == window else 0
        used = max(used, amount - told.remaining)
        bucket = replace(bucket, window_at=window, used=used)
        nothing_left = told.remaining <= 0
    else:
        nothing_left = told.remaining <= amount * _SCARCE
    if nothing_left and told.resets_in is not None:
        held = now + told.resets_in
        bucket = replace(bucket, held_until=max(held, bucket.held_until or held))
    return bucket


def tells_more(bucket: Bucket, limit: RateLimit, told: Told) -> bool:
    """Whether `heed` would change anything that matters, so that most answers cost nothing."""
    if told.amount is not None and told.amount != (bucket.amount or limit.amount):
        return True
    if told.remaining is None:
        return False
    amount = told.amount or bucket.amount or limit.amount
    if limit.is_budget:
        return amount - told.remaining > bucket.used + amount * _SCARCE or told.remaining <= 0
    return told.resets_in is not None and told.remaining <= amount * _SCARCE


def _turn(bucket: Bucket, limit: RateLimit, cost: int, now: datetime) -> tuple[Bucket, datetime]:
    held_until = max(now, bucket.held_until or now)
    # What a vendor's word holds back comes one by one from then on, not all at once.
    spent, turn = _spend(bucket, limit, cost, now if limit.is_budget else held_until)
    return spent, max(turn, held_until)


def _spend(bucket: Bucket, limit: RateLimit, cost: int, now: datetime) -> tuple[Bucket, datetime]:
    amount = bucket.amount or limit.amount
    if limit.is_budget:
        window = _window(limit, now)
        used = cost + (bucket.used if bucket.window_at == window else 0)
        at = now if used <= amount else window + limit.per
        return replace(bucket, window_at=window, used=used), at
    saved_up = _saved_up(limit, amount)
    # What is earned in one span, what was saved up before it, and what comes late from the one
    # before may all be used in that span.
    step = (limit.per + LATE_AT_MOST) / max(amount - saved_up, amount / 2)
    free_at = max(bucket.free_at or now, now) + cost * step
    return replace(bucket, free_at=free_at), max(now, free_at - saved_up * step)


def _saved_up(limit: RateLimit, amount: int) -> float:
    return max(amount * _SAVED_UP, *limit.costs.values(), limit.otherwise, 1)


def _window(limit: RateLimit, now: datetime) -> datetime:
    return _EPOCH + (now - _EPOCH) // limit.per * limit.per
