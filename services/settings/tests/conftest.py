"""The service as real processes, against real PostgreSQL and Kafka and the simulators."""

import asyncio
import base64
import contextlib
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from common import topics
from common.catalog import APPS
from common.config import KafkaConfig
from common.topics import create_topics
from devstack import ensure_database
from devstack.service import ServiceProcess
from simulators.crms import CRMS as SIMULATED
from simulators.crms import variables
from simulators.testing import RunningSimulators, run_simulators

OPERATOR_TOKEN = "operator-token-of-the-tests"
CALLER_TOKEN = "delivery-token-of-the-tests"
KEYS = ",".join(
    f"k{n}:{base64.b64encode(bytes(range(n, n + 32))).decode()}" for n in (1, 2)
)  # k1 is the newest


@dataclass
class Replica:
    """One running process of the service."""

    process: ServiceProcess
    log: Path
    public: str
    internal: str
    health: str
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=30))

    async def operator(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.client.request(
            method,
            f"{self.public}{path}",
            json=body,
            headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"},
        )

    async def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.client.request(
            method,
            f"{self.internal}/internal/v1{path}",
            json=body,
            headers={"Authorization": f"Bearer {CALLER_TOKEN}"},
        )

    async def crm_access(self, workspace: str, app: str, rejected: str | None = None) -> Any:
        return await self.ask(
            "POST", f"/crm-access/{workspace}/{app}", {"rejected_token_hash": rejected}
        )

    async def come_back(self, authorize_url: str, **choice: str) -> httpx.Response:
        """Be the browser: authorise at the vendor, and follow its redirect to this replica."""
        return await self.client.get(await self.redirect(authorize_url, **choice))

    async def redirect(self, authorize_url: str, **choice: str) -> str:
        url = httpx.URL(authorize_url).copy_merge_params(choice)
        answer = await self.client.get(url)
        assert answer.status_code in (302, 303, 307), answer.text
        back = urlsplit(answer.headers["location"])
        return f"{self.public}{back.path}?{back.query}"

    async def install_workspace(self, workspace: str) -> httpx.Response:
        url = (await self.operator("POST", "/v1/workspaces/authorize", {})).json()["url"]
        return await self.come_back(url, account=workspace)

    async def connect_app(self, workspace: str, app: str, account: str) -> httpx.Response:
        path = f"/v1/workspaces/{workspace}/apps/{app}/authorize"
        url = (await self.operator("POST", path, {})).json()["url"]
        return await self.come_back(url, account=account)

    async def until_ready(self, ready: bool = True) -> Any:
        return await until(lambda: self._readyz(ready))

    async def _readyz(self, ready: bool) -> Any:
        answer = await self.client.get(f"{self.health}/readyz")
        return answer.json() if (answer.status_code == 200) is ready else None

    async def until_peer(self, name: str, state: str) -> Any:
        return await until(lambda: self._part("peers", name, state))

    async def until_need(self, name: str, state: str) -> Any:
        return await until(lambda: self._part("needs", name, state))

    async def _part(self, kind: str, name: str, state: str) -> Any:
        body = (await self.client.get(f"{self.health}/readyz")).json()
        return body if state in body[kind][name] else None

    async def stop(self) -> int:
        """Its exit code. The loop goes on meanwhile: proxies live on it."""
        return await asyncio.to_thread(self.process.stop)


async def until(look: Callable[[], Awaitable[Any]], within_s: float = 15.0) -> Any:
    """The first true answer; time-out is a failure."""
    async with asyncio.timeout(within_s):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.02)


class Launcher:
    """Starts replicas, and ends them all."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env = env
        self._folder = folder
        self.replicas: list[Replica] = []

    async def start(self, **changes: str) -> Replica:
        log = self._folder / f"settings-{uuid.uuid4().hex}.log"
        process = ServiceProcess([sys.executable, "-m", "settings"], self.env | changes, log)

        async def started() -> dict[str, str] | None:
            return process.addresses()

        found = await until(started)
        replica = Replica(process, log, found["public"], found["internal"], found["health"])
        self.replicas.append(replica)
        return replica

    async def close(self) -> None:
        for replica in self.replicas:
            await replica.stop()
            await replica.client.aclose()


@pytest.fixture(scope="session")
def simulators() -> Iterator[RunningSimulators]:
    with run_simulators() as running:
        yield running


@pytest.fixture(scope="session")
def database_dsn(postgres_dsn: str) -> str:
    """An empty database of its own, owned by the service's role."""
    return ensure_database(
        postgres_dsn, f"settings_{uuid.uuid4().hex[:12]}", "settings_of_tests", "settings"
    )


@pytest.fixture(scope="session")
async def kafka_config(kafka_bootstrap: str) -> KafkaConfig:
    config = KafkaConfig(
        kafka_bootstrap_servers=kafka_bootstrap.split(","),
        kafka_topic_prefix=f"settings-{uuid.uuid4().hex[:8]}.",
        kafka_partitions=2,
        kafka_replication_factor=1,
    )
    await create_topics(config)
    return config


