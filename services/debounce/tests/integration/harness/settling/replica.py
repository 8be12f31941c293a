"""One process of the service: started, asked and ended."""

import asyncio
import json
import signal
from typing import Any

import httpx
from devstack.waiting import until

DEADLINE_S = 30.0


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
