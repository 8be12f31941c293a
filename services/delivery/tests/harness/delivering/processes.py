"""Processes of the services, started and ended; and waiting for what they do."""

import sys
from dataclasses import dataclass
from pathlib import Path

from devstack.service import ServiceProcess
from devstack.waiting import STARTS_WITHIN_S, until

OPERATOR_TOKEN = "operator-token-of-the-tests"
CALLER_TOKEN = "delivery-token-of-the-tests"
REPLAY_TOKEN = "replay-token-of-the-tests"
ACTIONS_TOKEN = "actions-token-of-the-tests"
QUIET_S = 1


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

        service = Service(process, await until(started, STARTS_WITHIN_S, "it starts"))
        self.services.append(service)
        return service

    def close(self) -> None:
        for service in self.services:
            service.stop()
