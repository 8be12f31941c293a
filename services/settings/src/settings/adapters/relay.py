"""Carries the outbox to Kafka: in order, at least once, by one replica at a time.

A row is deleted only after Kafka has it with acks=all. Whoever dies in between leaves it for the
next one, which publishes it again under the same event id. The replica that carries holds a session
lock of PostgreSQL, gone with its session; so two never publish side by side and nothing is
reordered, except a repeat by a replica that lost its session in the middle of a publish: consumers
drop caches, and a repeat of an older version does no harm there.
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaConnectionError, KafkaError
from common import kafka, log, topics
from common.clock import Clock
from common.events import ConversationSettled, SettingsChanged
from common.health import Loop, Need
from faststream.kafka import KafkaBroker
from prometheus_client import Counter

from settings.adapters.postgres.database import Database
from settings.adapters.postgres.journal import OUTBOX_EVENTS
from settings.ports.faults import StoreUnavailable

if TYPE_CHECKING:
    from settings.adapters.postgres.database import Connection

_log = log.get(__name__)

_LOCK = 7_451_100_830_002
_BATCH = 200
_IDLE_PAUSE_S = 0.25  # how late another replica's change may be noticed
_FAULT_PAUSE_S = 1.0
_PUBLISH_TIMEOUT_S = 10.0

_published = Counter("lull_settings_outbox_published_total", "Events relayed", ["type"])

_TOPICS: dict[type[SettingsChanged] | type[ConversationSettled], str] = {
    SettingsChanged: topics.SETTINGS_CHANGED,
    ConversationSettled: topics.CONVERSATION_SETTLED,
}


@dataclass(slots=True)
class Relay:
    database: Database
    broker: KafkaBroker
    topic_prefix: str
    clock: Clock
    kafka: Need
    loop: Loop

    async def run(self, stop: asyncio.Event) -> None:
        beating = asyncio.create_task(self._beat())
        try:
            if not await _unless(stop, kafka.start_when_reachable(self.broker, self.kafka)):
                return
            while not stop.is_set():
                try:
                    await self._carry(stop)
                except StoreUnavailable:
                    await _unless(stop, asyncio.sleep(_FAULT_PAUSE_S))
                except KafkaError as error:
                    self.kafka.missing("Kafka cannot be reached")
                    _log.warning("outbox.publish_failed", error=type(error).__name__)
                    await _unless(stop, asyncio.sleep(_FAULT_PAUSE_S))
        finally:
            beating.cancel()

    async def _beat(self) -> None:
        """Waiting for Kafka, PostgreSQL or the other replica is no fault of this process."""
        while True:
            self.loop.beat()
            await asyncio.sleep(5)

    async def _carry(self, stop: asyncio.Event) -> None:
        """Hold the lock and publish until asked to stop; raises when something breaks."""
        async with self.database.alone(_LOCK) as connection:
            if connection is None:
                await _unless(stop, asyncio.sleep(_FAULT_PAUSE_S))
                return
            while not stop.is_set():
                if not await self._publish_next(connection):
                    await _unless(stop, asyncio.sleep(_IDLE_PAUSE_S))

    async def _publish_next(self, connection: "Connection") -> int:
        rows = await connection.fetch(
            "SELECT id, event_id, event_type, body FROM outbox ORDER BY id LIMIT $1", _BATCH
        )
        for row in rows:
            kind = OUTBOX_EVENTS[row["event_type"]]
            event = kind.model_validate_json(row["body"])
            await self._publish(event, _TOPICS[kind], row["event_id"])
            await connection.execute("DELETE FROM outbox WHERE id = $1", row["id"])
            self.kafka.met()
            _published.labels(row["event_type"]).inc()
        return len(rows)

    async def _publish(
        self, event: SettingsChanged | ConversationSettled, topic: str, event_id: str
    ) -> None:
        """Raises KafkaError, a time-out too: it must not be taken for PostgreSQL's."""
        try:
            async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
                await kafka.publish(
                    self.broker,
                    self.topic_prefix + topic,
                    event.key(),
                    event,
                    source="settings",
                    clock=self.clock,
                    event_id=event_id,
                )
        except (TimeoutError, OSError) as error:
            raise KafkaConnectionError(type(error).__name__) from None


async def _unless(stop: asyncio.Event, work: Awaitable[Any]) -> bool:
    """Do the work, unless asked to stop before it is done; whether it was done."""
    doing = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([doing, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            return False
        doing.result()
        return True
    finally:
        for task in (doing, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
