"""The service as a process on the real Kafka, and the two topics to judge it by."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from common.config import KafkaConfig
from common.events import ConversationUpdated, conversation_key
from common.topics import create_topics
from debounce.judge import LoggedSettled, LoggedUpdate, Verdict, judge
from devstack import DevStack
from devstack.waiting import until
from pydantic import ValidationError

DEADLINE_S = 30.0
SKEWED = Path(__file__).with_name("skewed.py")


class Replica:
    """One process of the service."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[dict[str, Any]] = []
        self.url = self.api = ""
        self._started = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": line.decode().rstrip()}
            self.log.append(entry)
            if entry.get("event") == "service.started":
                self.url, self.api = entry["health"], entry["api"]
                self._started.set()

    async def started(self) -> None:
        await asyncio.wait_for(self._started.wait(), DEADLINE_S)

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status 0: no answer. Health's own paths go to the health port."""
        try:
            async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
                base = self.api if path.startswith("/v1/") else self.url
                answer = await client.get(base + path)
        except httpx.TransportError:
            return 0, {}
        return answer.status_code, answer.json()

    async def ready(self) -> bool:
        return (await self.get("/readyz"))[0] == 200

    async def metric(self, name: str) -> float:
        """Summed over its partitions."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            text = (await client.get(f"{self.url}/metrics")).text
        lines = (line for line in text.splitlines() if line.startswith(f"{name}{{"))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    async def until_metric(self, name: str, value: float) -> None:
        async def reached() -> bool:
            return await self.metric(name) == value

        await until(reached, DEADLINE_S, f"{name} is {value}")

    async def until_partitions(self, count: int) -> None:
        async def reached() -> bool:
            return len((await self.get("/v1/pending/w1"))[1].get("partitions", ())) == count

        await until(reached, DEADLINE_S, f"{count} partitions are assigned")

    async def until_answers(self, path: str, status: int, containing: str = "") -> None:
        async def answered() -> bool:
            found, body = await self.get(path)
            return found == status and containing in json.dumps(body)

        await until(answered, DEADLINE_S, f"{path} answers {status} {containing}")

    def says(self, text: str) -> bool:
        """Somewhere in its log."""
        return any(text in json.dumps(entry) for entry in self.log)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(how)
        code = await asyncio.wait_for(self.process.wait(), DEADLINE_S)
        await self._reading
        return code


class Log:
    """The topics of one test, under a prefix of their own."""

    def __init__(self, bootstrap: str, quiet_s: float, partitions: int) -> None:
        self.bootstrap = bootstrap
        self.quiet_ms = round(quiet_s * 1000)
        self.partitions = partitions
        self.prefix = f"t{uuid.uuid4().hex[:10]}."
        self.updated = f"{self.prefix}conversation.updated"
        self.settled = f"{self.prefix}conversation.settled"
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

    async def updates(self) -> list[LoggedUpdate]:
        found = []
        for record in await self.read(self.updated):
            place = (record.partition, record.offset, record.timestamp)
            try:
                event = ConversationUpdated.model_validate_json(record.value or b"")
            except ValidationError:  # a tick, or poison
                found.append(LoggedUpdate(*place, None))
            else:
                updated_at = int(event.updated_at.timestamp())
                found.append(LoggedUpdate(*place, event.key().decode(), updated_at, event.part_id))
        return found

    async def settled_events(self, *, trust_clock: bool = True) -> list[LoggedSettled]:
        found = []
        for record in await self.read(self.settled):
            headers = dict(record.headers)
            partition, _, offset = headers["ce_id"].decode().partition("-")
            assert int(partition) == record.partition
            body = json.loads(record.value)
            found.append(
                LoggedSettled(
                    record.partition,
                    int(offset),
                    record.key.decode(),
                    body["updated_at"],
                    body["part_id"],
                    record.timestamp if trust_clock else None,
                )
            )
        return found

    async def settle_delays_ms(self) -> list[int]:
        """From due, by the log's time, to the event's append time."""
        due, log_time = {}, [0] * self.partitions
        for update in await self.updates():
            number = update.partition
            log_time[number] = max(log_time[number], update.appended_ms)
            due[number, update.offset] = log_time[number] + self.quiet_ms
        settled = await self.settled_events()
        return [
            one.appended_ms - due[one.partition, one.named_offset]
            for one in settled
            if one.appended_ms is not None
        ]

    async def verdict(self, *, trust_clock: bool = True) -> Verdict:
        """Taking it that nothing more comes."""
        settled = await self.settled_events(trust_clock=trust_clock)
        return judge(await self.updates(), settled, self.quiet_ms, at_rest=True)

    async def all_settled(self, within_s: float = DEADLINE_S, **how: bool) -> Verdict:
        """Wait until nothing is missing, then judge."""

        async def done() -> bool:
            return not (await self.verdict(**how)).missing

        await until(done, within_s, "everything is settled")
        return await self.verdict(**how)

    async def until_nothing_more_settles(self, for_s: float) -> None:
        async def at_rest() -> bool:
            before = len(await self.read(self.settled))
            await asyncio.sleep(for_s)
            return before == len(await self.read(self.settled))

        await until(at_rest, 2 * DEADLINE_S, f"no event for {for_s} s")

    async def read(self, topic: str) -> list[Any]:
        """Everything in it now."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            places = [TopicPartition(topic, number) for number in range(self.partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[Any] = []
            left = {place for place in places if ends[place] > await consumer.position(place)}
            while left:
                for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                    found += [record for record in records if record.offset < ends[place]]
                    if await consumer.position(place) >= ends[place]:
                        left.discard(place)
            return found
        finally:
            await consumer.stop()

    async def committed(self) -> dict[int, int | None]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=f"{self.prefix}debounce",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            return {
                number: await consumer.committed(TopicPartition(self.updated, number))
                for number in range(self.partitions)
            }
        finally:
            await consumer.stop()

    async def until_committed(self, offsets: dict[int, int]) -> None:
        async def reached() -> bool:
            return await self.committed() == offsets

        await until(reached, DEADLINE_S, f"committed: {offsets}")

    async def end_offsets(self) -> dict[int, int]:
        """Of the updates, none of which a test may append meanwhile."""
        ends = dict.fromkeys(range(self.partitions), 0)
        for record in await self.read(self.updated):
            ends[record.partition] = record.offset + 1
        return ends

    async def close(self) -> None:
        for replica in self.replicas:
            with contextlib.suppress(ProcessLookupError):
                replica.process.send_signal(signal.SIGCONT)
            await replica.end(signal.SIGKILL)
        if self._producer is not None:
            await self._producer.stop()


