"""conversation.updated, read in batches by FastStream; offsets are committed by us alone."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.partitioner import DefaultPartitioner
from common import kafka, topics
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from debounce.adapters.batches import deliver_whole_batches
from debounce.config import DebounceConfig
from debounce.ports import Batch

# FastStream waits this long for records and then sleeps as long again before it asks anew.
BATCH_TIMEOUT_MS = 25
MOST_BATCHES = 100
# Of one partition at a time, unless a single batch is larger. With 12 partitions all that is
# fetched, and the copies that asyncio makes of it, stays in the processor's cache; the event loop
# is held while what is there of all partitions is applied: about 15 ms.
FETCH_BYTES = 128 * 1024

_partitioner = DefaultPartitioner()  # ingest's producer has the same


async def _keep_raw(batches: Sequence[Batch]) -> KafkaMessage:
    """FastStream's own parser is for records; these are whole batches, see `adapters.batches`."""
    return KafkaMessage(
        raw_message=batches,
        body=b"",
        message_id="batch",
        correlation_id="batch",
        consumer=FAKE_CONSUMER,
    )


async def _raw(message: KafkaMessage) -> Any:
    return message.raw_message


class UpdatesSubscription:
    """The one subscriber, and what its consumer knows. Implements `ports.UpdatesLog`."""

    def __init__(self, broker: KafkaBroker, config: DebounceConfig) -> None:
        self.topic = config.kafka_topic_prefix + topics.CONVERSATION_UPDATED
        self.group = f"{config.kafka_topic_prefix}debounce"
        self._listener = _Rebalances()
        session_ms = int(config.debounce_session_timeout_s * 1000)
        self._subscriber = broker.subscriber(
            self.topic,
            batch=True,
            group_id=self.group,
            group_instance_id=config.debounce_instance_id,  # a restart moves no partitions
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=min(3_000, session_ms // 3),
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            batch_timeout_ms=BATCH_TIMEOUT_MS,
            max_records=MOST_BATCHES,
            max_partition_fetch_bytes=FETCH_BYTES,
            listener=self._listener,
            parser=_keep_raw,
            decoder=_raw,
            no_reply=True,
        )

    def deliver(
        self,
        on_batches: Callable[[Sequence[Batch]], Awaitable[None]],
        on_assigned: Callable[[Collection[int]], Awaitable[None]],
        on_revoked: Callable[[Collection[int]], Awaitable[None]],
    ) -> None:
        """Say who gets the batches and the partitions; before the broker starts."""
        deliver_whole_batches()
        self._subscriber(on_batches)
        self._listener.assigned, self._listener.revoked = on_assigned, on_revoked

    def end_offset(self, partition: int) -> int | None:
        if (consumer := self._owner_of(partition)) is None:
            return None
        offset: int | None = consumer.highwater(TopicPartition(self.topic, partition))
        return offset

    def polled_at(self, partition: int) -> object:
        if (consumer := self._owner_of(partition)) is None:
            return None
        return consumer.last_poll_timestamp(TopicPartition(self.topic, partition))

    def partition_of(self, conversation: bytes) -> int | None:
        """Where ingest appends its updates; None: not connected yet."""
        if (consumer := self._subscriber.consumer) is None:
            return None
        numbers = consumer.partitions_for_topic(self.topic)
        if not numbers:
            return None
        partition: int = _partitioner(conversation, sorted(numbers), [])
        return partition

    def reading(self) -> bool:
        return any(not task.done() for task in self._subscriber.tasks)

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        if (consumer := self._subscriber.consumer) is None:
            return False
        return await kafka.commit(
            consumer,
            {TopicPartition(self.topic, number): offset for number, offset in offsets.items()},
        )

    def _owner_of(self, partition: int) -> AIOKafkaConsumer | None:
        consumer = self._subscriber.consumer
        if consumer is None or TopicPartition(self.topic, partition) not in consumer.assignment():
            return None
        return consumer


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Both must be `async def`: aiokafka never awaits what a plain function returns."""

    assigned: Callable[[Collection[int]], Awaitable[None]]
    revoked: Callable[[Collection[int]], Awaitable[None]]

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        await self.revoked([tp.partition for tp in revoked])

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self.assigned([tp.partition for tp in assigned])
