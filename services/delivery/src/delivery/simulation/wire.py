"""What lies between a replica and its peers: delays, faults, freezes and crashes."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from delivery.ports import LeaseLost, LedgerAway, RetryLater, SettingsAway, UnknownEnd

T = TypeVar("T")
# A create that outlives its lease lands at most this long after it was sent; within ten minutes
# of an unknown end everything must be visible (promise 2).
LATE_S = 480.0
# And it is listed at most this long after it landed, whatever the CRM says of its lists.
LISTED_LATE_S = 90.0


@dataclass(slots=True)
class Weather:
    """How likely things go wrong; all zero once the world has calmed down. In a thousand."""

    refused: int = 0  # 429 and the like: no effect
    broken: int = 0  # 5xx, half of them after the effect
    silent: int = 0  # time-out, half of them with the effect
    late: int = 0  # creates and updates: time-out, and the effect minutes later
    listed_late: int = 0  # the CRM lists it later than it says
    ledger_away: int = 0
    settings_away: int = 0
    crash: int = 0  # at this very await
    freeze: int = 0


class Wire:
    """One replica's way out. Its awaits are where a replica freezes or dies."""

    def __init__(self, dice: random.Random, weather: Weather, die: Callable[[], None]) -> None:
        self.dice = dice
        self.weather = weather
        self._die = die
        self._frozen_until = 0.0
        self.dead = False
        self._loop = asyncio.get_running_loop()

    def _hits(self, in_a_thousand: int) -> bool:
        return in_a_thousand > 0 and self.dice.randrange(1000) < in_a_thousand

    async def pause(self) -> None:
        """A short while; or a crash; or as long as the whole process is frozen."""
        if self._hits(self.weather.crash):
            self.dead = True
            self._loop.call_soon(self._die)
        elif self._hits(self.weather.freeze):
            self._frozen_until = self._loop.time() + self.dice.choice([5, 60, 110, 130, 300])
        await asyncio.sleep(self.dice.random() * 0.1)
        await self.thawed()

    async def thawed(self) -> None:
        """A frozen process notices its own time-outs only when it goes on."""
        cancelled: asyncio.CancelledError | None = None
        # A loop's time is a float: what is left may be too little to pass.
        while not self.dead and (left := self._frozen_until - self._loop.time()) > 0.001:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
        if self.dead:
            await self._loop.create_future()  # until it is cancelled

    async def ledger(self, work: Callable[[], T]) -> T:
        try:
            await self.pause()
        except asyncio.CancelledError:
            # The statement may have been on its way when its sender gave up.
            if self.dice.random() < 0.5:
                with suppress(LeaseLost):
                    work()
            raise
        if self._hits(self.weather.ledger_away):
            raise LedgerAway("away")
        done = work()
        await self.pause()
        if self._hits(self.weather.ledger_away):
            raise LedgerAway("cut")
        return done

    def listed_after(self, at_most: float) -> float:
        """Seconds until a list shows what was just created."""
        if self._hits(self.weather.listed_late):
            return self.dice.random() * LISTED_LATE_S
        return self.dice.random() * at_most

    async def settings(self, work: Callable[[], T]) -> T:
        await self.pause()
        if self._hits(self.weather.settings_away):
            raise SettingsAway("settings_unreachable")
        done = work()
        await self.pause()
        return done

    async def read(self, work: Callable[[], T]) -> T:
        """A read of Intercom or the CRM."""
        await self.pause()
        if self._hits(self.weather.refused + self.weather.broken):
            raise RetryLater("http_503", self._retry_after())
        done = work()
        await self.pause()
        if self._hits(self.weather.silent):
            raise RetryLater("timeout")
        return done

    async def write(self, work: Callable[[], T], deadline: timedelta) -> T:
        """A write; once sent, its effect no longer depends on who sent it."""
        weather, limit = self.weather, deadline.total_seconds()
        if self._hits(weather.refused):
            await self.pause()
            raise RetryLater("http_429", self._retry_after())
        silent = self._hits(weather.silent)
        late = self._hits(weather.late)
        lost = (silent and self.dice.random() < 0.5) or (not late and self._hits(weather.broken))
        answered = self._loop.create_future()

        def arrive() -> None:
            try:
                done = work()
            except Exception as error:  # noqa: BLE001 - the CRM's answer
                if not answered.done():
                    answered.set_exception(error)
                    answered.exception()  # who sent it may be gone
            else:
                if not answered.done():
                    answered.set_result(done)

        after = self.dice.random() * (limit - 0.5 if self.dice.random() < 0.1 else 0.3)
        if late:
            after = limit + self.dice.random() * LATE_S
        if lost and not late:
            if not silent:
                await self.pause()
                raise UnknownEnd("http_500")
        else:
            self._loop.call_later(after, arrive)
        if late or silent:
            await asyncio.sleep(limit)
            await self.thawed()
            raise UnknownEnd("timeout")
        done: T = await answered
        await self.pause()
        if self._hits(weather.broken):
            raise UnknownEnd("http_500")
        return done

    def _retry_after(self) -> timedelta | None:
        return self.dice.choice([None, None, timedelta(seconds=30)])
