"""Settled events, ticks and dead letters onto Kafka."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from common import kafka, log, tracing
from common.clock import Clock
from common.events import ConversationSettled
from faststream.kafka import KafkaBroker

from debounce.adapters.traces import note_settled
from debounce.adapters.wire import TICK_TYPE, settled_value
from debounce.domain.quiet import Settled
from debounce.ports import NotPublished, Unreadable

_log = log.get(__name__)

SOURCE = "/lull/debounce"
CLOSE_TIMEOUT_S = 1.0

Headers = list[tuple[str, bytes]]
Records = Iterable[tuple[bytes | None, bytes, Headers]]  # key, value, headers


class KafkaPublisher:
    """Builds record batches itself: one request, one acknowledgement for hundreds of events.

    aiokafka's idempotent producer retries by itself for as long as Kafka is away, in order and
    without doubles. Once it has raised, it can be dead for good (its sequence has a gap that the
    broker refuses): then the next publish makes a new one.
    """

    def __init__(
        self,
        new_producer: Callable[[], AIOKafkaProducer],
        broker: KafkaBroker,
        *,
        updated: str,
        settled: str,
        clock: Clock,
    ) -> None:
        self._new_producer = new_producer
        self._broker = broker
        self._updated = updated
        self._settled = settled
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._given_up = asyncio.Event()  # set when the producer of now is replaced
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def settle(self, partition: int, settled: Sequence[Settled]) -> int:
        return await self._publish(self._settled, partition, self._events(partition, settled))

    async def tick(self, partition: int) -> None:
        headers = kafka.event_headers(TICK_TYPE, SOURCE, self._clock)
        await self._publish(self._updated, partition, [(None, b"{}", _encoded(headers))])

    async def dead_letter(self, partition: int, record: Unreadable) -> None:
        try:
            await kafka.dead_letter_of(
                self._broker,
                kafka.Place(self._updated, partition, record.offset, record.size),
                record.reason,
                source=SOURCE,
                clock=self._clock,
            )
        except (KafkaError, OSError) as error:
            raise NotPublished(type(error).__name__) from error

    async def close(self) -> None:
        if self._producer is not None:
            self._give_up(self._producer)
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_TIMEOUT_S)
        for task in self._closing:
            task.cancel()

    def _events(self, partition: int, settled: Sequence[Settled]) -> Records:
        """Ids tell the place of the update named: whoever publishes it, a repeat has the same."""
        headers = kafka.event_headers(ConversationSettled.type_name(), SOURCE, self._clock, "-")
        del headers["ce_id"]
        of_all, recorder = _encoded(headers), tracing.recorder
        for one in settled:
            place = b"%d-%d" % (partition, one.offset)
            of_one = [("ce_id", place), *of_all]
            if recorder is not None:
                of_one.append(note_settled(one, recorder))
            yield one.conversation, settled_value(one), of_one

    async def _publish(self, topic: str, partition: int, records: Records) -> int:
        """How many records went, from the front: what fits into one batch."""
        producer, given_up = await self._started()
        batch = producer.create_batch()
        for key, value, headers in records:
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                break
        try:
            # AssertionError: aiokafka's way to say that the topic has no such partition.
            acknowledged = await producer.send_batch(batch, topic, partition=partition)
            waiting = asyncio.ensure_future(given_up.wait())
            try:
                await asyncio.wait({acknowledged, waiting}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if not acknowledged.done():
                acknowledged.cancel()
                raise NotPublished("the producer was replaced")
            acknowledged.result()
        except AssertionError as error:
            # Just added, maybe; by itself aiokafka asks every five minutes how many there are.
            await producer.client.force_metadata_update()
            raise NotPublished(f"{topic} has no partition {partition}") from error
        except (KafkaError, OSError) as error:
            self._give_up(producer)
            raise NotPublished(type(error).__name__) from error
        return int(batch.record_count())

    async def _started(self) -> tuple[AIOKafkaProducer, asyncio.Event]:
        async with self._starting:
            if self._producer is None:
                producer = self._new_producer()
                try:
                    await producer.start()
                except (KafkaError, OSError) as error:
                    self._close_later(producer)
                    raise NotPublished(type(error).__name__) from error
                self._producer, self._given_up = producer, asyncio.Event()
            return self._producer, self._given_up

    def _give_up(self, producer: AIOKafkaProducer) -> None:
        if self._producer is not producer:
            return  # another partition's failure came first
        self._producer = None
        self._given_up.set()
        self._close_later(producer)

    def _close_later(self, producer: AIOKafkaProducer) -> None:
        """Closing can take a request's whole time-out; nobody waits for it."""

        async def close() -> None:
            with suppress(KafkaError, OSError):
                await producer.stop()

        task = asyncio.create_task(close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _encoded(headers: dict[str, str]) -> Headers:
    return [(name, text.encode()) for name, text in headers.items()]
