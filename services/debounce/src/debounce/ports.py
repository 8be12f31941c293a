"""What the handlers need, in our words. `partition` is a number: of both topics alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiokafka import ConsumerRecord

from debounce.counts import Counts
from debounce.domain.quiet import Settled


class TopicConfigError(Exception):
    """The topics are not as the service needs them; it cannot run on them."""


class NotPublished(Exception):
    """It is not on Kafka, or unknown whether it is: publish again."""


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

    async def dead_letter(self, record: ConsumerRecord[Any, Any], reason: str) -> None:
        """Raises NotPublished."""
        ...


class Unreadable(Exception):
    """A record nobody can use. Its reason is a code, never the record's content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ReadUpdate(Protocol):
    def __call__(self, record: ConsumerRecord[Any, Any]) -> tuple[bytes, int, int] | None:
        """Conversation, updated_at (s), part id; None: a tick. Raises Unreadable.

        The fields of `Update` as a plain tuple, which is made in a third of the time.
        """
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
