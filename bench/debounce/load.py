"""The log that all contenders read: written once, then never changed.

Append times are the broker's own (LogAppendTime), so the log is written as live traffic would be:
updates of random conversations, evenly, as fast as one producer goes. The quiet period is chosen
afterwards, so that about so many conversations settle as wanted; it is a second or two. Records
look as ingest writes them, headers and all. At the end, long enough after, comes one update of a
closing conversation per partition (without a later record a session window never ends), then one
tick (so that our own service finds nothing left to ask for, and leaves the log as it is).
"""

import asyncio
import random
import time
from array import array
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer
from bench.debounce.check import NONE, Checker, Name, Updates, quiet_ms_for
from common.clock import SystemClock
from common.config import KafkaConfig
from common.events import ConversationUpdated
from common.kafka import event_headers
from common.topics import CONVERSATION_SETTLED, CONVERSATION_UPDATED, create_topics

CLOSING = b"closing:"
PROBE = b"probe:"
PART_IDS_FROM = 20_000_000_000  # as long as Intercom's own
name = Name()


class Load:
    """One topic of updates and its updates by number."""

    def __init__(self, bootstrap: str, prefix: str, partitions: int, seed: int = 1) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.partitions = partitions
        self.updates = Updates(array("I"), array("q"), array("I"))
        self.quiet_ms = 0
        self.seconds = 0.0  # that the log covers
        self._random = random.Random(seed)
        self._probes = 0

    @property
    def updated(self) -> str:
        return self.prefix + CONVERSATION_UPDATED

    @property
    def settled(self) -> str:
        return self.prefix + CONVERSATION_SETTLED

    async def create(self) -> None:
        await create_topics(
            KafkaConfig(
                kafka_bootstrap_servers=[self.bootstrap],
                kafka_topic_prefix=self.prefix,
                kafka_partitions=self.partitions,
                kafka_replication_factor=1,
            )
        )

    def anyone(self, updates: int, conversations: int) -> Iterable[int]:
        """So many updates of random conversations."""
        pick = self._random.random
        return (int(pick() * conversations) for _ in range(updates))

    async def append(self, conversations: Iterable[int]) -> None:
        """One update each, in this order; returns when the broker has them all."""
        began = time.monotonic()
        async with _Writer(self) as writer:
            numbers, updates = len(self.updates.conversations), self.updates
            for number, conversation in enumerate(conversations, numbers):
                at = writer.now
                updates.conversations.append(conversation)
                updates.appended_ms.append(0)
                updates.updated_at.append(at)
                key = name(conversation)
                await writer.add(conversation % self.partitions, key, at, number)
        self.seconds += time.monotonic() - began

    def settle(self, share: float) -> Checker:
        """Choose the quiet period so that this share of the updates is settled."""
        newer = self.updates.newer_ms()
        self.quiet_ms = quiet_ms_for(self.updates, newer, round(share * len(newer)))
        return Checker(self.updates, newer, self.quiet_ms)

    async def close(self) -> None:
        """End the log, see above."""
        await asyncio.sleep(2 * self.quiet_ms / 1000 + 0.5)
        await self._one_each(CLOSING, 0)
        await asyncio.sleep(2 * self.quiet_ms / 1000 + 0.5)
        async with _Writer(self) as writer:
            for partition in range(self.partitions):
                await writer.tick(partition)

    async def probe(self) -> int:
        """One update of a new conversation per partition; how many updates that was."""
        self._probes += 1
        await self._one_each(PROBE, self._probes * 10_000)
        return self.partitions

    async def _one_each(self, workspace: bytes, first: int) -> None:
        async with _Writer(self) as writer:
            for partition in range(self.partitions):
                key = workspace + b"%d" % (first + partition)
                await writer.add(partition, key, writer.now, None)


class _Writer:
    """Builds record batches itself, of the size that a producer's default makes."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._producer = AIOKafkaProducer(
            bootstrap_servers=load.bootstrap, acks="all", enable_idempotence=True
        )
        self._batches = {}  # type: ignore[var-annotated]
        self._asked: set[asyncio.Future[None]] = set()
        headers = event_headers(
            ConversationUpdated.type_name(), "/lull/ingest", SystemClock(), "0" * 36
        )
        headers["correlation_id"] = "0" * 36  # FastStream's own, as ingest sends it
        self._headers = [(header, text.encode()) for header, text in headers.items()]
        self.now = 0

    async def __aenter__(self) -> "_Writer":
        await self._producer.start()
        self.now = int(time.time())
        return self

    async def __aexit__(self, *_: object) -> None:
        for partition in list(self._batches):
            await self._send(partition)
        while self._asked:
            await asyncio.wait(self._asked)
        await self._producer.stop()

    async def add(self, partition: int, key: bytes, updated_at: int, number: int | None) -> None:
        workspace, _, conversation = key.partition(b":")
        value = b'{"workspace_id":"%b","conversation_id":"%b","updated_at":%d,"part_id":%d}' % (
            workspace,
            conversation,
            updated_at,
            PART_IDS_FROM + (len(self._load.updates.conversations) if number is None else number),
        )
        while True:
            held = self._batches.get(partition)
            if held is None:
                held = self._batches[partition] = (self._producer.create_batch(), array("I"))
            batch, numbers = held
            added = batch.append(key=key, value=value, timestamp=None, headers=self._headers)
            if added is not None:
                break
            await self._send(partition)
        if number is not None:
            numbers.append(number)

    async def tick(self, partition: int) -> None:
        headers = [("ce_type", b"lull.Tick.v1")]
        await self._producer.send_and_wait(
            self._load.updated, b"{}", partition=partition, headers=headers
        )

    async def _send(self, partition: int) -> None:
        batch, numbers = self._batches.pop(partition)
        sent = await self._producer.send_batch(batch, self._load.updated, partition=partition)
        acknowledged: asyncio.Future[None] = asyncio.ensure_future(self._stamp(sent, numbers))
        self._asked.add(acknowledged)
        acknowledged.add_done_callback(self._asked.discard)
        self.now = int(time.time())

    async def _stamp(self, sent: "asyncio.Future[object]", numbers: "array[int]") -> None:
        at_ms = (await sent).timestamp  # type: ignore[attr-defined]
        assert at_ms > NONE  # noqa: S101 - the broker has stamped it
        appended = self._load.updates.appended_ms
        for number in numbers:
            appended[number] = at_ms
