"""Reading a topic without ever skipping, losing or forgetting a record.

One worker per group member, acknowledged by hand. What has arrived is handled together, and every
record ends in one of three ways: handled, set aside as unusable, or held and tried again. Only then
offsets are committed. A rebalance waits for the records at hand; what was not done by then is read
again by the next owner.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from common import log
from common.config import KafkaConfig
from common.health import Loop, Need
from common.kafka import client_security, commit

_log = log.get(__name__)

Record: TypeAlias = ConsumerRecord[Any, Any]

HOLD_PAUSE_S = 1.0
# Well within max_poll_interval (5 minutes): past it the group would take the partitions away.
HOLD_MAX_S = 60.0
HANDLE_TIMEOUT_S = 60.0
REVOKE_WAIT_S = 5.0
_WATCH_EVERY_S = 2.0
_ASK_TIMEOUT_S = 2.0
_JOIN_MAX_S = 300.0


class Unusable(Exception):
    """Nobody can ever use a record. The reason is a code, never the record's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Held(Exception):
    """It cannot be handled now; the same record is tried again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def parse_raw_batch(records: tuple[Record, ...]) -> KafkaMessage:
    """A FastStream parser that looks at nothing: headers may be no text, a body may be missing."""
    return KafkaMessage(body=b"", raw_message=records, consumer=FAKE_CONSUMER)


async def decode_raw(message: KafkaMessage) -> bytes:
    return message.body if isinstance(message.body, bytes) else b""


def header(record: Record, name: str) -> str:
    """A header's text; empty where it is missing or is none."""
    for key, value in record.headers:
        if key == name:
            return bytes(value or b"").decode(errors="replace")
    return ""


@dataclass(slots=True, eq=False)
class CarefulConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """Stands between one FastStream subscriber and its handler.

    Pass it as the subscriber's `listener`, and what it reads to `on_records`.

    Args:
        handle: answers which records nobody can use, and why; raises Held, and then all are tried
            again. Anything else it raises makes a record unusable: which one, it is tried alone.
        set_aside: writes the dead letter.
        loop: beats while records are handled, held or absent; not while they are left lying.
        need: met while Kafka answers and the group is joined.

    """

    handle: Callable[[Sequence[Record]], Awaitable[Sequence[tuple[Record, str]]]]
    set_aside: Callable[[Record, str], Awaitable[None]]
    loop: Loop
    need: Need
    _stopping: bool = False
    _joined: bool = False
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    _done: int = 0

    def __post_init__(self) -> None:
        self._idle.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._joined = False
        self._interrupted.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), REVOKE_WAIT_S)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        _log.info("kafka.assigned", partitions=sorted(tp.partition for tp in assigned))
        self._joined = True
        if not self._stopping:
            self._interrupted.clear()

    def stop(self) -> None:
        """Take no more records; one that is held is left to the next owner."""
        self._stopping = True
        self._interrupted.set()

    async def on_records(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
        ours = [record for record in records if _partition(record) in consumer.assignment()]
        if self._interrupted.is_set() or not ours:
            return  # not committed, so they are read again
        self._idle.clear()
        try:
            if await self._until_done(ours):
                self._done += len(ours)
                await commit(consumer, {_partition(record): record.offset + 1 for record in ours})
            elif not self._interrupted.is_set():
                # Lets the group see that we are alive.
                for partition, offset in _firsts(ours).items():
                    if partition in consumer.assignment():
                        consumer.seek(partition, offset)
        finally:
            self.loop.beat()
            self._idle.set()

    async def _until_done(self, records: Sequence[Record]) -> bool:
        """Handled or set aside; False where they must be read again."""
        give_way_at = time.monotonic() + HOLD_MAX_S
        while not self._interrupted.is_set() and time.monotonic() < give_way_at:
            self.loop.beat()
            try:
                await self._once(records)
            except Held as held:
                _log.warning("records.held", topic=records[0].topic, reason=held.reason)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._interrupted.wait(), HOLD_PAUSE_S)
            else:
                return True
        return False

    async def _once(self, records: Sequence[Record]) -> None:
        try:
            async with asyncio.timeout(HANDLE_TIMEOUT_S):
                unusable = await self.handle(records)
        except TimeoutError:
            raise Held("slow") from None
        except Held:
            raise
        except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
            if len(records) > 1:
                for record in records:
                    await self._once([record])
                return
            _log.error("record.surprised", offset=records[0].offset, exc_info=error)
            unusable = [(records[0], "internal_error")]
        for record, reason in unusable:
            try:
                await self.set_aside(record, reason)
            except (KafkaError, OSError, TimeoutError):
                raise Held("dead_letter_topic_unreachable") from None

    async def watch(
        self, stop: asyncio.Event, consumer_of: Callable[[], AIOKafkaConsumer | None]
    ) -> None:
        """Judge the consumer from outside, since aiokafka tells nobody when it is stuck."""
        done, unjoined_since = -1, time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            unjoined_since = now if self._joined else unjoined_since
            consumer = consumer_of()
            try:
                behind = consumer is not None and await _is_behind(consumer)
            except (KafkaError, OSError, TimeoutError):
                self.need.missing("Kafka cannot be reached")
                self.loop.beat()  # Kafka is away: a restart of ours would not bring it back
            else:
                if consumer is not None and self._joined:
                    self.need.met()
                elif consumer is not None:
                    self.need.missing("joining the consumer group")
                moving = not behind or done != self._done
                if moving and now - unjoined_since < _JOIN_MAX_S:
                    self.loop.beat()
            done = self._done
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _WATCH_EVERY_S)


def _partition(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _firsts(records: Sequence[Record]) -> dict[TopicPartition, int]:
    firsts: dict[TopicPartition, int] = {}
    for record in records:
        place = _partition(record)
        firsts[place] = min(record.offset, firsts.get(place, record.offset))
    return firsts


async def _is_behind(consumer: AIOKafkaConsumer) -> bool:
    """Whether records lie there that were not read. Raises where Kafka does not answer."""
    ours = list(consumer.assignment())
    async with asyncio.timeout(_ASK_TIMEOUT_S):
        if not ours:
            await consumer.topics()
            return False
        ends = await consumer.end_offsets(ours)
    positions = {}
    for partition in ours:
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_S):
                positions[partition] = await consumer.position(partition)
        except TimeoutError:
            return True  # assigned, but it does not even know where to read
    return any(positions[partition] < end for partition, end in ends.items())


async def wait_for_topics(config: KafkaConfig, topics: list[str], need: Need) -> None:
    """Wait until the topics exist: a consumer that starts before them would long not see them."""
    while True:
        try:
            missing = await _missing(config, topics)
        except (KafkaError, OSError, TimeoutError):
            need.missing("Kafka cannot be reached")
        else:
            if not missing:
                return
            need.missing(f"no topic {missing[0]}; run `lull topics create`")
        await asyncio.sleep(1.0)


async def _missing(config: KafkaConfig, topics: list[str]) -> list[str]:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=config.kafka_bootstrap_servers, **client_security(config)
    )
    try:
        await admin.start()
        there = set(await admin.list_topics())
    finally:
        await admin.close()
    return [topic for topic in topics if topic not in there]
