"""The worker of one CRM: claims ready rows and attempts them, several at once."""

import asyncio
import contextlib
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple, Protocol

from common import log
from common.health import Loop
from prometheus_client import Gauge

from delivery.adapters.guard import waited_s
from delivery.attempt import Attempts
from delivery.domain.answer import Result
from delivery.domain.row import Waiting
from delivery.domain.share import room, size_after
from delivery.ports import Claim, Ledger, LedgerAway
from delivery.tracing import attempting

_log = log.get(__name__)

# Claims come no faster than this, so that under load each takes several rows.
CLAIM_EVERY_S = 0.02
BUSY_S = 0.05
IDLE_S = 0.5
_SIZES_MAX = 10_000
_running_gauge = Gauge("lull_delivery_attempts_running", "Attempts under way", ["crm"])
_held_gauge = Gauge(
    "lull_delivery_workspaces_held", "Workspaces whose rows are not tried for a while", ["crm"]
)


class Hold(NamedTuple):
    until: float  # monotonic
    reason: str


class VendorCircuit(Protocol):
    """The vendor's own circuit breaker: while it is open, no row of this CRM need be tried."""

    def vendor_waits_s(self) -> float: ...

    def vendor_is_closed(self) -> bool: ...


@dataclass(slots=True)
class Worker:
    crm: str
    ledger: Ledger
    attempts: Attempts
    concurrency: int
    share: int  # of one workspace that nothing is known of yet
    vendor: VendorCircuit
    _running: dict[asyncio.Task[None], Claim] = field(default_factory=dict)
    _held: dict[str, Hold] = field(default_factory=dict)  # by workspace
    _all_held: Hold = field(default_factory=lambda: Hold(0.0, ""))
    _sizes: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _full: set[str] = field(default_factory=set)  # got all that there was room for
    _more: bool = True  # the latest claim may have left ready rows behind
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._woken.set()

    def forget(self, workspace_id: str) -> None:
        """Its settings changed: it may lead to another account, which nothing holds back."""
        self._held.pop(workspace_id, None)

    def held(self, workspace_id: str) -> tuple[str, float] | None:
        """Why rows of this workspace are not tried, for what was learnt from others; seconds."""
        now = time.monotonic()
        vendor = Hold(now + self.vendor.vendor_waits_s(), "circuit_open")
        longest = max(vendor, self._all_held, self._held.get(workspace_id, vendor))
        return (longest.reason, longest.until - now) if longest.until > now else None

    async def run(self, stop: asyncio.Event, loop: Loop, drain_for: timedelta) -> None:
        """Work until asked to end; then claim nothing more and let what runs finish."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                loop.beat()
                began = time.monotonic()
                claimed = await self._claim()
                await self._pause(stopping, BUSY_S if claimed else IDLE_S)
                too_soon_s = began + CLAIM_EVERY_S - time.monotonic()
                if too_soon_s > 0:
                    await asyncio.sleep(too_soon_s)
        finally:
            stopping.cancel()
        await self._drain(drain_for)

    async def _claim(self) -> int:
        self._woken.clear()
        free = self._free()
        if free <= 0:
            self._more = True
            return 0
        rooms = self._rooms(free)
        taken = {space: self.share - left for space, left in rooms.items()}
        try:
            claims = await self.ledger.claim(self.crm, free, taken)
        except LedgerAway as error:
            _log.warning("delivery.ledger_away", crm=self.crm, why=str(error))
            return 0
        for claim in claims:
            task = asyncio.create_task(self._attempt(claim))
            self._running[task] = claim
            task.add_done_callback(self._ended)
        _running_gauge.labels(self.crm).set(len(self._running))
        self._more = bool(claims)
        got = Counter(claim.row.key.workspace_id for claim in claims)
        newcomers = room(self.share, 0, free)
        self._full = {
            space for space in {*rooms, *got} if got[space] >= rooms.get(space, newcomers)
        }
        return len(claims)

    def _free(self) -> int:
        now = time.monotonic()
        if self._all_held.until > now or self.vendor.vendor_waits_s() > 0:
            return 0
        if not self.vendor.vendor_is_closed():
            return 1 - len(self._running)  # one row finds out whether the vendor is back
        return self.concurrency - len(self._running)

    def _rooms(self, free: int) -> dict[str, int]:
        """How many rows more of each workspace may be tried, where that is not `share`."""
        now = time.monotonic()
        self._held = {space: hold for space, hold in self._held.items() if hold.until > now}
        _held_gauge.labels(self.crm).set(len(self._held))
        running = Counter(claim.row.key.workspace_id for claim in self._running.values())
        return {
            space: room(self._sizes.get(space, self.share), running[space], free)
            for space in {*running, *self._sizes}
        } | dict.fromkeys(self._held, 0)

    def _ended(self, task: asyncio.Task[None]) -> None:
        claim = self._running.pop(task)
        _running_gauge.labels(self.crm).set(len(self._running))
        if self._more or claim.row.key.workspace_id in self._full:
            self._woken.set()
        if not task.cancelled() and task.exception() is not None:
            _log.error("delivery.attempt_broke", crm=self.crm, exc_info=task.exception())

    async def _attempt(self, claim: Claim) -> None:
        waited_s.set(0.0)
        try:
            with attempting(claim.row):
                result = await self.attempts.run(claim)
        except LedgerAway as error:
            # The lease ends by itself, and the next attempt looks before it writes.
            _log.warning("delivery.result_not_saved", crm=self.crm, why=str(error))
            return
        self._learn(claim, result)

    def _learn(self, claim: Claim, result: Result | None) -> None:
        """What this attempt says about the workspace's next ones."""
        space, wait = claim.row.key.workspace_id, result.wait if result else None
        failed = wait is not None and wait.waiting in (Waiting.RETRY, Waiting.PAUSED)
        size = self._sizes.get(space, float(self.share))
        if wait is None or failed:  # who waits for quiet has learnt nothing of the CRM
            size = size_after(
                size, failed=failed, waited_s=waited_s.get(), was_full=space in self._full
            )
        if size != self.share:
            self._sizes[space] = size
            self._sizes.move_to_end(space)
            if len(self._sizes) > _SIZES_MAX:
                self._sizes.popitem(last=False)
        else:
            self._sizes.pop(space, None)
        if wait is not None and wait.holds_connection:
            now = time.monotonic()
            until = now + (wait.until - claim.now(now)).total_seconds()
            hold = Hold(until, wait.reason or "")
            self._held[space] = max(hold, self._held.get(space, hold))
            if wait.holds_vendor:
                self._all_held = max(hold, self._all_held)

    async def _pause(self, stopping: "asyncio.Task[bool]", seconds: float) -> None:
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait(
                [stopping, woken], timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            woken.cancel()

    async def _drain(self, drain_for: timedelta) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(list(self._running), timeout=drain_for.total_seconds())
        claims = [self._running[task] for task in late]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if claims:
            # Others may go on at once; a create that was under way is probed for first.
            with contextlib.suppress(LedgerAway):
                await self.ledger.release(claims)
            _log.warning("delivery.attempts_cut_off", crm=self.crm, attempts=len(claims))
