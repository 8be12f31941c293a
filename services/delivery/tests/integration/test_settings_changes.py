"""What is held of settings when a replica starts: nothing, until every latest change was read."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from common.clock import SystemClock
from common.config import KafkaConfig
from common.events import SettingsChanged
from common.health import Health
from common.http import Through
from common.topics import SETTINGS_CHANGED, create_topics
from delivery.adapters.settings import HttpSettings
from delivery.changes import SettingsChanges
from delivery.handlers import Delivery
from delivery.leftovers import Leftovers
from devstack.waiting import until

pytestmark = pytest.mark.integration

CLOCK = SystemClock()
INSTALLATIONS = 40


@dataclass
class Settings:
    """Answers over HTTP, and counts the looks."""

    on: bool = True
    looks: int = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.looks += 1
        asked = json.loads(request.content)["asked"]
        rest = {
            "version": 1,
            "installed_at": "2026-11-22T12:00:00Z",
            "transcript_sync": self.on,
            "active_app_users": [],
            "all_conversations": False,
            "note_policy": "update",
            "time_zone": "UTC",
            "crm_account": "42001",
            "reconnect_needed": False,
        }
        return httpx.Response(200, json={"installations": [one | rest for one in asked]})


@dataclass
class Ledger:
    """Remembers which workspaces' rows were woken, once it may."""

    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    woken: set[str] = field(default_factory=set)

    async def wake(self, workspace_ids: Sequence[str], _: str) -> int:
        await self.may_go_on.wait()
        self.woken.update(workspace_ids)
        return 0


@dataclass
class Replica:
    settings: HttpSettings
    ledger: Ledger
    changes: SettingsChanges
    stop: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class World:
    kafka: KafkaConfig
    producer: AIOKafkaProducer
    settings: Settings = field(default_factory=Settings)

    async def change(self, workspace_id: str, version: int = 1) -> None:
        event = SettingsChanged(
            workspace_id=workspace_id, app="hubspot", version=version, changed_at=CLOCK.now()
        )
        topic = self.kafka.kafka_topic_prefix + SETTINGS_CHANGED
        await self.producer.send_and_wait(topic, event.to_json(), key=event.key())

    def replica(self) -> Replica:
        transport = httpx.MockTransport(self.settings.answer)
        calls = Through(httpx.AsyncClient(transport=transport))
        settings = HttpSettings("http://settings", "credential", CLOCK, calls)
        ledger, health = Ledger(), Health("delivery")
        side: Any = ledger
        delivery = Delivery("hubspot", side, settings, settings.forget, lambda: None)
        peer, loop = health.peer("settings.changed"), health.loop("settings.changed")
        nobody: Any = None  # is forgotten here
        leftovers = Leftovers([], nobody, nobody)
        changes = SettingsChanges(
            [delivery], settings.rely, leftovers, self.kafka, peer, loop, at_once=4
        )
        return Replica(settings, ledger, changes)

    async def looks(self, replica: Replica, workspace_id: str) -> tuple[bool, int]:
        """Whether sync is on as the replica has it, and how often two looks asked settings."""
        before = self.settings.looks
        await replica.settings.installation(workspace_id, "hubspot")
        found = await replica.settings.installation(workspace_id, "hubspot")
        assert found is not None
        return found.transcript_sync, self.settings.looks - before


@pytest.fixture
async def world(kafka_config: KafkaConfig) -> AsyncIterator[World]:
    """With a topic of its own, on which every installation has changed several times."""
    own = f"{kafka_config.kafka_topic_prefix}{uuid.uuid4().hex[:8]}."
    kafka = kafka_config.model_copy(update={"kafka_topic_prefix": own})
    await create_topics(kafka)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.kafka_bootstrap_servers, acks="all")
    await producer.start()
    world = World(kafka, producer)
    for version in (1, 2):
        await asyncio.gather(*(world.change(f"wk{n}", version) for n in range(INSTALLATIONS)))
    yield world
    await producer.stop()


@asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(replica.changes.run(replica.stop)) for replica in replicas]
    try:
        yield
    finally:
        for replica in replicas:
            replica.stop.set()
        await asyncio.gather(*tasks)


async def test_nothing_held_is_used_before_every_latest_change_was_read(world: World) -> None:
    replica = world.replica()
    asked_twice, asked_once = (True, 2), (True, 1)
    assert await world.looks(replica, "wk1") == asked_twice
    async with running(replica):
        # It stands at the first records, with most of the topic before it.
        await until(lambda: replica.changes.need.fault == "what settings changed is being read")
        assert await world.looks(replica, "wk1") == asked_twice
        assert replica.changes.need.fault is not None
        replica.ledger.may_go_on.set()
        await until(lambda: replica.changes.need.fault is None)
        await world.looks(replica, "wk1")
        assert await world.looks(replica, "wk1") == (True, 0)
        assert await world.looks(replica, "unheard-of") == asked_once
    # Nobody tells it of changes any more.
    assert await world.looks(replica, "wk1") == asked_twice


async def test_every_replica_reads_all_of_it_and_drops_what_changes_from_then_on(
    world: World,
) -> None:
    replicas = [world.replica(), world.replica()]
    async with running(*replicas):
        for replica in replicas:
            replica.ledger.may_go_on.set()
            await until(lambda: replica.changes.need.fault is None)  # noqa: B023
            await until(lambda: len(replica.ledger.woken) == INSTALLATIONS)  # noqa: B023
            await world.looks(replica, "wk7")
            assert await world.looks(replica, "wk7") == (True, 0)
        world.settings.on = False
        await world.change("wk7", 3)
        for replica in replicas:

            async def is_off(replica: Replica = replica) -> bool:
                return await world.looks(replica, "wk7") == (False, 0)

            await until(is_off)
