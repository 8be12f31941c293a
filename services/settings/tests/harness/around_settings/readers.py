"""What the service publishes, read from Kafka."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from common.config import KafkaConfig


class Reader:
    """Everything that was published on one topic since the service started."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.seen: list[dict[str, Any]] = []

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(15):
            while True:
                for event in self.seen:
                    if wanted(event):
                        return event
                record = await self._consumer.getone()
                self.seen.append(json.loads(record.value))


class Changes(Reader):
    async def of(self, workspace: str, app: str, version: int) -> dict[str, Any]:
        return await self.until(
            lambda event: (
                (event["workspace_id"], event["app"], event["version"]) == (workspace, app, version)
            )
        )


class Settled(Reader):
    async def of(self, workspace: str, conversation: str) -> dict[str, Any]:
        return await self.until(
            lambda event: (
                (event["workspace_id"], event["conversation_id"]) == (workspace, conversation)
            )
        )


@contextlib.asynccontextmanager
async def reading(config: KafkaConfig, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        config.kafka_topic_prefix + topic,
        bootstrap_servers=config.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
