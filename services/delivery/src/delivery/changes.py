"""`settings.changed`, read whole by every replica: what is held is rebuilt when a replica starts.

Without a group, from the beginning of the compacted topic: the latest change of every installation
comes by once, and after that each new one. Until the end that stood there at the start has been
reached, nothing that is held may be used: each look asks settings itself. Whenever reading breaks
off, it begins anew.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError
from common import log
from common.config import KafkaConfig
from common.consuming import Record, wait_for_topics
from common.events import SettingsChanged
from common.health import Loop, Need
from common.kafka import client_security
from common.topics import SETTINGS_CHANGED
from pydantic import ValidationError

from delivery.handlers import Delivery
from delivery.leftovers import Leftovers
from delivery.ports import LedgerAway

_log = log.get(__name__)

AT_ONCE = 500  # the rows of so many workspaces are woken by one statement
_POLL_MS = 500
_PAUSE_S = 1.0
_BEAT_S = 5.0
_START_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class SettingsChanges:
    """One replica's reading of the topic.

    Args:
        deliveries: every CRM's side, each told of every change.
        rely: told whether what is held may be used.
        leftovers: deletes what came in of a workspace while it was forgotten.
        need: a peer; without it work goes on, only that settings is asked more often.

    """

    deliveries: Sequence[Delivery]
    rely: Callable[[bool], None]
    leftovers: Leftovers
    config: KafkaConfig
    need: Need
    loop: Loop
    at_once: int = AT_ONCE

    async def run(self, stop: asyncio.Event) -> None:
        tasks = [
            asyncio.create_task(work) for work in (self._read_for_ever(), self._beat(), stop.wait())
        ]
        reading, _, stopping = tasks
        try:
            await asyncio.wait([reading, stopping], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _beat(self) -> None:
        """Waiting for Kafka is no fault of this process."""
        while True:
            self.loop.beat()
            await asyncio.sleep(_BEAT_S)

    async def _read_for_ever(self) -> None:
        topic = self.config.kafka_topic_prefix + SETTINGS_CHANGED
        while True:
            await wait_for_topics(self.config, [topic], self.need)
            try:
                await self._read(topic)
            except KafkaError as error:
                self.need.missing("Kafka cannot be reached")
                _log.warning("settings_changed.not_read", error=type(error).__name__)
            finally:
                self.rely(False)
            await asyncio.sleep(_PAUSE_S)

    async def _read(self, topic: str) -> None:
        consumer = AIOKafkaConsumer(
            topic,  # without a group: all partitions are ours, new ones too
            bootstrap_servers=self.config.kafka_bootstrap_servers,
            client_id="delivery-settings-changed",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **client_security(self.config),
        )
        try:
            ahead = await _start(consumer)
            self.need.missing("what settings changed is being read")
            while True:
                batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=self.at_once)
                events = _events([record for batch in batches.values() for record in batch])
                for delivery in self.deliveries:
                    delivery.changed(events)
                self.leftovers.heard(events)
                if ahead is not None and await _is_past(consumer, ahead):
                    ahead = None
                    self.rely(True)
                    self.need.met()
                    _log.info("settings_changed.read_whole")
                await self._wake(events)
        finally:
            await consumer.stop()

    async def _wake(self, events: Sequence[SettingsChanged]) -> None:
        for delivery in self.deliveries:
            try:
                await delivery.wake(events)
            except LedgerAway:
                # What is held was dropped; rows that wait look again by themselves.
                _log.warning("settings_changed.nobody_woken", crm=delivery.crm)


async def _start(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int] | None:
    """Where each partition ends now. Raises KafkaError, where it takes too long as well."""
    try:
        async with asyncio.timeout(_START_WITHIN_S):
            await consumer.start()
            ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
            return ends
    except (TimeoutError, OSError) as error:
        raise KafkaConnectionError(type(error).__name__) from None


async def _is_past(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    """Whether reading has come to all of these ends. The log is compacted: offsets have gaps."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_WITHIN_S):
            return all([await consumer.position(place) >= end for place, end in ends.items()])
    return False


def _events(records: Sequence[Record]) -> list[SettingsChanged]:
    events = []
    for record in records:
        try:
            events.append(SettingsChanged.model_validate_json(record.value or b""))
        except ValidationError:
            _log.warning("settings_changed.unusable", offset=record.offset)
    return events
