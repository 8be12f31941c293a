"""One replica: the real handlers on simulated ports, which can crash, freeze and come back."""

import asyncio
import random
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from common.health import Loop, Need

from debounce.domain.quiet import Settled
from debounce.handlers import Debounce
from debounce.ports import Batch, NotPublished, Reading, Unreadable
from debounce.simulation.kafka import Epoch, SimKafka, SimPartition, SimRecord

QUIET_MS = 5_000


@dataclass(slots=True)
class SimBatch(Batch):
    records: Sequence[SimRecord] = ()


def in_batches(records: Sequence[SimRecord], dice: random.Random) -> Iterator[SimBatch]:
    """As brokers keep them: a batch has one append time, and what has one may be several."""
    begin = 0
    for end, record in enumerate(records, 1):
        last = end == len(records) or records[end].timestamp != record.timestamp
        if last or dice.random() < 0.5:
            yield SimBatch(
                record.topic,
                record.partition,
                records[begin].offset,
                record.offset + 1,
                record.timestamp,
                records=records[begin:end],
            )
            begin = end


def read(batch: Batch) -> Reading:
    reading = Reading([], [])
    for record in cast(SimBatch, batch).records:
        if isinstance(record.value, str):
            reading.unreadable.append(Unreadable(record.offset, 0, record.value))
        elif record.value is None:
            reading.ticks += 1
        else:
            reading.updates.append((record.offset, *record.value))
    return reading


class SkewedClock:
    """A service's own clock, which may be anywhere."""

    def __init__(self, kafka: SimKafka) -> None:
        self._kafka = kafka
        self.ahead_ms = 0

    def now(self) -> datetime:
        return datetime.fromtimestamp((self._kafka.now_ms() + self.ahead_ms) / 1000, UTC)


