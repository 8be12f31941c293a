"""What is pending, for whoever asks: looked up in the partitions' maps, at no cost to them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from debounce.partition import Partition
from debounce.ports import Owners, UpdatesLog

COUNTED_AT_ONCE: Final = 20_000  # a millisecond or two; then updates have their turn


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation that waits to be quiet, in one of our partitions."""

    due_at: datetime  # by the log's time
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    partition: int
    owner: str | None  # None: nobody now, the group rebalances
    ours: bool
    waiting: Waiting | None = None  # only where the partition is ours
    caught_up: bool = False  # all of the partition was read, so "not pending" is the whole truth


class NotConnected(Exception):
    """Kafka has not told yet how many partitions there are."""


class PendingView:
    def __init__(
        self,
        partitions: Mapping[int, Partition],
        updates: UpdatesLog,
        partition_of: Callable[[bytes], int | None],
        owners: Owners,
        *,
        instance: str,
    ) -> None:
        self._partitions = partitions
        self._updates = updates
        self._partition_of = partition_of
        self._owners = owners
        self.instance = instance
        self._counting = asyncio.Lock()

    async def find(self, conversation: bytes) -> Answer:
        """Raises NotConnected, OwnerUnknown."""
        number = self._partition_of(conversation)
        if number is None:
            raise NotConnected
        # Before partitions were added it may have been in another one, and still wait there.
        for other in (number, *self._partitions):
            if waiting := self._waiting(other, conversation):
                return Answer(other, self.instance, True, waiting, self._caught_up(other))
        if number in self._partitions:
            return Answer(number, self.instance, True, None, self._caught_up(number))
        return Answer(number, await self._owners.owner_of(number), False)

    async def count(self, workspace: bytes) -> dict[int, int]:
        """Pending conversations of a workspace by partition, of the partitions that are ours."""
        prefix, counts = workspace + b":", {}
        async with self._counting:  # one at a time: asking often must not slow the service
            for number, partition in list(self._partitions.items()):
                pending = partition.rule.pending_conversations()
                counts[number] = 0
                for begin in range(0, len(pending), COUNTED_AT_ONCE):
                    some = pending[begin : begin + COUNTED_AT_ONCE]
                    counts[number] += sum(one.startswith(prefix) for one in some)
                    await asyncio.sleep(0)
        return counts

    def _waiting(self, number: int, conversation: bytes) -> Waiting | None:
        if (partition := self._partitions.get(number)) is None:
            return None
        rule = partition.rule
        if (pending := rule.pending(conversation)) is None:
            return None
        _, _, updated_at, _ = pending
        return Waiting(
            datetime.fromtimestamp(rule.due_ms(pending) / 1000, UTC),
            datetime.fromtimestamp(updated_at, UTC),
        )

    def _caught_up(self, number: int) -> bool:
        end, position = self._updates.end_offset(number), self._partitions[number].rule.position
        return end is not None and (position is None or position >= end)
