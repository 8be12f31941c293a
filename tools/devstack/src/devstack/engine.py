"""Whether a Docker engine answers, and has the images or can pull them in bounded time."""

import socket
import threading
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from docker.errors import (  # type: ignore[import-untyped]  # its stubs are a package of their own
    DockerException,
    ImageNotFound,
    NotFound,
)
from testcontainers.core.docker_client import DockerClient, get_docker_host

from devstack.errors import Progress
from devstack.images import DEFAULT_SOCKET, NO_ENGINE

ANSWER_SECONDS: Final = 5
PULL_SECONDS: Final = 120  # longer than that, and the packages are there sooner

Unusable = (DockerException, requests.RequestException, OSError)
Gone = NotFound


class Engine:
    """Looked at once; `lacks` answers for one image."""

    def __init__(self, on_progress: Progress) -> None:
        self._say = on_progress
        self._client: Any = None
        self._lack = self._look()

    def lacks(self, image: str) -> str | None:
        """Why containers of this image can't be had, for people; None when they can."""
        if self._lack:
            return self._lack
        try:
            self._client.images.get(image)
        except ImageNotFound:
            return self._pull(image)
        except Unusable:
            return "the Docker engine stopped answering"
        return None

    def close(self) -> None:
        if self._client:
            self._client.close()

    def _look(self) -> str | None:
        try:
            _knock(get_docker_host() or DEFAULT_SOCKET)
            self._client = DockerClient(timeout=ANSWER_SECONDS).client
            self._client.ping()
            host = urlsplit(self._client.api.base_url).hostname or ""
            if not host.startswith(("local", "127.")):
                # An open Kafka on another machine's network is not ours to make.
                return f"the Docker engine is on another machine ({host})"
            # A container's name for itself: known to the engine when we are one of its own.
            self._client.containers.get(socket.gethostname())
        except NotFound:
            return None
        except PermissionError:
            return "the Docker engine is closed to this user"
        except Unusable:
            return NO_ENGINE
        return "the Docker engine is outside the container that this runs in"

    def _pull(self, image: str) -> str | None:
        self._say(f"Pulling {image} (at most {PULL_SECONDS} s)")
        failure: list[str] = []
        worker = threading.Thread(target=self._pull_into, args=(image, failure), daemon=True)
        worker.start()
        worker.join(PULL_SECONDS)
        if worker.is_alive():
            return f"{image} was not pulled within {PULL_SECONDS} s"
        return failure[0] if failure else None

    def _pull_into(self, image: str, failure: list[str]) -> None:
        try:
            self._client.images.pull(image)
        except Unusable:
            failure.append(f"the Docker engine has no {image} and can't pull it")


def _knock(address: str) -> None:
    """Docker's client leaves its socket open when nobody listens; so one of ours goes first."""
    if address.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ANSWER_SECONDS)
            probe.connect(address.removeprefix("unix://"))
