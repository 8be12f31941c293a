"""Kafka and PostgreSQL as containers of the official images, through testcontainers.

Their data lives as long as the stack. Testcontainers' own clean-up container (Ryuk) is one more
image to pull; a process of ours with a pipe to us does the same work (`devstack.remover`).
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from devstack import database, kafka
from devstack.engine import Gone, Unusable
from devstack.errors import DevStackError, Progress, port_taken
from devstack.images import POSTGRES_IMAGE, kafka_image
from devstack.ports import free_port, is_free
from devstack.postgres import NOT_DURABLE
from devstack.supervise import cause_in

READY_SECONDS: Final = 90
LABEL: Final = "lull.devstack"  # value: the data folder, so that a crashed run's are found again


class Container:
    """One server in a container, on a fixed port of loopback."""

    def __init__(
        self,
        name: str,
        image: str,
        inside_port: int,
        port: int | None,
        folder: Path,
        environment: Callable[[int], dict[str, str]],
        command: list[str] | None,
        ready: Callable[[int], bool],
        address: str,
    ) -> None:
        self.name = name
        self.pid = None  # it is the engine's process, not ours to signal
        self._port = port or free_port()
        self._ready = ready
        self._address = address
        self._label = f"{folder}:{name}"
        testcontainers_config.ryuk_disabled = True
        self._container = DockerContainer(image).with_envs(**environment(self._port))
        self._container.with_kwargs(labels={LABEL: self._label})
        if command:
            self._container.with_command(command)
        ports: dict[str, Any] = self._container.ports
        ports[f"{inside_port}/tcp"] = ("127.0.0.1", self._port)
        self._remover: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self._address.format(port=self._port)

    def start(self, on_progress: Progress) -> None:
        """Also after it was killed: the same container again, with its port and data."""
        on_progress(f"Starting {self.name} by Docker on 127.0.0.1:{self._port}")
        try:
            if self._remover:
                self._container.get_wrapped_container().restart(timeout=10)
            else:
                self._begin()
            self._wait()
        except Unusable as error:
            raise DevStackError(
                f"Docker can't run {self.name}: {cause_in(str(error))}; set "
                "LULL_DEVSTACK_SOURCE=packages to do without Docker."
            ) from error

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def stop(self) -> None:
        if self._remover:
            self._remover.communicate()  # closes the pipe, and waits
            self._remover = None

    def _begin(self) -> None:
        remove_labelled(self._label)
        if not is_free(self._port):
            raise port_taken(self.name, self._port)
        self._container.start()
        self._remover = subprocess.Popen(
            [sys.executable, "-m", "devstack.remover", self._container.get_container_id()],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _wait(self) -> None:
        until = time.monotonic() + READY_SECONDS
        container = self._container.get_wrapped_container()
        while not self._ready(self._port):
            container.reload()
            late = time.monotonic() > until
            if late or container.status in ("exited", "dead"):
                cause = cause_in(container.logs().decode(errors="replace"))
                what = "was not ready in time" if late else "ended while starting"
                raise DevStackError(f"{self.name} {what} (by Docker): {cause}.")
            time.sleep(0.1)


def remove_labelled(label: str) -> None:
    """What a run of this folder left that could not even end its remover."""
    client = DockerClient().client
    try:
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={label}"}):
            container.remove(force=True, v=True)
    except Gone:
        pass
    finally:
        client.close()


def kafka_container(folder: Path, port: int | None) -> Container:
    def environment(port: int) -> dict[str, str]:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": "1@localhost:9093",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            **kafka.SINGLE_NODE,
        }
        named = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in settings.items()}
        return named | {"KAFKA_HEAP_OPTS": "-Xms128m -Xmx384m"}

    return Container(
        "Kafka",
        kafka_image(),
        9092,
        port,
        folder,
        environment,
        None,
        kafka.answers,
        "127.0.0.1:{port}",
    )


def postgres_container(folder: Path, port: int | None, *, durable: bool) -> Container:
    address = "postgresql://postgres:postgres@127.0.0.1:{port}/postgres"
    settings = {"max_connections": "200"}
    if not durable:
        settings |= NOT_DURABLE
    return Container(
        "PostgreSQL",
        POSTGRES_IMAGE,
        5432,
        port,
        folder,
        lambda port: {"POSTGRES_PASSWORD": "postgres"},
        ["postgres", *(f"--{name}={value}" for name, value in settings.items())],
        lambda port: database.answers(address.format(port=port)),
        address,
    )
