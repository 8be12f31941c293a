"""Reads what the other services report into the history: outcomes, and that something was said.

Where reading has come to is stored in the transaction that stores what was read, so nothing is kept
twice or missed, and no consumer group is needed: one replica reads, under a session lock of
PostgreSQL, gone with its session. Of an update only the key and the broker's time are looked at.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError
from common import log, topics
from common.config import KafkaConfig
from common.events import DeliveryOutcome
from common.health import Loop, Need
from common.kafka import client_security
from faststream.exceptions import FastStreamException
from prometheus_client import Counter
from pydantic import ValidationError

from settings.adapters.postgres.database import Database
from settings.adapters.postgres.history import add_outcomes, note_updates
from settings.ports.faults import StoreUnavailable

if TYPE_CHECKING:
    from settings.adapters.postgres.database import Connection

_log = log.get(__name__)

_LOCK = 7_451_100_830_003
_PAUSE_S = 1.0
_POLL_MS = 500
_BATCH = 5_000
_START_WITHIN_S = 15.0

Records = Mapping[TopicPartition, Sequence[ConsumerRecord[Any, Any]]]
SetAside = Callable[[ConsumerRecord[Any, Any], str], Awaitable[None]]

_read = Counter("lull_settings_reports_total", "Records read into the history", ["topic"])


@dataclass(slots=True)
class Reports:
    """`set_aside` writes the dead letter of an outcome that nobody can read."""

    database: Database
    config: KafkaConfig
    set_aside: SetAside
    need: Need
    loop: Loop

    async def run(self, stop: asyncio.Event) -> None:
        beating = asyncio.create_task(self._beat())
        reading = asyncio.create_task(self._read_for_ever())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([reading, stopping], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            for task in (beating, reading, stopping):
                task.cancel()
            await asyncio.gather(beating, reading, stopping, return_exceptions=True)

    async def _beat(self) -> None:
        """Waiting for Kafka, PostgreSQL or the other replica is no fault of this process."""
        while True:
            self.loop.beat()
            await asyncio.sleep(5)

    async def _read_for_ever(self) -> None:
        while True:
            try:
                await self._read_while_ours()
            except StoreUnavailable:
                pass
            except (KafkaError, FastStreamException) as error:  # the latter: not started yet
                self.need.missing("Kafka cannot be reached")
                _log.warning("reports.not_read", error=type(error).__name__)
            await asyncio.sleep(_PAUSE_S)

    async def _read_while_ours(self) -> None:
        async with self.database.alone(_LOCK) as connection:
            if connection is None:
                self.need.met()  # another replica reads
                return
            await self._read(connection)

    async def _read(self, connection: "Connection") -> None:
        consumer = AIOKafkaConsumer(
            *self._topics(),  # without a group: all partitions are ours, new ones too
            bootstrap_servers=self.config.kafka_bootstrap_servers,
            client_id="settings-reports",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **client_security(self.config),
        )
        try:
            await _start(consumer)
            missing = set(self._topics()) - {place.topic for place in consumer.assignment()}
            if missing:
                self.need.missing(f"no topic {min(missing)}; run `lull topics create`")
                return
            await self._seek(consumer, connection)
            self.need.met()
            while True:
                records = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
                if records:
                    await self._keep(connection, records)
        finally:
            await consumer.stop()

    async def _seek(self, consumer: AIOKafkaConsumer, connection: "Connection") -> None:
        """Go on where reading has come to, whoever read."""
        for row in await connection.fetch("SELECT topic, partition, next_offset FROM reading"):
            place = TopicPartition(row["topic"], row["partition"])
            if place in consumer.assignment():
                consumer.seek(place, row["next_offset"])

    def _topics(self) -> tuple[str, str]:
        prefix = self.config.kafka_topic_prefix
        return prefix + topics.CONVERSATION_UPDATED, prefix + topics.DELIVERY_OUTCOME

    async def _keep(self, connection: "Connection", records: Records) -> None:
        updated, reported = self._topics()
        heard: dict[str, datetime] = {}
        outcomes: list[DeliveryOutcome] = []
        for partition, batch in records.items():
            for record in batch:
                if partition.topic == updated:
                    _hear(heard, record)
                    continue
                try:
                    outcomes.append(DeliveryOutcome.model_validate_json(record.value or b""))
                except ValidationError:
                    await self.set_aside(record, "unreadable")
        async with connection.transaction():
            await add_outcomes(connection, outcomes)
            await note_updates(connection, heard)
            await connection.executemany(
                "INSERT INTO reading (topic, partition, next_offset) VALUES ($1, $2, $3)"
                " ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
                [(at.topic, at.partition, batch[-1].offset + 1) for at, batch in records.items()],
            )
        _read.labels(reported).inc(len(outcomes))
        _read.labels(updated).inc(sum(map(len, records.values())) - len(outcomes))


async def _start(consumer: AIOKafkaConsumer) -> None:
    """Raises KafkaError, a time-out too: it must not be taken for PostgreSQL's."""
    try:
        async with asyncio.timeout(_START_WITHIN_S):
            await consumer.start()
    except (TimeoutError, OSError) as error:
        raise KafkaConnectionError(type(error).__name__) from None


def _hear(heard: dict[str, datetime], record: ConsumerRecord[Any, Any]) -> None:
    """Ticks have no key: they are no sign of anybody."""
    workspace_id, colon, _ = (record.key or b"").decode(errors="replace").partition(":")
    if colon:
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        heard[workspace_id] = max(at, heard.get(workspace_id, at))
