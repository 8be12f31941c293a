"""A service of the product as a process of a test: started, asked, ended, never left behind."""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil

from devstack.errors import DevStackError
from devstack.supervise import Program, Server

GRACE_SECONDS = 20


class ServiceProcess:
    """`python -m MODULE` under a guard. Of `LULL_...` variables it is given these and no others."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._server = Server(
            Program(
                name=log.stem,
                command=command,
                folder=log.parent,
                log=log,
                grace_seconds=GRACE_SECONDS,
                environment=environment,
            ),
            log.with_suffix(".pid"),
        )
        self.pid = self._server.pid

    def addresses(self) -> dict[str, str] | None:
        """What its `service.started` line says; None: not yet.

        Raises:
            DevStackError: it has ended, with its log.

        """
        running = self.is_running()
        for line in self.log.read_text().splitlines():
            if '"service.started"' in line:
                found: dict[str, str] = json.loads(line)
                return found
        if not running:
            self.wait()
            raise DevStackError(f"{self._server.program.name} ended:\n{self.log.read_text()}")
        return None

    def is_running(self) -> bool:
        return self._server.is_running() and psutil.pid_exists(self.pid)

    def send(self, what: signal.Signals) -> None:
        os.kill(self.pid, what)

    def kill(self) -> None:
        """With -9; answers when it is gone."""
        self.send(signal.SIGKILL)
        self._server.wait(GRACE_SECONDS)

    def stop(self) -> int:
        """With SIGTERM; the exit code. May be repeated."""
        if self._server.is_running():
            self.send(signal.SIGTERM)
        return self.wait()

    def wait(self, seconds: float = GRACE_SECONDS) -> int:
        """For one that ends by itself: its exit code."""
        return self._server.wait(seconds)
