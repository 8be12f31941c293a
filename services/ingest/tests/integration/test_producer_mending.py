"""A producer that fails although Kafka answers is replaced, without a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError
from common.clock import SystemClock
from common.events import ConversationUpdated
from common.health import Health
from common.topics import create_topics
from devstack.waiting import until
from ingest.adapters import kafka
from ingest.config import IngestConfig
from ingest.ports import Unavailable

pytestmark = pytest.mark.integration

EVENT = ConversationUpdated(
    workspace_id="ws", conversation_id="1", updated_at=datetime(2026, 11, 22, tzinfo=UTC), part_id=1
)


class _BrokenBroker:
    """What is left of a producer whose sender task has died."""

    async def publish(self, *_: object, **__: object) -> None:
        raise KafkaError("the sender task is gone")

    async def stop(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture
async def event_log(kafka_bootstrap: str) -> AsyncIterator[kafka.KafkaEventLog]:
    config = IngestConfig(
        kafka_bootstrap_servers=[kafka_bootstrap],
        kafka_topic_prefix="ingest-mending.",
        kafka_partitions=1,
        kafka_replication_factor=1,
        intercom_client_secrets=["unused"],
    )
    await create_topics(config)
    health = Health("ingest")
    event_log = kafka.KafkaEventLog(
        config, SystemClock(), health.need("kafka"), health.loop("kafka")
    )
    stop = asyncio.Event()
    watching = asyncio.create_task(event_log.watch(stop))
    yield event_log
    stop.set()
    await watching
    await event_log.close()


async def _appended(event_log: kafka.KafkaEventLog) -> bool:
    with suppress(Unavailable):
        await event_log.append(EVENT, "e-1")
        return True
    return False


async def test_a_broken_producer_is_replaced(
    event_log: kafka.KafkaEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "_MEND_AFTER_S", 0.5)
    monkeypatch.setattr(kafka, "_PROBE_EVERY_S", 0.1)
    monkeypatch.setattr(kafka, "_STOP_TIMEOUT_S", 0.1)
    await until(lambda: _appended(event_log), 10)
    working = event_log._broker
    event_log._broker = cast(Any, _BrokenBroker())
    assert not await _appended(event_log)
    await until(lambda: _appended(event_log), 10)
    assert event_log._broker is not working
    assert working is not None
    await working.stop()
