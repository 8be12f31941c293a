"""The service as real processes, with real settings, Kafka and PostgreSQL, and the simulators."""

import asyncio
import base64
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from common import topics
from common.config import KafkaConfig
from common.topics import create_topics
from devstack import ensure_database
from simulators.crms import variables
from simulators.testing import RunningSimulators, run_simulators

if (_HARNESS := str(Path(__file__).parent / "harness")) not in sys.path:
    sys.path.append(_HARNESS)

from delivering.processes import (
    ACTIONS_TOKEN,
    CALLER_TOKEN,
    OPERATOR_TOKEN,
    QUIET_S,
    REPLAY_TOKEN,
    Launcher,
    Service,
)
from delivering.tables import empty_database
from delivering.talks import Installed
from delivering.worlds import World


@pytest.fixture(scope="session")
def launcher(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> Iterator[Launcher]:
    """Asks for Kafka and PostgreSQL first, so that they end last."""
    launcher = Launcher(tmp_path_factory.mktemp("delivery"))
    yield launcher
    launcher.close()


@pytest.fixture(scope="session")
def simulators() -> Iterator[RunningSimulators]:
    with run_simulators() as running:
        yield running


@pytest.fixture(scope="session")
async def kafka_config(kafka_bootstrap: str) -> KafkaConfig:
    config = KafkaConfig(
        kafka_bootstrap_servers=kafka_bootstrap.split(","),
        kafka_topic_prefix=f"delivery-{uuid.uuid4().hex[:8]}.",
        kafka_partitions=2,
        kafka_replication_factor=1,
    )
    await create_topics(config)
    return config


async def _migrate(module: str, env: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        "migrate",
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


@pytest.fixture(scope="session")
def settings_env(
    simulators: RunningSimulators, postgres_dsn: str, kafka_config: KafkaConfig
) -> dict[str, str]:
    database = f"settings_{uuid.uuid4().hex[:12]}"
    return {
        "PATH": os.environ["PATH"],
        "LULL_KAFKA_BOOTSTRAP_SERVERS": ",".join(kafka_config.kafka_bootstrap_servers),
        "LULL_KAFKA_TOPIC_PREFIX": kafka_config.kafka_topic_prefix,
        "LULL_SETTINGS_DATABASE_URL": ensure_database(
            postgres_dsn, database, "settings_of_tests", "settings"
        ),
        "LULL_SETTINGS_PORT": "0",
        "LULL_SETTINGS_INTERNAL_PORT": "0",
        "LULL_SETTINGS_HEALTH_PORT": "0",
        "LULL_SETTINGS_TOKEN_KEYS": f"k1:{base64.b64encode(bytes(range(32))).decode()}",
        "LULL_SETTINGS_CALLER_TOKENS": f"delivery:{CALLER_TOKEN}",
        "LULL_SETTINGS_OPERATOR_TOKEN": OPERATOR_TOKEN,
        "LULL_SETTINGS_PUBLIC_URL": "https://settings.example",
        "LULL_SETTINGS_VENDOR_TIMEOUT_S": "2",
        **variables(simulators.base_url),
    }


@pytest.fixture(scope="session")
def database_dsn(postgres_dsn: str) -> str:
    """An empty database of its own, owned by the service's role."""
    return empty_database(postgres_dsn)


@pytest.fixture(scope="session")
async def settings_service(launcher: Launcher, settings_env: dict[str, str]) -> Service:
    await _migrate("settings", settings_env)
    return await launcher.start("settings", settings_env)


@pytest.fixture(scope="session")
async def delivery_env(
    settings_service: Service, database_dsn: str, kafka_config: KafkaConfig
) -> dict[str, str]:
    env = {
        "PATH": os.environ["PATH"],
        "LULL_KAFKA_BOOTSTRAP_SERVERS": ",".join(kafka_config.kafka_bootstrap_servers),
        "LULL_KAFKA_TOPIC_PREFIX": kafka_config.kafka_topic_prefix,
        "LULL_DELIVERY_DATABASE_URL": database_dsn,
        "LULL_DELIVERY_SETTINGS_URL": settings_service.addresses["internal"],
        "LULL_DELIVERY_SETTINGS_TOKEN": CALLER_TOKEN,
        "LULL_DELIVERY_OPERATOR_TOKEN": REPLAY_TOKEN,
        "LULL_DELIVERY_ACTIONS_TOKEN": ACTIONS_TOKEN,
        "LULL_DELIVERY_PORT": "0",
        "LULL_DELIVERY_HEALTH_PORT": "0",
        "LULL_DELIVERY_CALL_DEADLINE_S": "2",
        "LULL_DELIVERY_LEASE_S": "5",
        "LULL_DELIVERY_BACKOFF_FIRST_S": "0.5",
        "LULL_DELIVERY_VISIBLE_AFTER_S": "1",
        "LULL_DELIVERY_HEAL_AFTER_S": "4",
        "LULL_DELIVERY_LOOK_AGAIN_S": "0.2,0.2,0.2",
        "LULL_DELIVERY_INSTANCE_ID": "delivery-0",
        "LULL_QUIET_PERIOD_S": str(QUIET_S),
    }
    await _migrate("delivery", env)
    return env


@pytest.fixture(scope="session")
async def world(
    launcher: Launcher,
    simulators: RunningSimulators,
    settings_service: Service,
    settings_env: dict[str, str],
    delivery_env: dict[str, str],
    kafka_config: KafkaConfig,
) -> AsyncIterator[World]:
    servers = kafka_config.kafka_bootstrap_servers
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    outcomes = AIOKafkaConsumer(
        kafka_config.kafka_topic_prefix + topics.DELIVERY_OUTCOME,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
    )
    await producer.start()
    await outcomes.start()
    delivery = await launcher.start("delivery", delivery_env)
    # No connection is used twice: a busy server may just be closing an idle one.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=20, limits=limits) as client:
        world = World(
            launcher,
            simulators,
            settings_service,
            delivery,
            delivery_env,
            settings_env,
            kafka_config,
            producer,
            outcomes,
            client,
        )
        await world.ready()
        yield world
    await producer.stop()
    await outcomes.stop()


@pytest.fixture(scope="session")
async def hubspot(world: World) -> Installed:
    return await world.install("hubspot")


@pytest.fixture(scope="session")
async def pipedrive(world: World) -> Installed:
    return await world.install("pipedrive")
