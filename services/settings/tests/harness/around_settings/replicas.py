"""The service as processes, and what their operator and callers ask of them."""

import asyncio
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from devstack.service import ServiceProcess
from devstack.waiting import STARTS_WITHIN_S, until

OPERATOR_TOKEN = "operator-token-of-the-tests"
CALLER_TOKEN = "delivery-token-of-the-tests"


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

    async def workspaces(self, page: int = 100) -> list[dict[str, Any]]:
        """The operator's list, page by page; each once and in order."""
        listed: list[dict[str, Any]] = []
        after = ""
        while after is not None:
            answer = await self.operator("GET", f"/v1/workspaces?limit={page}&after={after}")
            found = answer.json()
            assert 0 < len(found["workspaces"]) <= page
            listed += found["workspaces"]
            after = found["next_after"]
        ids = [one["workspace_id"] for one in listed]
        assert ids == sorted(set(ids))
        return listed

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

        found = await until(started, STARTS_WITHIN_S, "it starts")
        replica = Replica(process, log, found["public"], found["internal"], found["health"])
        self.replicas.append(replica)
        return replica

    async def close(self) -> None:
        for replica in self.replicas:
            await replica.stop()
            await replica.client.aclose()
