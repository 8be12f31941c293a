"""One assigned partition: its records go through the rule, what comes out goes to Kafka.

An object lives as long as the assignment. What Kafka acknowledges for a partition that was taken
away meanwhile reaches an object that nobody asks any more, never the one of a later assignment.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from common import log
from common.clock import Clock

from debounce.counts import Counts
from debounce.domain.quiet import Quiet, Settled
from debounce.domain.ticks import Ticks
from debounce.ports import (
    Batch,
    NotPublished,
    Publisher,
    ReadBatch,
    TopicConfigError,
    Unreadable,
)

_log = log.get(__name__)

MOST_AT_ONCE: Final = 250  # settled events offered to one batch; it takes what fits
LETTERS_AT_ONCE: Final = 100
PUBLISH_AGAIN_AFTER_S: Final = 0.5


class Partition:
    def __init__(
        self,
        number: int,
        *,
        quiet_ms: int,
        read: ReadBatch,
        publisher: Publisher,
        clock: Clock,
        elapsed: Callable[[], float],
        counts: Counts,
        on_room: Callable[[], None],
    ) -> None:
        self.number = number
        self.rule = Quiet(quiet_ms)
        self.counts = counts
        self.committed: int | None = None
        self.publish_fault: str | None = None
        self._read = read
        self._publisher = publisher
        self._clock = clock
        self._elapsed = elapsed
        self._on_room = on_room
        self._ticks = Ticks()
        self._moved: tuple[object, int | None] = (None, None)
        self._moved_at_s = elapsed()
        self._unsent: deque[Settled] = deque()
        self._letters: deque[Unreadable] = deque()
        self._settled = asyncio.Event()
        self._refused = asyncio.Event()
        self._ticking: asyncio.Task[None] | None = None
        self._tasks = [
            asyncio.create_task(self._publish_settled()),
            asyncio.create_task(self._publish_letters()),
        ]

    def take(self, batches: Iterable[Batch]) -> None:
        """Apply records in the order of the log. Never waits.

        Raises:
            TopicConfigError: records without the broker's append time.

        """
        rule, read, only_ticks = self.rule, self._read, False
        unsent = len(self._unsent)
        for batch in batches:
            if batch.appended_ms is None:
                raise TopicConfigError(
                    f"{batch.topic}: offset {batch.offset} of partition {batch.partition} has "
                    "no append time; set message.timestamp.type=LogAppendTime on the topic"
                )
            found = read(batch)
            settled = rule.read(
                batch.next_offset,
                batch.appended_ms,
                found.updates,
                [record.offset for record in found.unreadable] if found.unreadable else (),
            )
            if settled:
                self._unsent.extend(settled)
            self._letters.extend(found.unreadable)
            self.counts.ticks_read += found.ticks
            only_ticks = not (found.updates or found.unreadable)
        if only_ticks:
            self._ticks.tick_read(self._elapsed(), rule.log_time_ms)
        else:
            self._ticks.record_read(self._elapsed(), rule.log_time_ms)
        self.counts.add(rule)
        if len(self._unsent) > unsent:
            self._settled.set()
        if self._letters:
            self._refused.set()

    def tick_if_wanted(self, end_offset: int | None) -> None:
        if self._ticking is not None:
            return
        position = self.rule.position
        if not self._ticks.wanted(
            self.rule.next_due_ms(),
            at_end=position is not None and end_offset is not None and position >= end_offset,
            now_ms=int(self._clock.now().timestamp() * 1000),
            elapsed_s=self._elapsed(),
        ):
            return
        self._ticks.asked(self._elapsed())
        self._ticking = asyncio.create_task(self._tick())

    def silent_for_s(self, polled_at: object) -> float:
        """How long the broker has told nothing about this partition, and nothing was read."""
        moved = (polled_at, self.rule.position)
        if moved != self._moved:
            self._moved, self._moved_at_s = moved, self._elapsed()
        return self._elapsed() - self._moved_at_s

    def check(self) -> None:
        """Raise what a task of this partition died of: without it nothing would be published."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def stop(self) -> None:
        """Publish no more; what is still in flight, the next owner settles again."""
        tasks = [*self._tasks, *([self._ticking] if self._ticking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _publish_settled(self) -> None:
        while True:
            while self._unsent:
                batch = list(islice(self._unsent, MOST_AT_ONCE))
                try:
                    sent = await self._publisher.settle(self.number, batch)
                except NotPublished as error:
                    await self._wait_to_publish_again(error)
                    continue
                self.publish_fault = None
                for _ in range(sent):
                    self._unsent.popleft()
                self.rule.acknowledge(one.offset for one in batch[:sent])
                self.counts.published(
                    [one.due_ms for one in batch[:sent]],
                    int(self._clock.now().timestamp() * 1000),
                )
                self._on_room()
            self._settled.clear()
            await self._settled.wait()

    async def _publish_letters(self) -> None:
        while True:
            while self._letters:
                letters = list(islice(self._letters, LETTERS_AT_ONCE))
                results = await asyncio.gather(
                    *(self._publisher.dead_letter(self.number, letter) for letter in letters),
                    return_exceptions=True,
                )
                failed = []
                for letter, result in zip(letters, results, strict=True):
                    self._letters.popleft()
                    if result is None:
                        self.rule.acknowledge([letter.offset])
                    elif isinstance(result, NotPublished):
                        failed.append((letter, result))
                    else:
                        raise result
                self._on_room()
                if failed:
                    self._letters.extend(letter for letter, _ in failed)
                    await self._wait_to_publish_again(failed[0][1])
                else:
                    self.publish_fault = None
            self._refused.clear()
            await self._refused.wait()

    async def _wait_to_publish_again(self, error: NotPublished) -> None:
        if self.publish_fault is None:
            _log.warning("publish.failing", partition=self.number, error=str(error))
        self.publish_fault = str(error)
        await asyncio.sleep(PUBLISH_AGAIN_AFTER_S)

    async def _tick(self) -> None:
        try:
            await self._publisher.tick(self.number)
        except NotPublished as error:
            _log.warning("tick.not_published", partition=self.number, error=str(error))
        else:
            self.counts.ticks_asked += 1
        finally:
            self._ticking = None
