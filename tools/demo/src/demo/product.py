"""The product's processes on one machine: started in order, watched, killed, restarted, stopped."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx
from devstack import DevStack, DevStackError, Stack, ensure_database
from devstack.security import Security
from devstack.supervise import Program, Server

from demo.balancer import Balancer
from demo.environment import Ports, Tokens, local, services, simulated_vendors
from demo.replicas import Replicas
from demo.system import System

SERVICES: Final = ("ingest", "debounce", "delivery", "settings")
SERVERS: Final = ("kafka", "postgres")
READY_WITHIN_S: Final = 60.0


class Product:
    """Everything that `make demo`, `make up` and the tests across services run against."""

    def __init__(
        self,
        folder: Path,
        *,
        quiet_period_s: float,
        ports: Ports | None = None,
        live: dict[str, str] | None = None,
        security: Security | None = None,
        replicas: int = 1,
        on_progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: data of both servers, and every process's log.
            quiet_period_s: 900 in production; shorter only to be watched.
            ports: free ones unless given.
            live: variables with real vendors' credentials; the simulators are left out then.
            security: of Kafka; `variables_of` must then say how each process gets in.
            replicas: of each service; several stand behind a balancer.
            on_progress: gets a line now and then.

        """
        self.folder = folder
        self.quiet_period_s = quiet_period_s
        self.ports = ports or Ports.free()
        self.replicas = Replicas(replicas, self.ports)
        self._balancer: Balancer | None = None
        self.tokens = Tokens.kept_in(folder)
        self.simulators = None if live is not None else local(self.ports.simulators)
        self._live = live
        self._say = on_progress
        self._devstack = DevStack(folder / "data", on_progress=on_progress, security=security)
        self._running: dict[str, Server] = {}
        self._environment: dict[str, str] = {}
        self.stack: Stack | None = None
        self._ended_unasked: list[str] = []

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def start(self) -> None:
        """Return when every service is ready.

        Raises:
            DevStackError: one sentence that says what to do.

        """
        self.logs.mkdir(parents=True, exist_ok=True)
        self.stack = self._devstack.start()
        self._environment = self._variables(self.stack)
        self._say("Creating topics and tables")
        with ThreadPoolExecutor() as pool:
            jobs = [
                pool.submit(self.run_once, "topics", ["lull", "topics", "create"]),
                pool.submit(self.run_once, "migrate-settings", ["settings", "migrate"]),
                pool.submit(self.run_once, "migrate-delivery", ["delivery", "migrate"]),
            ]
            if self.simulators is not None:
                jobs.append(pool.submit(self.restart, "simulators"))
            for job in jobs:
                job.result()
        self._say("Starting the services")
        if routes := self.replicas.routes():
            self._balancer = Balancer(routes)
            self._balancer.start()
        for name in self.replicas.by_name:
            self.restart(name)
        for name in self.processes():
            self.wait_ready(name)

    def processes(self) -> tuple[str, ...]:
        names = tuple(self.replicas.by_name)
        return names if self.simulators is None else ("simulators", *names)

    def kill(self, name: str) -> None:
        """Send it kill -9. It stays away until `restart`."""
        if name == "kafka":
            self._devstack.kill_kafka()
        elif name == "postgres":
            self._devstack.kill_postgres()
        else:
            self._running[name].kill()

    def is_running(self, name: str) -> bool:
        return name in self._running and self._running[name].is_running()

    def restart(self, name: str) -> None:
        """Start it, again where it was running or was killed; data and addresses stay."""
        if name == "kafka":
            self.stack = self._devstack.restart_kafka()
        elif name == "postgres":
            self.stack = self._devstack.restart_postgres()
        else:
            if name in self._running:
                self._running.pop(name).stop()
            self._running[name] = self._server(name, self._module(name))

    def wait_ready(self, name: str) -> None:
        url = f"{self.health_url(name)}{'/_control/health' if name == 'simulators' else '/readyz'}"
        # One for all looks: making it reads the machine's certificates, which is slow.
        with httpx.Client(timeout=2, trust_env=False) as client:
            self._running[name].wait_until(lambda: _answers(client, url), READY_WITHIN_S)

    def health_url(self, name: str) -> str:
        if name == "simulators":
            return local(self.ports.simulators)
        replica = self.replicas.by_name[name]
        return local(replica.ports[f"{replica.service}_health"])

    @property
    def system(self) -> System:
        """Once it runs, with simulators."""
        if self.stack is None or self.simulators is None:
            raise RuntimeError("it does not run, or without simulators")
        return System(
            ingest=local(self.ports.ingest),
            settings=local(self.ports.settings),
            simulators=self.simulators,
            kafka=self.stack.kafka_bootstrap,
            operator_token=self.tokens.operator,
            action_token=self.tokens.action,
            quiet_period_s=self.quiet_period_s,
            files=(self.folder / "data", self.logs),
            look_after=self.restart_ended,
        )

    def restart_ended(self) -> list[str]:
        """Start again what ended unasked, as whoever supervises it in production would.

        Returns:
            All that ever ended so.

        """
        for name in self.processes():
            if not self.is_running(name):
                self._say(f"{name} ended; starting it again (its log: {self.logs / name}.log)")
                self._ended_unasked.append(name)
                self.restart(name)
        return self._ended_unasked

    def _told(self, name: str) -> dict[str, str]:
        replica = self.replicas.by_name.get(name)
        return replica.variables() if replica else {}

    def variables_of(self, name: str) -> dict[str, str]:
        """What this process alone is given, over what all are."""
        return {}

    def stop(self) -> None:
        """Services first, so that they can finish; may be repeated."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(Server.stop, self._running.values()))
        self._running.clear()
        if self._balancer is not None:
            self._balancer.stop()
            self._balancer = None
        self._devstack.stop()

    def _variables(self, stack: Stack) -> dict[str, str]:
        databases = {
            name: ensure_database(stack.postgres_dsn, f"lull_{name}", f"lull_{name}", password)
            for name, password in (
                ("settings", self.tokens.operator),
                ("delivery", self.tokens.delivery),
            )
        }
        ours = services(
            self.ports,
            self.tokens,
            kafka=stack.kafka_bootstrap,
            settings_database=databases["settings"],
            delivery_database=databases["delivery"],
            quiet_period_s=self.quiet_period_s,
        )
        ours |= self.replicas.shared()
        return ours | (simulated_vendors(self.simulators) if self.simulators else self._live or {})

    def _module(self, name: str) -> list[str]:
        if name == "simulators":
            return ["simulators.app", "--port", str(self.ports.simulators), "--validate"]
        return [self.replicas.by_name[name].service if name in self.replicas.by_name else name]

    def _server(self, name: str, module: list[str]) -> Server:
        program = Program(
            name=name,
            command=[sys.executable, "-m", *module],
            folder=self.folder,
            log=self.logs / f"{name}.log",
            environment=self._environment | self._told(name) | self.variables_of(name),
            grace_seconds=20,
        )
        return Server(program, self.folder / f"{name}.pid")

    def run_once(self, name: str, module: list[str]) -> None:
        """A job, such as `["lull", "topics", "create"]`, to its end.

        Raises:
            DevStackError: it failed; says how.

        """
        server = self._server(name, module)
        if server.wait(READY_WITHIN_S) != 0:
            last = server.said().strip().rpartition("\n")[2]
            raise DevStackError(f"{name} failed: {last} (all of it: {server.program.log}).")


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False
