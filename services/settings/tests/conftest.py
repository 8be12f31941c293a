"""The service as real processes, against real PostgreSQL and Kafka and the simulators."""

import asyncio
import base64
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from common import topics
from common.catalog import APPS
from common.config import KafkaConfig
from common.topics import create_topics
from devstack import ensure_database
from simulators.crms import CRMS as SIMULATED
from simulators.crms import variables
from simulators.testing import RunningSimulators, run_simulators

if (_HARNESS := str(Path(__file__).parent / "harness")) not in sys.path:
    sys.path.append(_HARNESS)

from around_settings.proxy import Proxy
from around_settings.readers import Changes, Settled, reading
from around_settings.replicas import CALLER_TOKEN, OPERATOR_TOKEN, Launcher, Replica

KEYS = ",".join(
    f"k{n}:{base64.b64encode(bytes(range(n, n + 32))).decode()}" for n in (1, 2)
)  # k1 is the newest


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


@pytest.fixture(scope="module")
async def changes(kafka_config: KafkaConfig) -> AsyncIterator[Changes]:
    async with reading(kafka_config, topics.SETTINGS_CHANGED) as consumer:
        yield Changes(consumer)


@pytest.fixture(scope="module")
async def settled(kafka_config: KafkaConfig) -> AsyncIterator[Settled]:
    async with reading(kafka_config, topics.CONVERSATION_SETTLED) as consumer:
        yield Settled(consumer)


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