NewLog = Callable[..., Awaitable[Log]]


class OwnKafka:
    """A broker that a test may kill, freeze and bring back."""

    def __init__(self, stack: DevStack) -> None:
        self._stack = stack
        self.bootstrap = stack.stack.kafka_bootstrap

    def send(self, what: signal.Signals) -> None:
        pid = self._stack.stack.kafka_pid
        assert pid is not None
        os.kill(pid, what)

    async def restart(self) -> None:
        await asyncio.to_thread(self._stack.restart_kafka)

    def stop(self) -> None:
        self._stack.stop()

    async def start(self) -> None:
        await asyncio.to_thread(self._stack.start)


@pytest.fixture(scope="session")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnKafka]:
    with DevStack(tmp_path_factory.mktemp("own"), postgres=False, kafka_port=_free_port()) as stack:
        yield OwnKafka(stack)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
async def new_log(kafka_bootstrap: str) -> AsyncIterator[NewLog]:
    """Topics of one's own: `await new_log(quiet_s=1.0, partitions=2)`."""
    async with _logs(kafka_bootstrap) as new:
        yield new


@pytest.fixture(scope="module")
async def new_log_of_module(kafka_bootstrap: str) -> AsyncIterator[NewLog]:
    """The same, for the tests of a whole file."""
    async with _logs(kafka_bootstrap) as new:
        yield new


@contextlib.asynccontextmanager
async def _logs(kafka_bootstrap: str) -> AsyncIterator[NewLog]:
    logs: list[Log] = []

    async def new(
        quiet_s: float = 1.0,
        partitions: int = 2,
        *,
        bootstrap: str = kafka_bootstrap,
        create: bool = True,
    ) -> Log:
        log = Log(bootstrap, quiet_s, partitions)
        logs.append(log)
        if create:
            await log.create()
        return log

    try:
        yield new
    finally:
        for log in logs:
            await log.close()
