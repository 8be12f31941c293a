"""What stands before every call to a vendor: its circuit breakers, then permits for its limits."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from common import log
from prometheus_client import Counter, Gauge

from delivery.adapters.calls import Deadline
from delivery.adapters.permits import Granted, Permits
from delivery.domain import circuit
from delivery.domain.circuit import Circuit
from delivery.domain.rates import (
    LATE_AT_MOST,
    Call,
    Counted,
    RateLimit,
    Scope,
    Told,
    Turns,
    Whose,
)
from delivery.ports import Paused, RetryLater

_log = log.get(__name__)

# The other side's own word on this very request: it works, and there is nothing to spare it.
_ITS_WORD: Final = frozenset(
    {"http_402", "http_409", "http_423", "http_425", "http_429", "http_477", "partial_answer"}
)
_CIRCUITS_MAX: Final = 20_000
_UNHEARD: Final = Circuit()
_STATES: Final = {"closed": 0, "half_open": 1, "open": 2}

_vendor_state = Gauge(
    "lull_delivery_circuit_state", "A vendor's circuit: 0 closed, 1 half open, 2 open", ["vendor"]
)
_open_connections = Gauge(
    "lull_delivery_circuits_open", "Connections whose circuit is not closed", ["vendor"]
)
_opened = Counter("lull_delivery_circuits_opened_total", "Circuits opened", ["vendor", "of"])
_refused = Counter(
    "lull_delivery_calls_paused_total", "Calls not sent, by what held them back", ["vendor", "by"]
)
_waited = Counter(
    "lull_delivery_permit_wait_seconds_total", "Time that calls waited for permits", ["vendor"]
)

# Permits taken before a write was prepared; each is used by the next call of its kind. An attempt
# is a task of its own, and so has its own.
_in_hand: ContextVar[tuple[Call, ...]] = ContextVar("permits_in_hand", default=())
# A permit that comes so late that it would count in another span is taken anew, so many times.
_TAKEN_ANEW_MAX: Final = 3
# One question per limit mostly, and more where queues grow or shrink while it waits.
_ASKED_MAX: Final = 12
# How long the task at hand has waited for permits so far.
waited_s: ContextVar[float] = ContextVar("waited_s", default=0.0)


@dataclass(frozen=True, slots=True)
class Turn:
    """A call that was let through."""

    connection: str
    probes_connection: bool = False
    probes_vendor: bool = False


class Guard(Protocol):
    async def reserve(self, whose: Whose, call: Call) -> None:
        """Wait now for the permit of a write, so that nothing holds it back once it is prepared.

        Raises Paused, or LedgerAway.
        """
        ...

    async def admit(self, whose: Whose, call: Call, until: Deadline) -> Turn:
        """Wait for the call's turn; the deadline is put off by as long. Raises as `reserve`."""
        ...

    def answered(self, turn: Turn, failure: BaseException | None) -> None: ...

    def told(self, whose: Whose, told: Sequence[Told]) -> None:
        """What an answer said about limits."""
        ...


class Unguarded:
    """Lets every call pass: for adapters on their own, as in contract tests."""

    async def reserve(self, whose: Whose, call: Call) -> None:
        pass

    async def admit(self, whose: Whose, call: Call, until: Deadline) -> Turn:
        return Turn(whose.account)

    def answered(self, turn: Turn, failure: BaseException | None) -> None:
        pass

    def told(self, whose: Whose, told: Sequence[Told]) -> None:
        pass