@pytest.fixture(scope="session")
def service_env(
    simulators: RunningSimulators, database_dsn: str, kafka_config: KafkaConfig
) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LULL_KAFKA_BOOTSTRAP_SERVERS": ",".join(kafka_config.kafka_bootstrap_servers),
        "LULL_KAFKA_TOPIC_PREFIX": kafka_config.kafka_topic_prefix,
        "LULL_SETTINGS_DATABASE_URL": database_dsn,
        "LULL_SETTINGS_PORT": "0",
        "LULL_SETTINGS_INTERNAL_PORT": "0",
        "LULL_SETTINGS_HEALTH_PORT": "0",
        "LULL_SETTINGS_TOKEN_KEYS": KEYS,
        "LULL_SETTINGS_CALLER_TOKENS": f"delivery:{CALLER_TOKEN}",
        "LULL_SETTINGS_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "LULL_SETTINGS_PUBLIC_URL": "https://settings.example",
        "LULL_SETTINGS_VENDOR_TIMEOUT_S": "2",
        "LULL_SETTINGS_DEBOUNCE_URLS": "http://127.0.0.1:1",  # neither runs here
        "LULL_SETTINGS_DELIVERY_URL": "http://127.0.0.1:1",
        **variables(simulators.base_url),
    }


@pytest.fixture(scope="session")
async def launcher(
    service_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Launcher]:
    launcher = Launcher(service_env, tmp_path_factory.mktemp("settings"))
    yield launcher
    await launcher.close()


@pytest.fixture(scope="session")
async def migrated(service_env: dict[str, str]) -> None:
    """Two at once, as two pods would."""
    racing = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "settings", "migrate", env=service_env
        )
        for _ in range(2)
    ]
    assert [await process.wait() for process in racing] == [0, 0]


@pytest.fixture(scope="session")
async def replicas(launcher: Launcher, migrated: None) -> list[Replica]:
    """Two of them, ready, on one database."""
    found = await asyncio.gather(launcher.start(), launcher.start())
    for replica in found:
        await replica.until_ready()
    assert found[0].internal != found[1].internal
    return list(found)


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The service's own role, looking at what the service stored."""
    connection = await asyncpg.connect(database_dsn)
    yield connection
    await connection.close()


@dataclass
class Installed:
    """A workspace of its own for one test, with one app connected."""

    workspace: str
    app: str
    account: str
    admin: str


@pytest.fixture
def install(
    replicas: list[Replica], simulators: RunningSimulators
) -> Callable[..., Awaitable[Installed]]:
    control = simulators.control

    async def install(app: str = "hubspot", **account: Any) -> Installed:
        unique = str(uuid.uuid4().int)[:9]
        workspace, admin = f"wk{unique}", f"5{unique}"
        control.create_workspace(
            workspace,
            admins=[{"id": admin, "name": "Sam Agent", "email": "sam@example.org"}],
        )
        account_id = SIMULATED[APPS[app].crm].account_id(int(unique))
        control.create_account(APPS[app].crm, account_id, **account)
        answer = await replicas[0].install_workspace(workspace)
        assert answer.status_code == 200, answer.text
        answer = await replicas[0].connect_app(workspace, app, account_id)
        assert answer.status_code == 200, answer.text
        return Installed(workspace, app, account_id, admin)

    return install


class Reader:
    """Everything that was published on one topic since the service started."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.seen: list[dict[str, Any]] = []

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(15):
            while True:
                for event in self.seen:
                    if wanted(event):
                        return event
                record = await self._consumer.getone()
                self.seen.append(json.loads(record.value))


class Changes(Reader):
    async def of(self, workspace: str, app: str, version: int) -> dict[str, Any]:
        return await self.until(
            lambda event: (
                (event["workspace_id"], event["app"], event["version"]) == (workspace, app, version)
            )
        )


class Settled(Reader):
    async def of(self, workspace: str, conversation: str) -> dict[str, Any]:
        return await self.until(
            lambda event: (
                (event["workspace_id"], event["conversation_id"]) == (workspace, conversation)
            )
        )


@contextlib.asynccontextmanager
async def reading(config: KafkaConfig, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        config.kafka_topic_prefix + topic,
        bootstrap_servers=config.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


@pytest.fixture(scope="module")
async def changes(kafka_config: KafkaConfig) -> AsyncIterator[Changes]:
    async with reading(kafka_config, topics.SETTINGS_CHANGED) as consumer:
        yield Changes(consumer)


@pytest.fixture(scope="module")
async def settled(kafka_config: KafkaConfig) -> AsyncIterator[Settled]:
    async with reading(kafka_config, topics.CONVERSATION_SETTLED) as consumer:
        yield Settled(consumer)


class Proxy:
    """A way to a server that can be cut, as if the server were killed, and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    def address(self, dsn: str) -> str:
        parts = urlsplit(dsn)
        login, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{login}{at}127.0.0.1:{self.port}").geturl()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there_writer}
        await asyncio.gather(_pipe(reader, there_writer), _pipe(there_reader, writer))
        self._open -= {writer, there_writer}


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@pytest.fixture(scope="session")
def new_proxy() -> Callable[[str], Proxy]:
    def new(address: str) -> Proxy:
        parts = urlsplit(address)
        return Proxy(parts.hostname or "", parts.port or 5432)

    return new


@pytest.fixture
async def proxied(
    new_proxy: Callable[[str], Proxy],
) -> AsyncIterator[Callable[[str], Awaitable[Proxy]]]:
    made: list[Proxy] = []

    async def proxied(address: str) -> Proxy:
        made.append(new_proxy(address))
        await made[-1].mend()
        return made[-1]

    yield proxied
    for proxy in made:
        proxy.cut()


@pytest.fixture
def credentials() -> dict[str, str]:
    """By listener."""
    return {"public": OPERATOR_TOKEN, "internal": CALLER_TOKEN}


@pytest.fixture
def fresh_database(postgres_dsn: str) -> Callable[[], str]:
    def fresh() -> str:
        name = f"settings_{uuid.uuid4().hex[:12]}"
        return ensure_database(postgres_dsn, name, "settings_of_tests", "settings")

    return fresh
