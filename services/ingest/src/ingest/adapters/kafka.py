"""The event log on Kafka: a capped publish, and a watch that tells health and mends the producer.

A publish that was given up may still land: what reads the topics drops repeats.
"""

import asyncio
import contextlib
import time

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from common import log, topics
from common.clock import Clock
from common.events import ConversationEvent, ConversationSettled, ConversationUpdated
from common.health import Loop, Need
from common.kafka import client_security, new_broker, publish, start_when_reachable
from faststream.exceptions import IncorrectState
from faststream.kafka import KafkaBroker
from prometheus_client import Histogram

from ingest.config import IngestConfig
from ingest.ports import Unavailable

_log = log.get(__name__)

_SOURCE = "/lull/ingest"
_PROBE_EVERY_S = 1.0
_PROBE_TIMEOUT_S = 2.0
# Past this, a request on a half-open connection is given up and sent again on a fresh one.
_REQUEST_TIMEOUT_MS = 5_000
# Kafka answers, yet every publish of this long has failed: the producer itself is at fault.
_MEND_AFTER_S = 10.0
_STOP_TIMEOUT_S = 3.0

_seconds = Histogram(
    "lull_ingest_publish_seconds",
    "Until a record was on Kafka, or given up",
    ["topic", "result"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0),
)

_TOPIC_OF: dict[type[ConversationEvent], str] = {
    ConversationUpdated: topics.CONVERSATION_UPDATED,
    ConversationSettled: topics.CONVERSATION_SETTLED,
}


class KafkaEventLog:
    def __init__(self, config: IngestConfig, clock: Clock, need: Need, loop: Loop) -> None:
        self._config = config
        self._clock = clock
        self._need = need
        self._loop = loop
        self._broker: KafkaBroker | None = None  # None: not connected
        # Publishing to a topic that is not there could create it, with the wrong settings.
        self._topics_seen = False
        self._admin: AIOKafkaAdminClient | None = None
        self._failing_since: float | None = None
        self._answering_since: float | None = None

    async def append(self, event: ConversationEvent, event_id: str) -> None:
        topic = _TOPIC_OF[type(event)]
        began = time.perf_counter()
        try:
            if self._broker is None or not self._topics_seen:
                raise Unavailable
            async with asyncio.timeout(self._config.ingest_publish_timeout_s):
                await publish(
                    self._broker,
                    self._config.kafka_topic_prefix + topic,
                    event.key(),
                    event,
                    source=_SOURCE,
                    clock=self._clock,
                    event_id=event_id,
                )
        except (KafkaError, OSError, TimeoutError, IncorrectState, Unavailable) as error:
            if self._failing_since is None:
                self._failing_since = time.monotonic()
                _log.warning("publish.failing", topic=topic, error=type(error).__name__)
            _seconds.labels(topic, "failed").observe(time.perf_counter() - began)
            raise Unavailable from None
        self._failing_since = None
        _seconds.labels(topic, "stored").observe(time.perf_counter() - began)

    async def watch(self, stop: asyncio.Event) -> None:
        """Connect, then look once a second whether Kafka answers, until asked to stop."""
        while not stop.is_set():
            self._loop.beat()
            if self._broker is None:
                await self._connect(stop)
            else:
                await self._look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PROBE_EVERY_S)

    async def close(self) -> None:
        await self._close_admin()
        broker, self._broker = self._broker, None
        if broker is not None:
            await _stop(broker)

    async def _connect(self, stop: asyncio.Event) -> None:
        broker = new_broker(self._config, "lull-ingest", request_timeout_ms=_REQUEST_TIMEOUT_MS)
        connecting = asyncio.create_task(start_when_reachable(broker, self._need))
        stopping = asyncio.create_task(stop.wait())
        while not connecting.done() and not stop.is_set():
            self._loop.beat()
            await asyncio.wait(
                (connecting, stopping),
                timeout=_PROBE_EVERY_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
        stopping.cancel()
        if connecting.done():
            connecting.result()
            self._failing_since = None
            self._broker = broker
            await self._look()
            return
        connecting.cancel()
        await asyncio.wait((connecting,))
        await _stop(broker)

    async def _look(self) -> None:
        fault = await self._fault()
        if fault is not None:
            self._need.missing(fault)
            self._answering_since = None
            return
        self._need.met()
        self._answering_since = self._answering_since or time.monotonic()
        if self._failing_since is None:
            return
        # A producer that has just got Kafka back is given its time, too.
        failing_s = time.monotonic() - max(self._failing_since, self._answering_since)
        if failing_s > _MEND_AFTER_S:
            _log.warning("producer.renewed", failing_s=round(failing_s))
            broker, self._broker = self._broker, None
            if broker is not None:
                await _stop(broker)

    async def _fault(self) -> str | None:
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                if self._admin is None:
                    self._admin = AIOKafkaAdminClient(
                        bootstrap_servers=self._config.kafka_bootstrap_servers,
                        client_id="lull-ingest-probe",
                        request_timeout_ms=_REQUEST_TIMEOUT_MS,
                        **client_security(self._config),
                    )
                    await self._admin.start()
                # Asking for a topic by name could create it; the list of all cannot.
                there = set(await self._admin.list_topics())
        except (KafkaError, OSError, TimeoutError) as error:
            await self._close_admin()
            return f"Kafka does not answer ({type(error).__name__})"
        missing = {self._config.kafka_topic_prefix + name for name in _TOPIC_OF.values()} - there
        if missing:
            return f"no topic {', '.join(sorted(missing))}: run `lull topics create`"
        self._topics_seen = True
        return None

    async def _close_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()


async def _stop(broker: KafkaBroker) -> None:
    """End the broker, but do not wait for records that Kafka does not take: nobody was told 200."""
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(broker.stop(), _STOP_TIMEOUT_S)
