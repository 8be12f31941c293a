"""`lull topics create` as people run it: what it prints, and the codes it ends with."""

import socket
import subprocess
from collections.abc import Callable

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_help_names_the_commands_and_the_configuration(lull: Run) -> None:
    helped = lull("--help")
    assert "topics" in helped.stdout
    assert "docs/configuration.md" in helped.stdout
    assert "Exit codes" in lull("topics", "create", "--help").stdout


def test_version_is_that_of_the_package(lull: Run) -> None:
    answered = lull("--version")
    assert (answered.returncode, answered.stdout) == (0, "lull 0.1.0\n")


def test_a_fault_in_the_configuration_is_told_and_is_code_2(lull: Run) -> None:
    answered = lull("topics", "create", LULL_KAFKA_PARTITIONS="canary", LULL_KAFKA_PASSWORD="hush")
    assert answered.returncode == 2
    assert "LULL_KAFKA_BOOTSTRAP_SERVERS" in answered.stderr
    assert "LULL_KAFKA_PARTITIONS" in answered.stderr
    for value in ("canary", "hush", "Traceback"):
        assert value not in answered.stdout + answered.stderr


def test_no_kafka_within_the_wait_is_one_sentence_and_code_3(lull: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    answered = lull("topics", "create", "--wait", "0.6", LULL_KAFKA_BOOTSTRAP_SERVERS=nobody)
    assert answered.returncode == 3
    assert f"Kafka did not answer at {nobody} within 0.6 s" in answered.stderr
    assert len(answered.stderr.splitlines()) == 1


@pytest.mark.integration
def test_topics_are_created_then_there_then_refused_with_other_partitions(
    lull: Run, kafka_bootstrap: str
) -> None:
    variables = {
        "LULL_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "LULL_KAFKA_TOPIC_PREFIX": "lull-cli.",
        "LULL_KAFKA_PARTITIONS": "2",
    }
    too_many = lull("topics", "create", **variables, LULL_KAFKA_REPLICATION_FACTOR="9")
    assert too_many.returncode == 1
    assert "LULL_KAFKA_REPLICATION_FACTOR" in too_many.stderr

    variables["LULL_KAFKA_REPLICATION_FACTOR"] = "1"
    first = lull("topics", "create", **variables)
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == [
        *(
            f"created lull-cli.{name}{ending}"
            for ending in ("", ".dlt")
            for name in (
                "conversation.updated",
                "conversation.settled",
                "settings.changed",
                "delivery.outcome",
            )
        ),
        "All topics are there.",
    ]
    again = lull("topics", "create", **variables)
    assert (again.returncode, again.stdout) == (0, "All topics were there already.\n")
