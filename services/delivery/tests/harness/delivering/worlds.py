"""The whole world of a test: the services, what they speak to, and what they say."""

import asyncio
import json
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from common import topics
from common.catalog import APPS
from common.config import KafkaConfig
from common.events import ConversationSettled
from devstack.waiting import until
from simulators.crms import CRMS as SIMULATED
from simulators.testing import RunningSimulators

from delivering.processes import (
    ACTIONS_TOKEN,
    OPERATOR_TOKEN,
    REPLAY_TOKEN,
    Launcher,
    Service,
)
from delivering.talks import Installed, Talk


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
