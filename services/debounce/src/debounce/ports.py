"""What the handlers need, in our words. `partition` is a number: of both topics alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from debounce.counts import Counts
from debounce.domain.quiet import Settled
from debounce.domain.update import UpdateAt


class TopicConfigError(Exception):
    """The topics are not as the service needs them; it cannot run on them."""


class NotPublished(Exception):
    """It is not on Kafka, or unknown whether it is: publish again."""


@dataclass(slots=True)
class Batch:
    """Records that were appended to a partition at one time, as they lie in the log.

    Not frozen, which would double what it takes to make one.
    """

    topic: str
    partition: int
    offset: int  # of the first record that is wanted; the batch may begin before it
    next_offset: int
    appended_ms: int | None  # by the broker; None: the topic keeps another time
    base_offset: int = 0  # of the first record, to which the others' offsets are relative
    count: int = 0
    data: bytes = b""  # the records begin at `begin`
    begin: int = 0


class Unreadable(NamedTuple):
    """A record nobody can use."""

    offset: int
    size: int  # of its value, in bytes
    reason: str  # a code, never the record's content


@dataclass(slots=True)
class Reading:
    """What is in a batch: each in the order of the log."""

    updates: list[UpdateAt]
    unreadable: list[Unreadable]
    ticks: int = 0


ReadBatch = Callable[[Batch], Reading]


class UpdatesLog(Protocol):
    """conversation.updated, as this replica's consumer sees it."""

    def end_offset(self, partition: int) -> int | None:
        """Offset that the next record will get, as last told by the broker; None: not told yet."""
        ...

    def polled_at(self, partition: int) -> object:
        """Changes with each answer of the broker for this partition."""
        ...

    def reading(self) -> bool:
        """Whether the task that reads is alive."""
        ...

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """False: did not succeed, or the partitions are no longer ours."""
        ...


class OwnerUnknown(Exception):
    """Kafka does not say now which replica owns a partition."""


class Owners(Protocol):
    async def owner_of(self, partition: int) -> str | None:
        """Instance id of the replica that reads it; None: nobody now. Raises OwnerUnknown."""
        ...


class Publisher(Protocol):
    async def settle(self, partition: int, settled: Sequence[Settled]) -> int:
        """Append as many as fit into one batch; how many, from the front. Raises NotPublished."""
        ...

    async def tick(self, partition: int) -> None:
        """Append a tick to the partition of the updates. Raises NotPublished."""
        ...

    async def dead_letter(self, partition: int, record: Unreadable) -> None:
        """Raises NotPublished."""
        ...


@dataclass(frozen=True, slots=True)
class Depth:
    pending: int
    in_flight: int
    read_lag: int | None  # None: the broker has not said yet where the end is


class PartitionFigures(Protocol):
    """What the metrics show, by partition."""

    @property
    def counts(self) -> Mapping[int, Counts]: ...

    def depths(self) -> Mapping[int, Depth]: ...
