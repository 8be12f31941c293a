"""Kafka's helpers on the real Kafka: publish, commit exactly what is said, set a record aside."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError
from common import kafka
from common.clock import FakeClock
from common.config import KafkaConfig
from common.events import ConversationUpdated
from common.health import Need
from common.topics import CONVERSATION_UPDATED, create_topics
from faststream.kafka import KafkaBroker

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
CLOCK = FakeClock(AT)
TOPIC = f"common-kafka.{CONVERSATION_UPDATED}"


@pytest.fixture(scope="module")
async def config(kafka_bootstrap: str) -> KafkaConfig:
    config = KafkaConfig(
        kafka_bootstrap_servers=[kafka_bootstrap],
        kafka_topic_prefix="common-kafka.",
        kafka_partitions=2,
        kafka_replication_factor=1,
    )
    await create_topics(config)
    return config


@pytest.fixture(scope="module")
async def broker(config: KafkaConfig) -> AsyncIterator[KafkaBroker]:
    broker = kafka.new_broker(config, "common-test")
    need = Need("kafka")
    await kafka.start_when_reachable(broker, need)
    assert need.fault is None
    yield broker
    await broker.stop()


@pytest.fixture
async def consumer(kafka_bootstrap: str, broker: KafkaBroker) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=kafka_bootstrap,
        group_id="common-kafka.test",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    yield consumer
    await consumer.stop()


async def _publish(broker: KafkaBroker, conversation_id: str, event_id: str | None = None) -> None:
    event = ConversationUpdated(
        workspace_id="ws", conversation_id=conversation_id, updated_at=AT, part_id=1
    )
    await kafka.publish(
        broker, TOPIC, event.key(), event, source="/test", clock=CLOCK, event_id=event_id
    )


async def _read(consumer: Any, count: int) -> list[ConsumerRecord[bytes, bytes]]:
    found: list[ConsumerRecord[bytes, bytes]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return found


async def test_an_event_carries_cloudevents_headers_and_its_key(
    broker: KafkaBroker, consumer: Any
) -> None:
    await _publish(broker, "1", event_id="e-1")
    (record,) = await _read(consumer, 1)
    headers = {name: value.decode() for name, value in record.headers}
    headers.pop("correlation_id", None)
    assert record.key == b"ws:1"
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": "e-1",
        "ce_type": "lull.ConversationUpdated.v1",
        "ce_source": "/test",
        "ce_time": AT.isoformat(),
        "content-type": "application/json",
    }


async def test_only_the_offsets_given_are_committed(broker: KafkaBroker, consumer: Any) -> None:
    for conversation in range(20):
        await _publish(broker, str(conversation))
    await _read(consumer, 20)  # the whole position is far ahead of what is done
    one, other = (TopicPartition(TOPIC, partition) for partition in (0, 1))
    assert await kafka.commit(consumer, {one: 1})
    assert await consumer.committed(one) == 1
    assert await consumer.committed(other) is None


async def test_a_partition_that_is_not_ours_is_left_out(consumer: Any) -> None:
    assert not await kafka.commit(consumer, {TopicPartition(TOPIC, 99): 1})
    assert not await kafka.commit(consumer, {})


class _RefusingConsumer:
    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(TOPIC, 0)}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        raise CommitFailedError


class _StuckConsumer(_RefusingConsumer):
    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("failing", [_RefusingConsumer(), _StuckConsumer()])
async def test_a_commit_that_fails_or_hangs_is_told_and_not_raised(
    failing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "COMMIT_TIMEOUT_S", 0.05)
    assert not await kafka.commit(failing, {TopicPartition(TOPIC, 0): 1})


async def test_a_dead_letter_says_where_and_why_and_not_what(
    broker: KafkaBroker, kafka_bootstrap: str
) -> None:
    appended = await broker.publish(
        b"canary: not an event", topic=TOPIC, key=b"ws:canary", partition=0
    )
    place = TopicPartition(TOPIC, 0)
    reader = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
    await reader.start()
    try:
        reader.assign([place])
        reader.seek(place, appended.offset)
        record = await asyncio.wait_for(reader.getone(), 10)
    finally:
        await reader.stop()
    for _ in range(2):  # a repeat carries the same id
        await kafka.dead_letter(broker, record, "not_json", source="/test", clock=CLOCK)
    letters = AIOKafkaConsumer(
        f"{TOPIC}.dlt", bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    )
    await letters.start()
    try:
        first, again = await _read(letters, 2)
    finally:
        await letters.stop()
    assert first.value is not None
    assert json.loads(first.value) == {
        "topic": TOPIC,
        "partition": record.partition,
        "offset": record.offset,
        "size": 20,
        "reason": "not_json",
    }
    assert dict(first.headers)["ce_id"] == dict(again.headers)["ce_id"]
    assert b"canary" not in first.value + (first.key or b"")


async def test_starting_waits_for_a_kafka_that_is_not_there(
    config: KafkaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "RECONNECT_PAUSE_S", 0.05)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    broker = kafka.new_broker(
        config.model_copy(update={"kafka_bootstrap_servers": [nobody]}), "test"
    )
    need = Need("kafka")
    starting = asyncio.create_task(kafka.start_when_reachable(broker, need))
    async with asyncio.timeout(5):
        while need.fault != "Kafka cannot be reached":  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    assert not starting.done()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
