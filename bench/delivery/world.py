"""The world around delivery in a benchmark: settings full of workspaces, and settled conversations.

Workspaces are put straight into settings' tables, tokens sealed by settings' own keyring: ten
thousand of them connected one by one over OAuth would take longer than the benchmark.
"""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from bench.delivery.answering import AGENT, SAID_AGO_S
from common.config import KafkaConfig
from common.events import ConversationSettled, Trigger
from common.topics import CONVERSATION_SETTLED, create_topics
from devstack import Stack, ensure_database
from devstack.service import ServiceProcess
from settings.adapters.keyring import Keyring, Place

_KEY = base64.b64encode(bytes(range(32))).decode()
_CALLER = "delivery-credential-of-the-benchmark"
SIGNED_WITH = "intercom-secret"
INGEST = "actions-credential-of-the-benchmark"
_LONG = timedelta(days=30)
_LAST_PART = 6


@dataclass
class World:
    """One run's: topics, databases and processes of its own on the stack that all runs share."""

    stack: Stack
    folder: Path
    vendors: str  # the answering process
    partitions: int = 12
    crms: Sequence[str] = ("hubspot",)
    name: str = field(default_factory=lambda: f"b{uuid4().hex[:8]}")
    services: dict[str, ServiceProcess] = field(default_factory=dict)

    @property
    def kafka(self) -> KafkaConfig:
        return KafkaConfig(
            kafka_bootstrap_servers=self.stack.kafka_bootstrap.split(","),
            kafka_topic_prefix=f"{self.name}.",
            kafka_partitions=self.partitions,
            kafka_replication_factor=1,
        )

    async def prepare(self, *workspaces: int) -> None:
        """So many workspaces, numbered through, at each of the CRMs."""
        await create_topics(self.kafka)
        for service in ("settings", "delivery"):
            migrated = await asyncio.to_thread(self._migrate, service)
            if migrated.returncode:
                raise RuntimeError(migrated.stderr.decode() or migrated.stdout.decode())
        connection = await asyncpg.connect(self.dsn("settings"))
        try:
            first = 0
            for crm, count in zip(self.crms, workspaces, strict=True):
                names = [workspace(number) for number in range(first, first + count)]
                await _install(connection, names, crm, f"{self.vendors}/{crm}")
                first += count
        finally:
            await connection.close()

    def _migrate(self, service: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", service, "migrate"]
        return subprocess.run(
            command, env=self.environment(service), capture_output=True, check=False
        )

    def dsn(self, service: str) -> str:
        database = f"{service}_{self.name}"
        return ensure_database(self.stack.postgres_dsn, database, f"{service}_bench", "bench")

    def environment(self, service: str, **more: str) -> dict[str, str]:
        intercom = f"{self.vendors}/intercom"
        regions = ("us", "eu", "au")
        every = {
            "PATH": os.environ["PATH"],
            "LULL_KAFKA_BOOTSTRAP_SERVERS": self.stack.kafka_bootstrap,
            "LULL_KAFKA_TOPIC_PREFIX": f"{self.name}.",
            "LULL_QUIET_PERIOD_S": "900",
        }
        own = {
            "settings": {
                "LULL_SETTINGS_PORT": "0",
                "LULL_SETTINGS_INTERNAL_PORT": "0",
                "LULL_SETTINGS_HEALTH_PORT": "0",
                "LULL_SETTINGS_DATABASE_URL": self.dsn("settings"),
                "LULL_SETTINGS_TOKEN_KEYS": f"k1:{_KEY}",
                "LULL_SETTINGS_CALLER_TOKENS": f"delivery:{_CALLER}",
                "LULL_SETTINGS_OPERATOR_TOKEN": "operator-credential-of-the-benchmark",
                "LULL_SETTINGS_PUBLIC_URL": "https://settings.example",
                "LULL_INTERCOM_CLIENT_ID": "intercom",
                "LULL_INTERCOM_CLIENT_SECRETS": SIGNED_WITH,
                "LULL_INTERCOM_API_URLS": ",".join(f"{r}={intercom}" for r in regions),
                "LULL_INTERCOM_LINK_URLS": ",".join(f"{r}=https://app.example" for r in regions),
                "LULL_HUBSPOT_CLIENT_ID": "hubspot",
                "LULL_HUBSPOT_CLIENT_SECRET": "hubspot-secret",
                "LULL_PIPEDRIVE_CLIENT_ID": "pipedrive",
                "LULL_PIPEDRIVE_CLIENT_SECRET": "pipedrive-secret",
            },
            "delivery": {
                "LULL_DELIVERY_PORT": "0",
                "LULL_DELIVERY_HEALTH_PORT": "0",
                "LULL_DELIVERY_DATABASE_URL": self.dsn("delivery"),
                "LULL_DELIVERY_SETTINGS_TOKEN": _CALLER,
                "LULL_DELIVERY_ACTIONS_TOKEN": INGEST,
                "LULL_DELIVERY_CRMS": ",".join(self.crms),
            },
            "ingest": {
                "LULL_INGEST_PORT": "0",
                "LULL_INGEST_HEALTH_PORT": "0",
                "LULL_INTERCOM_CLIENT_SECRETS": SIGNED_WITH,
                "LULL_DELIVERY_ACTIONS_TOKEN": INGEST,
                "LULL_INGEST_DEBOUNCE_URLS": "http://127.0.0.1:1",  # not part of the measurement
            },
        }
        return every | own[service] | more

    @asynccontextmanager
    async def settling(self) -> AsyncIterator["Settling"]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.stack.kafka_bootstrap, acks="all", linger_ms=1
        )
        await producer.start()
        try:
            yield Settling(producer, f"{self.name}.{CONVERSATION_SETTLED}")
        finally:
            await producer.stop()

    def start(self, module: str, name: str, **more: str) -> ServiceProcess:
        log = self.folder / f"{self.name}-{name}.log"
        command = [sys.executable, "-m", module]
        process = ServiceProcess(command, self.environment(module, **more), log)
        self.services[name] = process
        return process

    def close(self) -> None:
        for process in reversed(self.services.values()):
            process.stop()


