"""The topics of a test: made, written to, and read by replicas that it starts."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from common.config import KafkaConfig
from common.events import ConversationUpdated, conversation_key
from common.topics import create_topics
from debounce.judge import LoggedUpdate
from devstack.waiting import until

from settling.records import Records
from settling.replica import DEADLINE_S, Replica

SKEWED = Path(__file__).parents[1] / "skewed.py"


class Log(Records):
    """The topics of one test, under a prefix of their own, and the replicas at work on them."""

    def __init__(self, bootstrap: str, quiet_s: float, partitions: int) -> None:
        super().__init__(bootstrap, quiet_s, partitions)
        self.replicas: list[Replica] = []
        self._producer: AIOKafkaProducer | None = None

    async def create(self) -> None:
        await create_topics(
            KafkaConfig(
                kafka_bootstrap_servers=[self.bootstrap],
                kafka_topic_prefix=self.prefix,
                kafka_partitions=self.partitions,
                kafka_replication_factor=1,
            )
        )

    async def create_topic(self, name: str, partitions: int, **config: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
        finally:
            await admin.close()

    async def add_partitions(self, partitions: int) -> None:
        """While it is written and read: to the settled events first, as the runbook says."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            for topic in (self.settled, self.updated):
                await admin.create_partitions({topic: NewPartitions(partitions)})
        finally:
            await admin.close()
        if self._producer is not None:  # it would find out by itself after five minutes
            await self._producer.client.force_metadata_update()
        self.partitions = partitions

    async def start(
        self, instance: str = "one", *, ahead_s: float = 0, plant: str = "none", **env: str
    ) -> Replica:
        """One replica more, whose clock is so much ahead."""
        shipped = not ahead_s and plant == "none"
        command = ["-m", "debounce"] if shipped else [str(SKEWED), str(ahead_s), plant]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env={
                **os.environ,
                "LULL_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
                "LULL_KAFKA_TOPIC_PREFIX": self.prefix,
                "LULL_QUIET_PERIOD_S": str(self.quiet_ms / 1000),
                "LULL_DEBOUNCE_HEALTH_PORT": "0",
                "LULL_DEBOUNCE_PORT": "0",
                "LULL_DEBOUNCE_INSTANCE_ID": instance,
                "LULL_DEBOUNCE_SESSION_TIMEOUT_S": "6",
                **env,
            },
            stdout=asyncio.subprocess.PIPE,
            limit=2**20,
        )
        replica = Replica(process)
        self.replicas.append(replica)
        await replica.started()
        return replica

    async def started(
        self, instance: str = "one", *, ahead_s: float = 0, plant: str = "none", **env: str
    ) -> Replica:
        """And ready."""
        replica = await self.start(instance, ahead_s=ahead_s, plant=plant, **env)
        await until(replica.ready, DEADLINE_S, f"{instance} is ready")
        return replica

    async def producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True
            )
            await self._producer.start()
        return self._producer

    async def say(
        self,
        conversation: int,
        updated_at: int | None = None,
        part_id: int = 1,
        partition: int | None = None,
    ) -> LoggedUpdate:
        """A person speaks; the record as it stands in the log then."""
        updated_at = int(time.time()) if updated_at is None else updated_at
        event = ConversationUpdated(
            workspace_id="w1",
            conversation_id=str(conversation),
            updated_at=updated_at,
            part_id=part_id,
        )
        at = await self.append(event.to_json(), event.key(), partition)
        return LoggedUpdate(*at, f"w1:{conversation}", updated_at, part_id)

    async def append(
        self, value: bytes | None, key: bytes | None = None, partition: int | None = None
    ) -> tuple[int, int, int]:
        """Partition, offset, append time."""
        producer = await self.producer()
        sent = await producer.send_and_wait(self.updated, value, key, partition)
        return sent.partition, sent.offset, sent.timestamp

    async def fill(
        self, updates: Sequence[tuple[int, int, int]], partitions: int | None = None
    ) -> None:
        """Many at once: conversation, updated_at, part id; by key, or evenly in the first few."""
        producer = await self.producer()
        sent = [
            await producer.send(
                self.updated,
                b'{"workspace_id":"w1","conversation_id":"%d","updated_at":%d,"part_id":%d}'
                % (conversation, updated_at, part_id),
                conversation_key("w1", str(conversation)),
                None if partitions is None else conversation % partitions,
            )
            for conversation, updated_at, part_id in updates
        ]
        await asyncio.gather(*sent)

    async def close(self) -> None:
        for replica in self.replicas:
            with contextlib.suppress(ProcessLookupError):
                replica.process.send_signal(signal.SIGCONT)
            await replica.end(signal.SIGKILL)
        if self._producer is not None:
            # It waits for what it could not send, without a broker for ever.
            await asyncio.wait_for(self._producer.stop(), DEADLINE_S)
