"""The branch for machines with Docker: official images through testcontainers."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from devstack import DevStack
from devstack import stack as stack_module
from devstack.choice import KAFKA_ADDRESS, POSTGRES_ADDRESS
from devstack.database import answers
from devstack.kafka import answers as kafka_answers

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LULL_DEVSTACK_SOURCE", raising=False)
    for variable in (KAFKA_ADDRESS, POSTGRES_ADDRESS):
        monkeypatch.delenv(variable, raising=False)
    for choice in stack_module.choices(kafka=True, postgres=True, say=print):
        if choice and choice.source != "docker":
            pytest.skip(choice.why)


def containers_of(folder: Path) -> list[Any]:
    from devstack.containers import LABEL
    from testcontainers.core.docker_client import DockerClient

    client = DockerClient().client
    try:
        found = client.containers.list(all=True, filters={"label": LABEL})
        return [one for one in found if one.labels[LABEL].startswith(f"{folder}:")]
    finally:
        client.close()


async def test_docker_serves_both_and_keeps_port_and_data_over_a_kill(tmp_path: Path) -> None:
    with DevStack(tmp_path, durable=False) as running:
        before = running.stack
        assert (before.kafka_source, before.postgres_source) == ("docker", "docker")
        connection = await asyncpg.connect(before.postgres_dsn)
        await connection.execute("CREATE TABLE survives AS SELECT 7 AS n")
        await connection.close()
        running.kill_kafka()
        running.kill_postgres()
        running.restart_kafka()
        after = running.restart_postgres()
        assert after == before
        connection = await asyncpg.connect(after.postgres_dsn)
        assert await connection.fetchval("SELECT n FROM survives") == 7
        await connection.close()
    assert not kafka_answers(int(before.kafka_bootstrap.rpartition(":")[2]))
    assert not answers(before.postgres_dsn)
    assert containers_of(tmp_path) == []


SCRIPT = """
import sys
import time
from pathlib import Path
from devstack import DevStack
DevStack(Path(sys.argv[1]), kafka=False, durable=False).start()
print("up", flush=True)
sys.stdin.read()
"""


def test_docker_containers_go_when_their_starter_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        assert len(containers_of(tmp_path)) == 1
        starter.kill()
        until = time.monotonic() + 20
        while containers_of(tmp_path):
            assert time.monotonic() < until
            time.sleep(0.1)
