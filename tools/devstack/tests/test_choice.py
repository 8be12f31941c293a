"""Where a server comes from, and that Docker is asked only when it matters."""

import pytest
from devstack.choice import FORCED, KAFKA_ADDRESS, choose
from devstack.errors import DevStackError


def no_engine() -> str | None:
    return "no Docker engine answers"


def an_engine() -> str | None:
    return None


def never_asked() -> str | None:
    raise AssertionError("Docker was asked although it does not matter")


def test_an_address_in_the_environment_comes_first() -> None:
    choice = choose("Kafka", KAFKA_ADDRESS, {KAFKA_ADDRESS: "kafka:9092"}, never_asked)
    assert choice.source == "environment"


def test_an_empty_address_counts_as_none() -> None:
    assert choose("Kafka", KAFKA_ADDRESS, {KAFKA_ADDRESS: ""}, an_engine).source == "docker"


def test_docker_comes_before_packages() -> None:
    assert choose("Kafka", KAFKA_ADDRESS, {}, an_engine).source == "docker"


def test_an_engine_that_can_not_counts_as_none_and_one_line_says_why() -> None:
    choice = choose("Kafka", KAFKA_ADDRESS, {}, no_engine)
    assert choice.source == "packages"
    assert choice.why == "Kafka: from packages, as no Docker engine answers"


@pytest.mark.parametrize("address", [{}, {KAFKA_ADDRESS: "kafka:9092"}])
def test_packages_can_be_forced_without_a_look_at_docker(address: dict[str, str]) -> None:
    forced = {FORCED: "packages", **address}
    assert choose("Kafka", KAFKA_ADDRESS, forced, never_asked).source == "packages"


def test_forced_docker_is_never_quietly_something_else() -> None:
    with pytest.raises(DevStackError, match="no Docker engine answers"):
        choose("Kafka", KAFKA_ADDRESS, {FORCED: "docker"}, no_engine)


def test_a_forced_source_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DevStackError, match="environment, docker or packages"):
        choose("Kafka", KAFKA_ADDRESS, {FORCED: "podman"}, never_asked)
