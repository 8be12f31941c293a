"""What Docker is asked for, and whether it is worth asking."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from devstack.jars import kafka_version, pinned_jars

POSTGRES_IMAGE: Final = "postgres:18"
NO_ENGINE: Final = "no Docker engine answers"
DEFAULT_SOCKET: Final = "unix:///var/run/docker.sock"


def kafka_image() -> str:
    """Of the version that the packages bring too."""
    return f"apache/kafka:{kafka_version(pinned_jars())}"


def may_be_there(environ: Mapping[str, str]) -> bool:
    """False spares the import of Docker's client, a third of a second on every start."""
    named = ("DOCKER_HOST", "DOCKER_CONTEXT", "TESTCONTAINERS_HOST_OVERRIDE")
    files = (
        Path(DEFAULT_SOCKET.removeprefix("unix://")),
        Path.home() / ".docker",
        Path.home() / ".testcontainers.properties",
    )
    return any(name in environ for name in named) or any(file.exists() for file in files)