@dataclass
class Settling:
    producer: AIOKafkaProducer
    topic: str

    async def settle(self, conversation: int, workspace_number: int) -> None:
        """Settle it; returns when that is under way to Kafka."""
        said_at = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=SAID_AGO_S)  # noqa: TID251
        event = ConversationSettled(
            workspace_id=workspace(workspace_number),
            conversation_id=str(conversation),
            trigger=Trigger.QUIET,
            # Before what is there, so that the announced reply is always shown.
            updated_at=said_at - timedelta(minutes=10),
            part_id=_LAST_PART,
        )
        await self.producer.send(
            self.topic,
            event.to_json(),
            key=event.key(),
            headers=[("ce_type", event.type_name().encode())],
        )

    async def settle_all(self, conversations: Iterable[int], workspaces: int) -> None:
        for number in conversations:
            await self.settle(number, number % workspaces)
        await self.producer.flush()


def workspace(number: int) -> str:
    return f"wk{number:06d}"


async def _install(
    connection: asyncpg.Connection, names: Sequence[str], crm: str, api_base: str
) -> None:
    keyring = Keyring([("k1", _KEY)])
    now = datetime.now(UTC)  # noqa: TID251
    before, later = now - _LONG, now + _LONG

    def sealed(name: str, app: str, field: str) -> str:
        return keyring.encrypt(f"token-{name}", Place(name, app, field))

    await _copy(
        connection,
        "workspaces (workspace_id, region, name, time_zone, admin_id)",
        [(name, "US", name, "Europe/Berlin", AGENT) for name in names],
    )
    await _copy(
        connection,
        "intercom_connections (workspace_id, access_token, authorised_by, authorised_at, state)",
        [
            (name, sealed(name, "intercom", "access_token"), AGENT, before, "connected")
            for name in names
        ],
    )
    await _copy(
        connection,
        "installations (workspace_id, app, installed_at, installed_by, transcript_sync)",
        [(name, crm, before, AGENT, True) for name in names],
    )
    await _copy(
        connection,
        "app_users (workspace_id, app, teammate_id, paused)",
        [(name, crm, AGENT, False) for name in names],
    )
    await _copy(
        connection,
        "connections (workspace_id, app, account_id, user_id, api_base, access_token,"
        " refresh_token, obtained_at, expires_at, state, token_version)",
        [
            (
                name,
                crm,
                str(1_000_000 + number),
                "9",
                api_base,
                sealed(name, crm, "access_token"),
                sealed(name, crm, "refresh_token"),
                now,
                later,
                "connected",
                1,
            )
            for number, name in enumerate(names)
        ],
    )


async def _copy(
    connection: asyncpg.Connection, into: str, rows: Sequence[tuple[object, ...]]
) -> None:
    table, _, columns = into.partition(" ")
    await connection.copy_records_to_table(
        table, records=rows, columns=[name.strip() for name in columns.strip("()").split(",")]
    )