class Replica:
    """Implements the ports UpdatesLog and Publisher; every effect waits while it is frozen."""

    def __init__(self, name: str, kafka: SimKafka, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.kafka = kafka
        self.clock = SkewedClock(kafka)
        self.member = False  # its commits count, and it is told of partitions
        self.epochs: dict[int, Epoch] = {}
        self.acknowledged: dict[int, int] = {}  # greatest offset by partition, this assignment
        self.faults_in_a_hundred = 0
        self.publish_s = 0.1  # at most, each way
        self.letters_after_s = 0.0  # the dead letters' topic may be slow by itself
        self.last_commit_failed = False
        self._positions: dict[int, int] = {}
        self._told_end: dict[int, int] = {}
        self._polls = 0
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._stop = asyncio.Event()
        self._committing = asyncio.Lock()
        self._landing: set[asyncio.Task[None]] = set()
        self.debounce = Debounce(
            self,
            self,
            read,
            quiet_ms=QUIET_MS,
            clock=self.clock,
            need=Need("kafka"),
            loop=Loop("consumer", 60.0, loop.time, loop.time()),
            elapsed=loop.time,
            tick_look_s=0.3,  # a third of the histories' cost, and nothing learnt from it
        )
        self._running = asyncio.create_task(self.debounce.run(self._stop))
        self._consuming = asyncio.create_task(self._consume())

    @property
    def frozen(self) -> bool:
        return not self._thawed.is_set()

    def check(self) -> None:
        """Raise what the service ended with; in a history it must never end by itself."""
        for task in (self._running, self._consuming):
            if task.done() and not task.cancelled():
                task.result()

    async def assigned(self, epochs: Mapping[int, Epoch]) -> None:
        self.member = True
        self.acknowledged.clear()
        for number, epoch in epochs.items():
            self.epochs[number] = epoch
            self._positions[number] = self.kafka.partitions[number].committed or 0
        await self.debounce.on_assigned(list(epochs))

    async def revoked(self) -> None:
        numbers = list(self._positions)
        self._positions.clear()
        await self.debounce.on_revoked(numbers)

    async def crash(self) -> None:
        """Kill -9: nothing is flushed; what was sent may still land."""
        self.member = False
        self._running.cancel()
        self._consuming.cancel()
        await asyncio.gather(self._running, self._consuming, return_exceptions=True)
        partitions = list(self.debounce.partitions.values())
        self.debounce.partitions.clear()
        for partition in partitions:
            await partition.stop()

    async def end(self) -> None:
        """SIGTERM."""
        self._consuming.cancel()
        self._stop.set()
        await self._running
        self.member = False

    def freeze(self) -> None:
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    def at_rest(self, partition: SimPartition) -> bool:
        own = self.debounce.partitions.get(partition.number)
        return own is None or (
            self._positions.get(partition.number) == len(partition.records)
            and not own.rule.pending_count
            and not own.rule.in_flight_count
        )

    # --- ports.UpdatesLog

    def end_offset(self, partition: int) -> int | None:
        return self._told_end.get(partition)

    def polled_at(self, partition: int) -> object:
        return self._polls

    def reading(self) -> bool:
        return not self._consuming.done()

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        async with self._committing:  # one after the other, as aiokafka sends them
            member = self.member
            self.last_commit_failed = True
            await self._pause(0.05)
            if not (member and self.member) or self._fails():
                return False
            for number, offset in offsets.items():
                self.kafka.partitions[number].committed = offset
            if self._fails():  # the answer was lost
                return False
            self.last_commit_failed = False
            return True

    # --- ports.Publisher

    async def settle(self, partition: int, settled: Sequence[Settled]) -> int:
        batch = settled[: self.kafka.dice.randint(1, len(settled))]
        epoch = self.epochs[partition]
        for one in batch:  # until it is known how this ended
            self.kafka.unknown_ends[partition, one.offset, epoch] += 1

        async def land() -> None:
            self.kafka.partitions[partition].settled += [(epoch, one) for one in batch]

        await self._publish(land())
        for one in batch:
            self.kafka.unknown_ends[partition, one.offset, epoch] -= 1
            self.acknowledged[partition] = max(self.acknowledged.get(partition, 0), one.offset)
        return len(batch)

    async def tick(self, partition: int) -> None:
        async def land() -> None:
            record = self.kafka.append(partition, None)
            await asyncio.sleep(self.kafka.dice.random() * 0.05)
            self.kafka.replicate(partition, record.offset + 1)

        await self._publish(land())

    async def dead_letter(self, partition: int, record: Unreadable) -> None:
        await self._pause(self.letters_after_s)

        async def land() -> None:
            self.kafka.partitions[partition].letters.add(record.offset)

        await self._publish(land())

    async def _publish(self, land: Coroutine[Any, Any, None]) -> None:
        """Once sent it lands, whatever becomes of the sender."""
        try:
            await self._pause(self.publish_s)
        except asyncio.CancelledError:
            land.close()
            raise
        if self._fails():
            land.close()
            raise NotPublished("refused")
        landing = asyncio.create_task(land)
        self._landing.add(landing)
        landing.add_done_callback(self._landing.discard)
        await asyncio.shield(landing)
        await self._pause(self.publish_s)
        if self._fails():
            raise NotPublished("no answer")

    async def _consume(self) -> None:
        while True:
            await self._pause(0.5)
            self._polls += 1
            batches: list[Batch] = []
            for number in list(self._positions):
                partition = self.kafka.partitions[number]
                begin = self._positions[number]
                self._told_end[number] = partition.high
                some = partition.records[begin : partition.high]
                some = some[: self.kafka.dice.randint(1, 20)]
                self._positions[number] = begin + len(some)
                batches += in_batches(some, self.kafka.dice)
            if batches:
                await self.debounce.on_batches(batches)

    async def _pause(self, most_s: float) -> None:
        await asyncio.sleep(self.kafka.dice.random() * most_s)
        while self.frozen:
            await self._thawed.wait()

    def _fails(self) -> bool:
        return self.kafka.dice.randrange(100) < self.faults_in_a_hundred
