"""Kafka away, frozen, back: 503 within 2 s, and recovery without a restart."""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from common.config import KafkaConfig
from common.topics import create_topics
from devstack import DevStack

pytestmark = [pytest.mark.integration, pytest.mark.faults]

PREFIX = "ingest-faults."


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevStack]:
    """A broker of this module's own: stopping the session's would disturb the others."""
    with DevStack(tmp_path_factory.mktemp("own-kafka"), postgres=False) as stack:
        if stack.stack.kafka_pid is None:
            pytest.skip("a broker that others run cannot be frozen or killed")
        yield stack


def _post(running: Any, signer: Any, notification: dict[str, Any]) -> tuple[int, float]:
    """Status, and the seconds it took."""
    body = json.dumps(notification).encode()
    began = time.monotonic()
    answer = httpx.post(
        f"{running.public}/webhooks/intercom",
        content=body,
        headers=signer.headers(body),
        timeout=10,
    )
    return answer.status_code, time.monotonic() - began


def _health(running: Any, page: str) -> httpx.Response:
    return httpx.get(f"{running.health}/{page}")


async def test_kafka_down_at_the_start_then_up_then_frozen_then_killed(
    own_kafka: DevStack, run_ingest: Any, eventually: Any, signer: Any, examples: dict[str, Any]
) -> None:
    update = examples["conversation.user.replied"]
    bootstrap = own_kafka.stack.kafka_bootstrap
    await create_topics(
        KafkaConfig(
            kafka_bootstrap_servers=[bootstrap],
            kafka_topic_prefix=PREFIX,
            kafka_partitions=1,
            kafka_replication_factor=1,
        )
    )
    own_kafka.kill_kafka()
    with run_ingest(bootstrap, PREFIX) as running:

        async def is_ready() -> bool:
            return _health(running, "readyz").status_code == 200

        async def is_taken() -> bool:
            return _post(running, signer, update)[0] == 200

        async def is_not_ready() -> bool:
            return not await is_ready()

        # Down at the start: it serves, refuses in time, is alive and says why it is not ready.
        status, took_s = _post(running, signer, update)
        assert status == 503
        assert took_s < 2
        assert _post(running, signer, examples["ping"])[0] == 200
        assert _health(running, "healthz").status_code == 200
        assert "Kafka" in _health(running, "readyz").json()["needs"]["kafka"]

        own_kafka.restart_kafka()
        await eventually(is_taken, 15)
        await eventually(is_ready, 5)

        # Frozen: the connection stands, and nothing answers.
        pid = own_kafka.stack.kafka_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                status, took_s = _post(running, signer, update)
                assert status == 503
                assert took_s < 2
            await eventually(is_not_ready, 5)
            assert _health(running, "healthz").status_code == 200
        finally:
            os.kill(pid, signal.SIGCONT)
        await eventually(is_taken, 15)
        await eventually(is_ready, 5)

        # Killed under a running service, and back.
        own_kafka.kill_kafka()
        status, took_s = _post(running, signer, update)
        assert status == 503
        assert took_s < 2
        own_kafka.restart_kafka()
        await eventually(is_taken, 15)
        assert running.terminate() == 0
        assert "Traceback" not in running.log()


async def test_without_topics_nothing_is_published_and_readiness_says_what_to_run(
    own_kafka: DevStack, run_ingest: Any, eventually: Any, signer: Any, examples: dict[str, Any]
) -> None:
    with run_ingest(own_kafka.stack.kafka_bootstrap, "no-such.") as running:

        async def says_so() -> bool:
            fault: str = _health(running, "readyz").json()["needs"]["kafka"]
            return "lull topics create" in fault

        await eventually(says_so, 10)
        assert _post(running, signer, examples["conversation.user.replied"])[0] == 503
