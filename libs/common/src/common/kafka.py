"""Kafka for every service: connect, publish an event, commit an offset, set a record aside."""

import asyncio
import json
import ssl
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLScram512
from prometheus_client import Counter

from common import log, tracing
from common.clock import Clock
from common.config import KafkaConfig
from common.events import Event
from common.health import Need

_log = log.get(__name__)

COMMIT_TIMEOUT_S = 5.0
RECONNECT_PAUSE_S = 1.0

_commit_failures = Counter("lull_kafka_commit_failures_total", "Offset commits that failed")
_dead_letters = Counter(
    "lull_dead_letters_total", "Records set aside as unusable", ["topic", "reason"]
)


def _ssl_context(config: KafkaConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.kafka_ca_file)
    if config.kafka_cert_file:
        context.load_cert_chain(config.kafka_cert_file, config.kafka_key_file)
    return context


def client_security(config: KafkaConfig) -> dict[str, Any]:
    """Keyword arguments for a bare aiokafka client."""
    if config.kafka_security_protocol == "PLAINTEXT":
        return {}
    security: dict[str, Any] = {
        "security_protocol": config.kafka_security_protocol,
        "ssl_context": _ssl_context(config),
    }
    if config.kafka_security_protocol == "SASL_SSL":
        security |= {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": config.kafka_username,
            "sasl_plain_password": _password(config),
        }
    return security


def _password(config: KafkaConfig) -> str:
    return config.kafka_password.get_secret_value() if config.kafka_password else ""


def _broker_security(config: KafkaConfig) -> BaseSecurity | None:
    if config.kafka_security_protocol == "PLAINTEXT":
        return None
    if config.kafka_security_protocol == "SSL":
        return BaseSecurity(ssl_context=_ssl_context(config), use_ssl=True)
    return SASLScram512(
        username=config.kafka_username or "",
        password=_password(config),
        ssl_context=_ssl_context(config),
        use_ssl=True,
    )


class _Broker(KafkaBroker):
    """Asks whether Kafka answers before it starts.

    aiokafka's producer cannot be closed where its start failed, and FastStream loses it then: each
    try would leave one behind. An admin client can be closed.
    """

    def __init__(self, config: KafkaConfig, **options: Any) -> None:
        self._probe = partial(
            AIOKafkaAdminClient,
            bootstrap_servers=config.kafka_bootstrap_servers,
            **client_security(config),
        )
        super().__init__(config.kafka_bootstrap_servers, **options)

    async def start(self) -> None:
        probe = self._probe()
        try:
            await probe.start()
        finally:
            await probe.close()
        await super().start()


def new_broker(config: KafkaConfig, client_id: str, **options: Any) -> KafkaBroker:
    """A FastStream broker whose publishes are on every in-sync replica before they count."""
    return _Broker(
        config,
        client_id=client_id,
        security=_broker_security(config),
        acks="all",
        enable_idempotence=True,  # a retry inside the client must not double or reorder records
        allow_auto_create_topics=False,  # topics are made by `lull topics create` alone
        logger=None,
        **options,
    )


async def start_when_reachable(broker: KafkaBroker, need: Need) -> None:
    """Start the broker's clients, waiting for Kafka as long as it takes; `need` tells meanwhile."""
    while True:
        try:
            await broker.start()
        except (KafkaError, OSError, TimeoutError) as error:
            if need.fault != "Kafka cannot be reached":
                _log.warning("kafka.unreachable", error=type(error).__name__)
            need.missing("Kafka cannot be reached")
            # What had been opened before the failure would otherwise be left behind.
            await broker.stop()
            await asyncio.sleep(RECONNECT_PAUSE_S)
        else:
            need.met()
            _log.info("kafka.connected")
            return


def event_headers(
    event_type: str, source: str, clock: Clock, event_id: str | None = None
) -> dict[str, str]:
    """CloudEvents 1.0 attributes, binary content mode (kafka-protocol-binding.md, section 3.2)."""
    return {
        "ce_specversion": "1.0",
        "ce_id": event_id or str(uuid4()),
        "ce_type": event_type,
        "ce_source": source,
        "ce_time": clock.now().isoformat(),
        "content-type": "application/json",
    }


async def publish(
    broker: KafkaBroker,
    topic: str,
    key: bytes,
    event: Event,
    *,
    source: str,
    clock: Clock,
    event_id: str | None = None,
) -> None:
    """Append the event; returns once it is on Kafka with acks=all.

    Args:
        topic: full name, prefix included.
        event_id: give one where a repeat must be recognisable.

    Raises:
        KafkaError: not appended, or unknown whether it was.

    """
    headers = event_headers(event.type_name(), source, clock, event_id)
    if tracing.recorder is not None and (place := tracing.place_of(event)):
        headers["traceparent"] = place.traceparent
    with tracing.publishing(event, source):
        await broker.publish(event.to_json(), topic=topic, key=key, headers=headers)


async def commit(consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> bool:
    """Commit these next offsets and nothing else; False where it did not succeed.

    FastStream's `ack()` would commit the whole position of every partition. A failed commit is
    only repeated work later, so it is counted and not raised; partitions that are no longer ours
    are left out, since aiokafka would commit them in the name of the present generation.
    """
    ours = {tp: offset for tp, offset in offsets.items() if tp in consumer.assignment()}
    if not ours:
        return False
    try:
        await asyncio.wait_for(consumer.commit(ours), COMMIT_TIMEOUT_S)
    except (KafkaError, TimeoutError) as error:
        _commit_failures.inc()
        _log.warning("kafka.commit_failed", error=type(error).__name__)
        return False
    return True


async def dead_letter(
    broker: KafkaBroker,
    record: ConsumerRecord[Any, Any],
    reason: str,
    *,
    source: str,
    clock: Clock,
) -> None:
    """Set a record aside that nobody can use, on `<its topic>.dlt`."""
    place = Place(record.topic, record.partition, record.offset, len(record.value or b""))
    await dead_letter_of(broker, place, reason, source=source, clock=clock)


class Place(NamedTuple):
    """Where a record lies, and how many bytes its value has."""

    topic: str
    partition: int
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


async def dead_letter_of(
    broker: KafkaBroker, place: Place, reason: str, *, source: str, clock: Clock
) -> None:
    """The same for a record that is no longer at hand.

    The letter says where the record lies and why it was refused. It does not repeat the record,
    whose bytes nobody has vouched for (R11). Its id is the record's place,
    so a repeat is recognisable.
    """
    await broker.publish(
        json.dumps({**place._asdict(), "reason": reason}).encode(),
        topic=f"{place.topic}.dlt",
        key=str(place).encode(),
        headers=event_headers("lull.DeadLetter.v1", source, clock, str(place)),
    )
    _dead_letters.labels(place.topic, reason).inc()
    _log.error("record.dead_lettered", place=str(place), reason=reason)
