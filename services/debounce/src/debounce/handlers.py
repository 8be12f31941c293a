"""What debounce does: with records, with partitions that come and go, and now and then."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from common import log
from common.clock import Clock
from common.health import Loop, Need

from debounce.counts import Counts
from debounce.partition import Partition
from debounce.ports import Batch, Depth, Publisher, ReadBatch, UpdatesLog

_log = log.get(__name__)

TICK_LOOK_S: Final = 0.1
COMMIT_EVERY_S: Final = 0.1  # as often as costs nothing: what was published since may repeat
LOOK_EVERY_S: Final = 0.5
SILENT_TOO_LONG_S: Final = 10.0  # an idle partition is answered twice a second
MOST_IN_FLIGHT: Final = 4_000  # then reading waits: what is in flight may repeat
FLUSH_S: Final = 2.0  # with the next one, and closing the clients, less than 5 s after SIGTERM
LAST_COMMIT_S: Final = 1.0


class Debounce:
    """Owns the assigned partitions. All of it runs on one event loop; `take` never waits inside."""

    def __init__(
        self,
        updates: UpdatesLog,
        publisher: Publisher,
        read: ReadBatch,
        *,
        quiet_ms: int,
        clock: Clock,
        need: Need,
        loop: Loop,
        elapsed: Callable[[], float] = time.monotonic,
        tick_look_s: float = TICK_LOOK_S,
    ) -> None:
        self.partitions: dict[int, Partition] = {}
        self.counts: dict[int, Counts] = {}
        self.updates = updates
        self._publisher = publisher
        self._read = read
        self._quiet_ms = quiet_ms
        self._clock = clock
        self._need = need
        self._loop = loop
        self._elapsed = elapsed
        self._tick_look_s = tick_look_s
        self._joined = False
        self._stopping = False
        self._room = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def on_batches(self, batches: Sequence[Batch]) -> None:
        """Apply record batches, which may be of several partitions one after another.

        Never raises, because FastStream would swallow it: what goes wrong here ends the service.
        """
        try:
            # Before the first wait, so that the records belong to the assignment of this moment.
            for number, of_partition in groupby(batches, attrgetter("partition")):
                self._take(number, list(of_partition))
            await self._until_in_flight(MOST_IN_FLIGHT, self.partitions.values())
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be lost
            if not self._failed.done():
                self._failed.set_exception(error)

    async def on_assigned(self, numbers: Collection[int]) -> None:
        """Begin at the commit, knowing nothing."""
        for number in numbers:
            self.partitions[number] = self._new_partition(number)
        self._joined = True
        _log.info("partitions.assigned", partitions=sorted(numbers))

    async def on_revoked(self, numbers: Collection[int]) -> None:
        """Hand over: what is in flight is finished, the rest is the next owner's to rebuild."""
        self._joined = False
        if not numbers:
            return
        leaving = [self.partitions.pop(number) for number in numbers if number in self.partitions]
        self._room.set()
        await self._finish(leaving)
        _log.info("partitions.revoked", partitions=sorted(numbers))

    async def run(self, stop: asyncio.Event) -> None:
        """Ticks, commits and health until asked to stop; then finish what is in flight.

        Raises:
            Exception: whatever a record, or a partition's publishing, failed with for good.

        """
        jobs: list[asyncio.Task[Any]] = [
            asyncio.create_task(job)
            for job in (self._tick(), self._commit_now_and_then(), self._look(), stop.wait())
        ]
        try:
            await asyncio.wait([*jobs, self._failed], return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                for job in (*jobs, self._failed):
                    if job.done():
                        job.result()
        finally:
            for task in jobs:
                task.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
        self._stopping = True
        self._room.set()
        leaving = [*self.partitions.values()]
        self.partitions.clear()
        await self._finish(leaving)

    def depths(self) -> dict[int, Depth]:
        """Of the partitions assigned now."""
        depths = {}
        for number, partition in self.partitions.items():
            rule, end = partition.rule, self.updates.end_offset(number)
            # Nothing read although the end is known: the log was at its end from the start.
            lag = None if end is None else end - (end if rule.position is None else rule.position)
            depths[number] = Depth(rule.pending_count, rule.in_flight_count, lag)
        return depths

    def _take(self, number: int, batches: list[Batch]) -> None:
        partition = self.partitions.get(number)
        if partition is None or self._stopping:
            return  # taken away meanwhile: nothing of it was committed
        position, first = partition.rule.position, batches[0].offset
        if position is not None and first != position:
            _log.error("log.jumped", partition=number, expected=position, found=first)
            if first < position:  # the log was cut back: it is another one from here on
                asyncio.create_task(partition.stop())  # noqa: RUF006 - cancels and ends
                partition = self.partitions[number] = self._new_partition(number)
        partition.take(batches)

    def _new_partition(self, number: int) -> Partition:
        return Partition(
            number,
            quiet_ms=self._quiet_ms,
            read=self._read,
            publisher=self._publisher,
            clock=self._clock,
            elapsed=self._elapsed,
            counts=self.counts.setdefault(number, Counts()),
            on_room=lambda: self._room.set(),
        )

    async def _until_in_flight(self, most: int, partitions: Collection[Partition]) -> None:
        """Wait for Kafka's acknowledgements; a live view of the partitions may shrink meanwhile."""
        while sum(partition.rule.in_flight_count for partition in partitions) > most:
            room = self._room
            await room.wait()
            if self._room is room:
                self._room = asyncio.Event()

    async def _finish(self, leaving: list[Partition]) -> None:
        """Publish what is in flight, commit, let go."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._until_in_flight(0, leaving)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_COMMIT_S):
                await self._commit(leaving)
        await asyncio.gather(*(partition.stop() for partition in leaving))

    async def _commit(self, partitions: Collection[Partition]) -> None:
        offsets = {
            partition.number: offset
            for partition in partitions
            if (offset := partition.rule.commit_offset()) is not None
            and offset != partition.committed
        }
        if offsets and await self.updates.commit(offsets):
            for partition in partitions:
                partition.committed = offsets.get(partition.number, partition.committed)

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            await self._commit(list(self.partitions.values()))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_look_s)
            for number, partition in self.partitions.items():
                partition.check()
                partition.tick_if_wanted(self.updates.end_offset(number))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            fault = self._fault()
            if fault is None:
                self._loop.beat()
                self._need.met()
            else:
                if self._need.fault is None:
                    _log.warning("service.not_ready", why=fault)
                self._need.missing(fault)

    def _fault(self) -> str | None:
        """Nothing in aiokafka tells that it hangs, so this judges from what comes back."""
        if not self.updates.reading():
            return "the reading task has ended"
        if not self._joined:
            return "no partitions assigned yet"
        too_long_s = min(SILENT_TOO_LONG_S, self._loop.longest_pause_s / 2)
        for number, partition in self.partitions.items():
            if partition.silent_for_s(self.updates.polled_at(number)) > too_long_s:
                return "Kafka does not answer"
            if partition.publish_fault is not None:
                return f"cannot publish: {partition.publish_fault}"
        return None
