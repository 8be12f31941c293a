"""The service as real processes, with real settings, Kafka and PostgreSQL, and the simulators."""

import asyncio
import base64
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from common import topics
from common.catalog import APPS
from common.config import KafkaConfig
from common.events import ConversationSettled, Trigger
from common.topics import create_topics
from devstack import ensure_database
from devstack.service import ServiceProcess
from simulators.crms import CRMS as SIMULATED
from simulators.crms import variables
from simulators.testing import RunningSimulators, run_simulators

OPERATOR_TOKEN = "operator-token-of-the-tests"
CALLER_TOKEN = "delivery-token-of-the-tests"
REPLAY_TOKEN = "replay-token-of-the-tests"
ACTIONS_TOKEN = "actions-token-of-the-tests"
CANARY = "xylophone-canary-7391"
QUIET_S = 1


async def until(look: Callable[[], Awaitable[Any]], within_s: float = 20.0) -> Any:
    """The first true answer; time-out is a failure."""
    async with asyncio.timeout(within_s):
        while True:
            found = await look()
            if found:
                return found
            await asyncio.sleep(0.03)


@dataclass
class Service:
    """One running process."""

    process: ServiceProcess
    addresses: dict[str, str]

    @property
    def log(self) -> Path:
        return self.process.log

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> int:
        return self.process.stop()


class Launcher:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.services: list[Service] = []

    async def start(self, module: str, env: dict[str, str]) -> Service:
        log = self._folder / f"{module}-{len(self.services)}.log"
        process = ServiceProcess([sys.executable, "-m", module], env, log)

        async def started() -> dict[str, str] | None:
            return process.addresses()

        service = Service(process, await until(started))
        self.services.append(service)
        return service

    def close(self) -> None:
        for service in self.services:
            service.stop()


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
    name = f"delivery_{uuid.uuid4().hex[:12]}"
    return ensure_database(postgres_dsn, name, "delivery_of_tests", "delivery")


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


