"""The worker of one CRM: claims ready rows and attempts them, several at once."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from common import log
from common.health import Loop
from prometheus_client import Gauge

from delivery.attempt import Attempts
from delivery.domain.row import Waiting
from delivery.ports import Claim, Ledger, LedgerAway

_log = log.get(__name__)

BUSY_S = 0.05
IDLE_S = 0.5
_running_gauge = Gauge("lull_delivery_attempts_running", "Attempts under way", ["crm"])


@dataclass(slots=True)
class Worker:
    crm: str
    ledger: Ledger
    attempts: Attempts
    concurrency: int
    share: int  # of one workspace
    _running: dict[asyncio.Task[None], Claim] = field(default_factory=dict)
    _held: dict[str, float] = field(default_factory=dict)  # workspace -> until (monotonic)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._woken.set()

    async def run(self, stop: asyncio.Event, loop: Loop, drain_for: timedelta) -> None:
        """Work until asked to end; then claim nothing more and let what runs finish."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                loop.beat()
                claimed = await self._claim()
                await self._pause(stopping, BUSY_S if claimed else IDLE_S)
        finally:
            stopping.cancel()
        await self._drain(drain_for)

    async def _claim(self) -> int:
        self._woken.clear()
        free = self.concurrency - len(self._running)
        if free <= 0:
            return 0
        running = Counter(claim.row.key.workspace_id for claim in self._running.values())
        now = time.monotonic()
        self._held = {space: until for space, until in self._held.items() if until > now}
        for space in self._held:
            running[space] = self.share
        try:
            claims = await self.ledger.claim(self.crm, free, dict(running))
        except LedgerAway as error:
            _log.warning("delivery.ledger_away", crm=self.crm, why=str(error))
            return 0
        for claim in claims:
            task = asyncio.create_task(self._attempt(claim))
            self._running[task] = claim
            task.add_done_callback(self._ended)
        _running_gauge.labels(self.crm).set(len(self._running))
        return len(claims)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        _running_gauge.labels(self.crm).set(len(self._running))
        self._woken.set()
        if not task.cancelled() and task.exception() is not None:
            _log.error("delivery.attempt_broke", crm=self.crm, exc_info=task.exception())

    async def _attempt(self, claim: Claim) -> None:
        try:
            result = await self.attempts.run(claim)
        except LedgerAway as error:
            # The lease ends by itself, and the next attempt looks before it writes.
            _log.warning("delivery.result_not_saved", crm=self.crm, why=str(error))
            return
        wait = result.wait if result else None
        if wait is not None and wait.waiting is Waiting.RETRY and wait.holds_connection:
            now = time.monotonic()
            pause = (wait.until - claim.now(now)).total_seconds()
            self._held[claim.row.key.workspace_id] = now + pause

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
