"""A simulated Kafka: partitions with leaders whose clocks differ, and one consumer group."""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from debounce.domain.quiet import Settled
from debounce.domain.update import Update
from debounce.judge import LoggedSettled, LoggedUpdate

EPOCH_MS = 1_790_000_000_000
POISON = "poison"
Epoch = tuple[str, int]  # replica, and how manieth assignment of this partition in the world


@dataclass(frozen=True, slots=True)
class SimRecord:
    """Value None: a tick; a text: a record nobody can use."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: Update | str | None


@dataclass(slots=True)
class SimPartition:
    number: int
    records: list[SimRecord] = field(default_factory=list)
    high: int = 0  # records below it are replicated, and may be read
    leader_ahead_ms: int = 0
    settled: list[tuple[Epoch, Settled]] = field(default_factory=list)
    letters: set[int] = field(default_factory=set)
    committed: int | None = None


class SimKafka:
    def __init__(self, dice: random.Random, now_s: Callable[[], float], partitions: int) -> None:
        self.dice = dice
        self._now_s = now_s
        self.partitions = [SimPartition(number) for number in range(partitions)]
        self.stepped_back = False
        # Publishes whose end the publisher never learned, by partition, offset and assignment.
        self.unknown_ends: dict[tuple[int, int, Epoch], int] = defaultdict(int)

    def now_ms(self) -> int:
        return EPOCH_MS + round(self._now_s() * 1000)

    def append(self, number: int, value: Update | str | None) -> SimRecord:
        """Onto conversation.updated. Readable once `replicate` was called."""
        partition = self.partitions[number]
        appended_ms = self.now_ms() + partition.leader_ahead_ms
        record = SimRecord("updated", number, len(partition.records), appended_ms, value)
        partition.records.append(record)
        return record

    def replicate(self, number: int, upto: int) -> None:
        partition = self.partitions[number]
        partition.high = max(partition.high, upto)

    def change_leader(self, number: int, ahead_ms: int) -> None:
        partition = self.partitions[number]
        self.stepped_back |= ahead_ms < partition.leader_ahead_ms
        partition.leader_ahead_ms = ahead_ms

    def updates(self) -> list[LoggedUpdate]:
        return [
            LoggedUpdate(
                record.partition,
                record.offset,
                record.timestamp,
                record.value.conversation.decode(),
                record.value.updated_at,
                record.value.part_id,
            )
            if isinstance(record.value, Update)
            else LoggedUpdate(record.partition, record.offset, record.timestamp, None)
            for partition in self.partitions
            for record in partition.records
        ]

    def settled(self) -> list[LoggedSettled]:
        return [
            LoggedSettled(
                partition.number,
                one.offset,
                one.conversation.decode(),
                one.updated_at,
                one.part_id,
            )
            for partition in self.partitions
            for _, one in partition.settled
        ]
