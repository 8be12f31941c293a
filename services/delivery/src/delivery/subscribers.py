"""Kafka in: settled conversations into the ledger."""

from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer
from common.clock import Clock
from common.config import KafkaConfig
from common.consuming import (
    CarefulConsumer,
    Held,
    Record,
    Unusable,
    decode_raw,
    header,
    parse_raw_batch,
)
from common.events import ConversationSettled
from common.health import Health, Need
from common.kafka import dead_letter
from common.topics import CONVERSATION_SETTLED
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaRouter
from faststream.kafka.annotations import KafkaMessage
from pydantic import ValidationError

from delivery.handlers import Delivery
from delivery.ports import LedgerAway, RetryLater

RECORD_MAX_BYTES = 64 * 1024  # ids and times: ours have a few hundred bytes
RECORDS_AT_ONCE = 500
# An empty poll is followed by a pause of the same length before the next (FastStream 0.7).
LONGEST_POLL_MS = 50
_OURS = "lull."


def settled_event(record: Record) -> ConversationSettled | None:
    """The event; None for a tick or an event of a kind that is not for us.

    Raises:
        Unusable: it claims to be ours and cannot be read.

    """
    kind = header(record, "ce_type")
    if kind and kind != ConversationSettled.type_name():
        if kind.startswith(f"{_OURS}{ConversationSettled.__name__}."):
            raise Unusable("unknown_version")
        return None
    if not record.value:
        raise Unusable("no_value")
    if len(record.value) > RECORD_MAX_BYTES:
        raise Unusable("too_large")
    try:
        return ConversationSettled.model_validate_json(record.value)
    except ValidationError:
        raise Unusable("not_an_event") from None


class SettledConsumer:
    """One CRM's group on `conversation.settled`."""

    def __init__(
        self,
        delivery: Delivery,
        broker: KafkaBroker,
        config: KafkaConfig,
        health: Health,
        need: Need,
        clock: Clock,
        instance_id: str | None,
    ) -> None:
        self._delivery = delivery
        self._broker = broker
        self._clock = clock
        self.topic = config.kafka_topic_prefix + CONVERSATION_SETTLED
        self.careful = CarefulConsumer(
            self._handle, self._set_aside, health.loop(f"consumer {delivery.crm}"), need
        )
        self.router = KafkaRouter()
        subscriber = self.router.subscriber(
            self.topic,
            group_id=f"{config.kafka_topic_prefix}delivery-{delivery.crm}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            group_instance_id=instance_id,
            listener=self.careful,
            batch=True,
            max_records=RECORDS_AT_ONCE,
            batch_timeout_ms=LONGEST_POLL_MS,
            parser=parse_raw_batch,
            decoder=decode_raw,
            no_reply=True,
        )
        self.consumer: Callable[[], AIOKafkaConsumer | None] = lambda: subscriber.consumer

        @subscriber
        async def on_conversations_settled(message: KafkaMessage) -> None:
            consumer = subscriber.consumer
            if consumer is not None:
                await self.careful.on_records(consumer, message.raw_message)

    async def _handle(self, records: Sequence[Record]) -> list[tuple[Record, str]]:
        """Take them in together; answers those that nobody can use."""
        events, unusable = [], []
        for record in records:
            try:
                event = settled_event(record)
            except Unusable as error:
                unusable.append((record, error.reason))
            else:
                events += [event] if event else []
        try:
            await self._delivery.enqueue_all(events)
        except LedgerAway:
            raise Held("ledger_away") from None
        except RetryLater as error:
            raise Held(error.reason) from None
        return unusable

    async def _set_aside(self, record: Record, reason: str) -> None:
        await dead_letter(
            self._broker,
            record,
            reason,
            source=f"delivery-{self._delivery.crm}",
            clock=self._clock,
        )
