"""One replica: the real intake and attempts on stand-ins, which can crash, freeze and come back."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

from common.catalog import apps_of
from common.events import SettingsChanged

from delivery.attempt import Attempts
from delivery.domain.answer import Result
from delivery.domain.backoff import Schedule
from delivery.handlers import Delivery
from delivery.owners import Owners
from delivery.ports import Claim, LedgerAway
from delivery.simulation.crm import SimCrm, Tokens
from delivery.simulation.judge import CALL_S, QUIET, Judge
from delivery.simulation.ledger import Database, SimLedger
from delivery.simulation.peers import WORKSPACE, SimIntercom, SimSettings, Talk, Truth, link
from delivery.simulation.store import Account
from delivery.simulation.time import EPOCH
from delivery.simulation.wire import Weather, Wire
from delivery.working import Limits, Needs

CALL_DEADLINE = timedelta(seconds=CALL_S)
# Short waits, so that much happens; trouble ends before the schedule does.
SCHEDULE = Schedule(timedelta(seconds=5), timedelta(minutes=2), timedelta(days=3))
CONCURRENCY = 4
ACTIVITY_POLICIES: tuple[Literal["update", "new"], ...] = ("update", "update", "new")


class Scene:
    """What all replicas share."""

    def __init__(self, dice: random.Random, crm: str, *, activity: bool) -> None:
        loop = asyncio.get_running_loop()
        self.dice = dice
        self.crm = crm
        self.apps = [app.key for app in apps_of(crm)]
        self.activity = activity
        self.activity_policy = dice.choice(ACTIVITY_POLICIES)
        self.weather = Weather()
        self.database = Database(loop.time)
        self.judge = Judge(
            loop.time,
            lambda: self.database.accepted,
            lambda: self.database.outcomes,
            self.database.asks_itself,
        )
        self.accounts: dict[str, Account] = {}
        self.talks: dict[str, Talk] = {}
        self.tokens = Tokens()
        self.truth: Truth


class CheckedLedger(SimLedger):
    """Tells the judge of an error that nobody foresaw."""

    judge: Judge

    async def finish(self, claim: Claim, result: Result) -> None:
        if result.wait is not None and result.wait.reason == "internal_error":
            self.judge.violation("an attempt met an error that it does not know")
        await super().finish(claim, result)


class Replica:
    def __init__(self, scene: Scene, died: Callable[[], None]) -> None:
        self._died = died
        self._loop = asyncio.get_running_loop()
        self._database = scene.database
        self._crm = scene.crm
        self._judge = scene.judge
        self.wire = Wire(scene.dice, scene.weather, self.die)
        self.ledger = CheckedLedger(scene.database, self.wire)
        self.ledger.judge = scene.judge
        settings = SimSettings(scene.truth, scene.tokens, self.wire, scene.judge)
        crm = SimCrm(
            scene.crm,
            scene.accounts,
            scene.tokens,
            self.wire,
            scene.judge,
            has_activity=scene.activity,
        )
        limits = Limits(
            quiet_period=QUIET,
            call_deadline=CALL_DEADLINE,
            schedule=SCHEDULE,
            activity_policy=scene.activity_policy,
            monotonic=self._loop.time,
            random=scene.dice.random,
        )
        intercom = SimIntercom(scene.talks, scene.truth, self.wire, scene.judge)
        self._attempts = Attempts(
            Needs(settings, intercom, crm, self.ledger, link, limits, Owners(self._loop.time))
        )
        self.delivery = Delivery(
            scene.crm, self.ledger, settings, settings.forget, scene.database.changed.set
        )
        self._tasks: dict[asyncio.Task[Any], Claim | None] = {}
        self.spawn(self._work())

    def spawn(self, work: Coroutine[Any, Any, Any], claim: Claim | None = None) -> Any:
        task = self._loop.create_task(work)
        self._tasks[task] = claim
        task.add_done_callback(self._ended)
        if self.dead:
            task.cancel()
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        if not task.cancelled():
            task.exception()  # the feeder looks at it too, if it still waits

    @property
    def dead(self) -> bool:
        return self.wire.dead

    async def changed(self, app: str) -> None:
        """`settings.changed` arrives."""
        event = SettingsChanged(workspace_id=WORKSPACE, app=app, version=1, changed_at=EPOCH)
        self.delivery.changed([event])
        with suppress(LedgerAway):
            await self.delivery.wake([event])

    def die(self) -> None:
        """Nothing of it goes on: no result is saved, no lease given back."""
        self.wire.dead = True
        self._died()
        for task in list(self._tasks):
            task.cancel()

    async def stop(self) -> None:
        """As on SIGTERM: attempts are cut off, and their leases given back."""
        claims = [claim for claim in self._tasks.values() if claim is not None]
        for task, claim in list(self._tasks.items()):
            if claim is not None:
                task.cancel()
        await asyncio.sleep(0)
        with suppress(LedgerAway):
            await self.ledger.release(claims)
        self.die()

    async def _work(self) -> None:
        while True:
            running = sum(claim is not None for claim in self._tasks.values())
            self._database.changed.clear()
            try:
                claims = await self.ledger.claim(self._crm, CONCURRENCY - running, {})
            except LedgerAway:
                claims = []
            for claim in claims:
                self.spawn(self._attempt(claim), claim)
            await self._idle()

    async def _attempt(self, claim: Claim) -> None:
        with suppress(LedgerAway):  # the lease ends by itself
            self._judge.leased(claim.good_until)
            await self._attempts.run(claim)

    async def _idle(self) -> None:
        """Until a row is ready; nobody polls, that takes too long to simulate."""
        now = self._database.now()
        ready = [s.ready_at for s in self._database.rows.values() if s.ready_at is not None]
        pause = max(0.5, (min(ready) - now).total_seconds()) if ready else 3600.0
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._database.changed.wait()
