"""Where a server comes from: an address in the environment, else Docker, else packages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from devstack.errors import DevStackError

Source = Literal["environment", "docker", "packages"]

KAFKA_ADDRESS: Final = "LULL_KAFKA_BOOTSTRAP_SERVERS"
POSTGRES_ADDRESS: Final = "LULL_DEVSTACK_POSTGRES_DSN"
FORCED: Final = "LULL_DEVSTACK_SOURCE"


@dataclass(frozen=True, slots=True)
class Choice:
    source: Source
    why: str  # one line for people


def choose(
    server: str,
    address_variable: str,
    environ: Mapping[str, str],
    docker_lacks: Callable[[], str | None],
) -> Choice:
    """The rule.

    Args:
        server: "Kafka" or "PostgreSQL".
        address_variable: Names the environment's address of it.
        environ: The environment.
        docker_lacks: Why Docker can't be used, or None; asked only when it matters, as it may
            pull an image.

    """
    forced = environ.get(FORCED, "")
    if forced not in ("", "environment", "docker", "packages"):
        raise DevStackError(f"{FORCED} is {forced!r}: say environment, docker or packages.")
    if forced in ("", "environment") and environ.get(address_variable):
        return Choice("environment", f"{server}: the address in {address_variable}")
    if forced == "environment":
        raise DevStackError(f"{FORCED} is environment, but {address_variable} names no {server}.")
    if forced == "packages":
        return Choice("packages", f"{server}: from packages, as {FORCED} says")
    lack = docker_lacks()
    if lack is None:
        return Choice("docker", f"{server}: the official image, by Docker")
    if forced == "docker":
        raise DevStackError(f"{FORCED} is docker, but {lack}.")
    return Choice("packages", f"{server}: from packages, as {lack}")