@dataclass
class Installed:
    """A workspace with one app connected, and what tests do in it."""

    world: "World"
    workspace: str
    app: str
    account: str
    admin: str

    @property
    def crm(self) -> str:
        return APPS[self.app].crm

    def contact(self) -> dict[str, Any]:
        """Somebody in Intercom whom the CRM does not know."""
        unique = uuid.uuid4().hex[:12]
        email = f"ada-{unique}@example.com"
        contact: dict[str, Any] = self.world.control.add_contact(
            self.workspace, id=f"67a{unique:0>21}", role="user", name="Ada", email=email
        )
        return contact

    def person(self, contact: dict[str, Any], **person: Any) -> str:
        """The person with the contact's address in the CRM."""
        email = contact["email"]
        added = self.world.control.add_person(
            self.crm, self.account, name="Ada Example", email=email, **person
        )
        return str(added["id"])

    async def customer(self, **person: Any) -> dict[str, Any]:
        """A contact in Intercom, and the person with the same address in the CRM."""
        contact = self.contact()
        self.person(contact, **person)
        return contact

    def conversation(self, contact: dict[str, Any], **rest: Any) -> "Talk":
        said = {"admin_assignee_id": self.admin, "notify": False, **rest}
        author = {"type": "user", "id": contact["id"]}
        posted = self.world.control.create_conversation(
            self.workspace,
            contacts=[contact["id"]],
            author=author,
            body=said.pop("body", f"<p>Hello {CANARY}</p>"),
            **said,
        )
        return Talk(self, posted["conversation"], posted["created_at"], author)

    async def talk(self, **rest: Any) -> "Talk":
        return self.conversation(await self.customer(), **rest)

    def notes(self, talk: "Talk", *, deleted: bool = False) -> list[dict[str, Any]]:
        return _about(talk, self.world.control.notes(self.crm, self.account, deleted=deleted))

    def transcripts(self, talk: "Talk") -> list[dict[str, Any]]:
        """Those notes that are of the conversation itself, not a teammate's own."""
        marker = f"[lull {self.workspace}/{talk.id}]"
        return [note for note in self.notes(talk) if marker in note["body"]]

    def activities(self, talk: "Talk") -> list[dict[str, Any]]:
        return _about(talk, self.world.control.activities(self.crm, self.account))

    async def operator(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.world.operator(
            method, f"/v1/workspaces/{self.workspace}/apps/{self.app}{path}", body
        )

    async def switch(self, *, on: bool) -> None:
        answer = await self.operator("PUT", "/transcript-sync", {"on": on})
        assert answer.status_code < 300, answer.text


def _about(talk: "Talk", records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    marker = f"[lull {talk.installed.workspace}/{talk.id}"
    return [record for record in records if marker in record["body"]]


@dataclass
class Talk:
    """One conversation, and its newest reply."""

    installed: Installed
    id: str
    updated_at: int
    author: dict[str, Any]
    part_id: int = 0

    def reply(self, body: str = f"<p>More {CANARY}</p>", **rest: Any) -> None:
        control = self.installed.world.control
        posted = control.reply(
            self.installed.workspace, self.id, self.author, body, notify=False, **rest
        )
        self.updated_at, self.part_id = posted["created_at"], int(posted["part"])

    def event(self, trigger: Trigger = Trigger.QUIET, **rest: Any) -> ConversationSettled:
        named: dict[str, Any] = {}
        if trigger in (Trigger.QUIET, Trigger.BACKFILL):
            named = {
                "updated_at": datetime.fromtimestamp(self.updated_at, UTC),
                "part_id": self.part_id,
            }
        else:
            named = {"action_id": f"act-{uuid.uuid4().hex}"}
        return ConversationSettled(
            workspace_id=self.installed.workspace,
            conversation_id=self.id,
            trigger=trigger,
            **(named | rest),
        )

    async def settle(self, trigger: Trigger = Trigger.QUIET, **rest: Any) -> None:
        await self.installed.world.publish(self.event(trigger, **rest))

    async def outcome(self, *wanted: str, within_s: float = 20.0) -> dict[str, Any]:
        """The first outcome published for it that was not seen by an earlier call."""
        found = await self.installed.world.outcome(self, within_s)
        if wanted:
            assert found["outcome"] in wanted, found
        return found

    async def press(self, kind: str, form: Any = None, **rest: Any) -> dict[str, Any]:
        """One press of a button in the inbox; what it answers, its status among it."""
        installed = self.installed
        body = {
            "action_id": f"act-{uuid.uuid4().hex}",
            "workspace_id": installed.workspace,
            "conversation_id": self.id,
            "app": installed.app,
            "actor_id": installed.admin,
            "kind": kind,
            "form": form or {},
            "wait_ms": 10_000,
        }
        answer = await installed.world.inbox("POST", "/v1/actions", body | rest)
        return dict(answer.json()) | {"http": answer.status_code}

    async def pressed(self, action_id: str) -> dict[str, Any]:
        """How that action stands."""
        path = f"/v1/actions/{self.installed.workspace}/{self.id}/{action_id}"
        answer = await self.installed.world.inbox("GET", path)
        return dict(answer.json()) | {"http": answer.status_code}

    async def card(self, contact: dict[str, Any], /, **rest: Any) -> dict[str, Any]:
        """What the inbox's card shows of this one app."""
        installed = self.installed
        addresses = [contact["email"]] if contact.get("email") else []
        body = {
            "workspace_id": installed.workspace,
            "conversation_id": self.id,
            "actor_id": installed.admin,
            "contact": {"id": contact["id"], "emails": addresses, "phones": []},
            "apps": [installed.app],
            "wait_ms": 5_000,
        }
        answer = await installed.world.inbox("POST", "/v1/cards", body | rest)
        assert answer.status_code == 200, answer.text
        (entry,) = answer.json()["apps"]
        return dict(entry)

    async def explained(self) -> Any:
        """What the API says, once there is something."""
        world = self.installed.world
        url = f"{world.delivery.addresses['api']}/v1/deliveries"
        answer = await world.client.get(f"{url}/{self.installed.workspace}/{self.id}")
        return answer.json() if answer.status_code == 200 else None


@dataclass
class World:
    launcher: Launcher
    simulators: RunningSimulators
    settings: Service
    delivery: Service
    delivery_env: dict[str, str]
    settings_env: dict[str, str]
    kafka: KafkaConfig
    producer: AIOKafkaProducer
    outcomes: AIOKafkaConsumer
    client: httpx.AsyncClient
    seen: list[dict[str, Any]] = field(default_factory=list)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def control(self) -> Any:
        return self.simulators.control

    async def operator(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.client.request(
            method,
            f"{self.settings.addresses['public']}{path}",
            json=body,
            headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"},
        )

    async def inbox(
        self, method: str, path: str, body: Any = None, token: str = ACTIONS_TOKEN
    ) -> httpx.Response:
        return await self.client.request(
            method,
            f"{self.delivery.addresses['api']}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
        )

    async def publish(self, event: ConversationSettled, times: int = 1) -> None:
        for _ in range(times):
            await self.publish_raw(
                event.to_json(), key=event.key(), headers=[("ce_type", event.type_name().encode())]
            )

    async def publish_raw(self, value: bytes | None, **rest: Any) -> None:
        topic = self.kafka.kafka_topic_prefix + topics.CONVERSATION_SETTLED
        await self.producer.send_and_wait(topic, value, **rest)

    async def outcome(self, talk: Talk, within_s: float) -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            while True:
                async with self.reading:  # several may wait, and each reads for all
                    for place, event in enumerate(self.seen):
                        if event["conversation_id"] == talk.id:
                            return self.seen.pop(place)
                    record = await self.outcomes.getone()
                    self.seen.append(json.loads(record.value))

    async def install(self, app: str = "hubspot", *, on: bool = True, **account: Any) -> Installed:
        unique = str(uuid.uuid4().int)[:9]
        workspace, admin = f"wk{unique}", f"5{unique}"
        self.control.create_workspace(
            workspace, admins=[{"id": admin, "name": "Sam Agent", "email": "sam@example.org"}]
        )
        account_id = SIMULATED[APPS[app].crm].account_id(int(unique))
        self.control.create_account(APPS[app].crm, account_id, **account)
        await self._authorize("/v1/workspaces/authorize", workspace)
        installed = Installed(self, workspace, app, account_id, admin)
        await self.connect(installed, account_id)
        if on:
            await installed.switch(on=True)
        await self.next_second()
        return installed

    async def install_beside(self, other: Installed, app: str, *, on: bool = True) -> Installed:
        """Another app of the same CRM, connected to the same account."""
        installed = replace(other, app=app)
        await self.connect(installed, other.account)
        if on:
            await installed.switch(on=True)
        await self.next_second()
        return installed

    async def next_second(self) -> None:
        """R7 compares whole seconds: what is said from then on is newer than the installation."""
        installed_second = int(datetime.now(UTC).timestamp())  # noqa: TID251

        async def turned() -> bool:
            return int(datetime.now(UTC).timestamp()) > installed_second  # noqa: TID251

        await until(turned)

    async def connect(self, installed: Installed, account: str) -> None:
        path = f"/v1/workspaces/{installed.workspace}/apps/{installed.app}/authorize"
        await self._authorize(path, account)

    async def _authorize(self, path: str, account: str) -> None:
        url = (await self.operator("POST", path, {})).json()["url"]
        answer = await self.client.get(httpx.URL(url).copy_merge_params({"account": account}))
        back = urlsplit(answer.headers["location"])
        public = self.settings.addresses["public"]
        answer = await self.client.get(f"{public}{back.path}?{back.query}")
        assert answer.status_code == 200, answer.text

    async def replay(self, **asked: Any) -> dict[str, Any]:
        """POST /v1/replays; what it answers, its status among it."""
        answer = await self.client.post(
            f"{self.delivery.addresses['api']}/v1/replays",
            json=asked,
            headers={"Authorization": f"Bearer {REPLAY_TOKEN}"},
        )
        return dict(answer.json()) | {"http": answer.status_code}

    async def start_delivery(self, **changes: str) -> Service:
        return await self.launcher.start("delivery", self.delivery_env | changes)

    async def restart_delivery(self) -> None:
        self.delivery = await self.start_delivery()

    async def ready(self, service: Service | None = None, *, ready: bool = True) -> dict[str, Any]:
        health = (service or self.delivery).addresses["health"]

        async def look() -> dict[str, Any] | None:
            answer = await self.client.get(f"{health}/readyz")
            return dict(answer.json()) if (answer.status_code == 200) is ready else None

        return dict(await until(look))


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