@dataclass(slots=True)
class VendorGuard:
    """One vendor's: permits are shared by all replicas, circuits are this replica's own."""

    vendor: str
    limits: Sequence[RateLimit]
    permits: Permits
    random: Callable[[], float]
    changed: Callable[[], None] = lambda: None  # the state of the vendor's own circuit
    monotonic: Callable[[], float] = time.monotonic
    _vendor: Circuit = field(default_factory=lambda: Circuit(circuit.OF_ONE_CONNECTION))
    _connections: "OrderedDict[str, Circuit]" = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        _vendor_state.labels(self.vendor).set(0)
        _open_connections.labels(self.vendor).set_function(self._count_open)

    def vendor_waits_s(self) -> float:
        """How long nobody's row need be tried."""
        return self._vendor.waits_s(self.monotonic())

    def vendor_is_closed(self) -> bool:
        return self._vendor.open_until is None

    def vendor_state(self) -> str:
        return self._vendor.state

    def waits_s(self, account: str) -> float:
        """How long no call of this account is let through."""
        now = self.monotonic()
        one = self._connections.get(account)
        return max(self._vendor.waits_s(now), one.waits_s(now) if one else 0.0)

    async def reserve(self, whose: Whose, call: Call) -> None:
        self._refuse_while_open(whose.account)
        await self._permit(whose, call)
        _in_hand.set((*_in_hand.get(), call))

    async def admit(self, whose: Whose, call: Call, until: Deadline) -> Turn:
        in_hand = _in_hand.get()
        self._refuse_while_open(whose.account)
        if call in in_hand:
            place = in_hand.index(call)
            _in_hand.set(in_hand[:place] + in_hand[place + 1 :])
        else:
            until.put_off(await self._permit(whose, call))
            self._refuse_while_open(whose.account)
        now, account = self.monotonic(), whose.account
        connection = self._connections.get(account, _UNHEARD)
        turn = Turn(account, connection.open_until is not None, self._vendor.open_until is not None)
        if turn.probes_connection:
            self._keep(account, circuit.probing(connection, now))
        if turn.probes_vendor:
            self._keep_vendor(circuit.probing(self._vendor, now))
        return turn

    def answered(self, turn: Turn, failure: BaseException | None) -> None:
        now, account = self.monotonic(), turn.connection
        one, vendor = self._connections.get(account, _UNHEARD), self._vendor
        if failure is not None and not isinstance(failure, Exception):  # cut off: nobody knows
            self._keep(account, circuit.unheard(one, probe=turn.probes_connection))
            self._keep_vendor(circuit.unheard(vendor, probe=turn.probes_vendor))
        elif isinstance(failure, RetryLater) and failure.reason not in _ITS_WORD:
            named = failure.retry_after.total_seconds() if failure.retry_after else None
            jitter = self.random()
            self._keep(
                account,
                circuit.failed(
                    one,
                    account,
                    now,
                    probe=turn.probes_connection,
                    jitter=jitter,
                    named_s=named,
                ),
            )
            self._keep_vendor(
                circuit.failed(vendor, account, now, probe=turn.probes_vendor, jitter=jitter)
            )
        else:
            self._keep(account, circuit.succeeded(one, account, now, probe=turn.probes_connection))
            self._keep_vendor(circuit.succeeded(vendor, account, now, probe=turn.probes_vendor))

    def told(self, whose: Whose, told: Sequence[Told]) -> None:
        for word in told:
            for limit in self.limits:
                if limit.name == word.limit:
                    self.permits.tell(self._key(limit, whose), limit, word)

    def _refuse_while_open(self, account: str) -> None:
        waits_s = self.waits_s(account)
        if waits_s > 0:
            _refused.labels(self.vendor, "circuit").inc()
            raise Paused("circuit_open", timedelta(seconds=waits_s))

    async def _permit(self, whose: Whose, call: Call) -> timedelta:
        counted: list[Counted] = [
            (self._key(limit, whose), limit, cost)
            for limit in self.limits
            if (cost := limit.cost(call))
        ]
        if not counted:
            return timedelta(0)
        began = self.monotonic()
        for _ in range(_TAKEN_ANEW_MAX):
            late = await self._turn(Turns(tuple(counted)))
            if late <= LATE_AT_MOST.total_seconds():
                break
        return timedelta(seconds=self.monotonic() - began)

    async def _turn(self, turns: Turns) -> float:
        """Wait for it; by how many seconds at most it has gone by, as on a busy machine."""
        for _ in range(_ASKED_MAX):
            asked_on = self.monotonic()
            granted = await self.permits.take(turns.asked)
            if not granted.permit.granted:
                raise self._refusal(granted)
            turns, pause = turns.after(granted.permit)
            await self._wait(granted.wait_s if pause is None else pause.total_seconds())
            if pause is None:
                # It was granted after it was asked for, so this is the latest that it can be.
                return self.monotonic() - asked_on - granted.wait_s
        # Its turns at several limits did not meet.
        raise self._refusal(granted)

    def _refusal(self, granted: Granted) -> Paused:
        hit = granted.permit.limit
        _refused.labels(self.vendor, f"limit_{hit}").inc()
        everybody = hit in {limit.name for limit in self.limits if limit.scope is Scope.VENDOR_KEY}
        wait = timedelta(seconds=granted.wait_s)
        return Paused(f"rate_limit.{hit}", wait, whole_vendor=everybody)

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await asyncio.sleep(seconds)
            waited_s.set(waited_s.get() + seconds)
            _waited.labels(self.vendor).inc(seconds)

    def _key(self, limit: RateLimit, whose: Whose) -> str:
        key = [self.vendor, limit.name]
        if limit.scope is not Scope.VENDOR_KEY:
            key.append(whose.account)
        if limit.scope is Scope.CONNECTION:
            key.append(whose.user or "")
        return "/".join(key)

    def _keep(self, account: str, now: Circuit) -> None:
        before = self._connections.get(account)
        if before is None or before.state != now.state:
            self._say("connection", before, now)
        self._connections[account] = now
        self._connections.move_to_end(account)
        if len(self._connections) > _CIRCUITS_MAX:
            self._connections.popitem(last=False)

    def _keep_vendor(self, now: Circuit) -> None:
        before, self._vendor = self._vendor, now
        if before.state != now.state:
            self._say("vendor", before, now)
            _vendor_state.labels(self.vendor).set(_STATES[now.state])
            self.changed()

    def _say(self, of: str, before: Circuit | None, now: Circuit) -> None:
        if now.state == "open":
            _opened.labels(self.vendor, of).inc()
        if before is not None:
            _log.warning(
                "delivery.circuit", vendor=self.vendor, of=of, was=before.state, now=now.state
            )

    def _count_open(self) -> int:
        return sum(one.open_until is not None for one in self._connections.values())
