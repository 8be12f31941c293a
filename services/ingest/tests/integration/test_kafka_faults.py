"""Kafka away, frozen, back: 503 within 2 s, and recovery without a restart."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from common.config import KafkaConfig
from common.topics import TOPICS, create_topics
from devstack import DevStack
from devstack.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

PREFIX = "ingest-faults."
INTERCOM_WAITS_S = 5.0  # developers.intercom.com: answer within 5 seconds
FREEZES = {"quick": 1, "faults": 5, "long": 20}
# A broker killed with -9 waits 9 s for its old session to run out: none in the quick size.
KILLS = {"quick": 0, "faults": 5, "long": 20}


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[tuple[DevStack, str]]:
    """A broker of this test's own, not started yet: stopping the session's would disturb others."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stack = DevStack(tmp_path, postgres=False, kafka_port=port)
    yield stack, f"127.0.0.1:{port}"
    stack.stop()


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
    own_kafka: tuple[DevStack, str],
    run_ingest: Any,
    signer: Any,
    examples: dict[str, Any],
    size: str,
) -> None:
    update = examples["conversation.user.replied"]
    stack, bootstrap = own_kafka
    with run_ingest(bootstrap, PREFIX) as running:

        async def is_ready() -> bool:
            return _health(running, "readyz").status_code == 200

        async def is_taken() -> bool:
            return _post(running, signer, update)[0] == 200

        async def is_not_ready() -> bool:
            return not await is_ready()

        async def asks_for_topics() -> bool:
            fault: str = _health(running, "readyz").json()["needs"]["kafka"]
            return "lull topics create" in fault

        # Down at the start: it serves, refuses in time, is alive and says why it is not ready.
        status, took_s = _post(running, signer, update)
        assert status == 503
        assert took_s < INTERCOM_WAITS_S
        assert _post(running, signer, examples["ping"])[0] == 200
        assert _health(running, "healthz").status_code == 200
        assert "Kafka" in _health(running, "readyz").json()["needs"]["kafka"]

        # Up, but without topics: nothing is published, which could create them the wrong way.
        if stack.start().kafka_pid is None:
            pytest.skip("a broker that others run cannot be frozen or killed")
        await until(asks_for_topics, 15)
        assert _post(running, signer, update)[0] == 503
        config = KafkaConfig(
            kafka_bootstrap_servers=[bootstrap],
            kafka_topic_prefix=PREFIX,
            kafka_partitions=1,
            kafka_replication_factor=1,
        )
        assert len(await create_topics(config)) == len(TOPICS)
        await until(is_taken, 15)
        await until(is_ready, 5)

        # Frozen: the connection stands, and nothing answers.
        for _ in range(FREEZES[size]):
            pid = stack.stack.kafka_pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            try:
                status, took_s = _post(running, signer, update)
                assert status == 503
                assert took_s < INTERCOM_WAITS_S
                await until(is_not_ready, 5)
                assert _health(running, "healthz").status_code == 200
            finally:
                os.kill(pid, signal.SIGCONT)
            await until(is_taken, 15)
            await until(is_ready, 5)

        # Killed under a running service, and back.
        for _ in range(KILLS[size]):
            stack.kill_kafka()
            status, took_s = _post(running, signer, update)
            assert status == 503
            assert took_s < INTERCOM_WAITS_S
            stack.restart_kafka()
            await until(is_taken, 30)
        assert running.process.stop() == 0
        assert "Traceback" not in running.log()
