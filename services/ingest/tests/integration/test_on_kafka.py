"""The real service on the real Kafka: what lands on the topics, and a clean end."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.partitioner import murmur2
from common.config import KafkaConfig
from common.topics import create_topics
from devstack import DevStackError
from devstack.waiting import until

pytestmark = pytest.mark.integration

PREFIX = "ingest-test."
PARTITIONS = 4


@pytest.fixture(scope="module")
async def topics(kafka_bootstrap: str) -> None:
    config = KafkaConfig(
        kafka_bootstrap_servers=[kafka_bootstrap],
        kafka_topic_prefix=PREFIX,
        kafka_partitions=PARTITIONS,
        kafka_replication_factor=1,
    )
    await create_topics(config)


@pytest.fixture(scope="module")
def running(kafka_bootstrap: str, topics: None, run_ingest: Any) -> Iterator[Any]:
    with run_ingest(kafka_bootstrap, PREFIX, LULL_INGEST_READ_TIMEOUT_S="1") as service:
        yield service


@pytest.fixture(autouse=True)
async def ready(running: Any) -> None:
    async def is_ready() -> bool:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{running.health}/readyz")).status_code == 200

    await until(is_ready, 10)


@pytest.fixture
async def read_topic(kafka_bootstrap: str) -> Any:
    async def read(name: str) -> list[ConsumerRecord[bytes, bytes]]:
        """Everything on the topic by now."""
        consumer = AIOKafkaConsumer(
            PREFIX + name, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found: list[ConsumerRecord[bytes, bytes]] = []
            async with asyncio.timeout(10):
                while len(found) < sum(ends.values()):
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        found += records
            return found
        finally:
            await consumer.stop()

    return read


def _post(running: Any, signer: Any, notification: dict[str, Any]) -> httpx.Response:
    body = json.dumps(notification).encode()
    return httpx.post(
        f"{running.public}/webhooks/intercom", content=body, headers=signer.headers(body)
    )


def _act(running: Any, token: str, action: dict[str, str]) -> int:
    return httpx.post(
        f"{running.public}/v1/actions", headers={"Authorization": f"Bearer {token}"}, json=action
    ).status_code


async def test_an_update_lands_with_key_headers_and_value(
    running: Any, signer: Any, examples: dict[str, Any], read_topic: Any
) -> None:
    assert _post(running, signer, examples["conversation.user.replied"]).status_code == 200
    record = (await read_topic("conversation.updated"))[-1]
    assert record.key == b"wk9demo1:215470000000001"
    assert json.loads(record.value) == {
        "workspace_id": "wk9demo1",
        "conversation_id": "215470000000001",
        "updated_at": 1795000000,
        "part_id": 9000,
    }
    headers = {name: value.decode() for name, value in record.headers}
    assert headers.pop("ce_time")
    headers.pop("correlation_id")  # FastStream's own
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": "notif_00000000-0000-4000-8000-000000000002",
        "ce_type": "lull.ConversationUpdated.v1",
        "ce_source": "/lull/ingest",
        "content-type": "application/json",
    }
    assert record.partition == (murmur2(record.key) & 0x7FFFFFFF) % PARTITIONS
    assert record.timestamp_type == 1  # LogAppendTime: debounce takes time from the log


async def test_a_removal_and_an_action_land_as_settled(
    running: Any, signer: Any, examples: dict[str, Any], action_token: str, read_topic: Any
) -> None:
    assert _post(running, signer, examples["conversation.deleted"]).status_code == 200
    action = {
        "action_id": "act-1",
        "workspace_id": "wk9demo1",
        "conversation_id": "77",
        "app": "hubspot",
        "kind": "add_note",
        "actor_id": "5001",
    }
    assert await asyncio.to_thread(_act, running, action_token, action) == 202
    values = [json.loads(record.value) for record in await read_topic("conversation.settled")]
    assert sorted(values, key=lambda value: str(value["conversation_id"])) == [
        {
            "workspace_id": "wk9demo1",
            "conversation_id": "215470000000001",
            "trigger": "removed",
            "action_id": "notif_00000000-0000-4000-8000-000000000011",
        },
        {
            "workspace_id": "wk9demo1",
            "conversation_id": "77",
            "trigger": "action",
            "app": "hubspot",
            "action_id": "act-1",
            "actor_id": "5001",
        },
    ]


async def test_webhooks_are_counted_and_nothing_said_is_logged(
    running: Any, signer: Any, examples: dict[str, Any]
) -> None:
    _post(running, signer, examples["ping"])
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{running.health}/metrics")).text
    counter = 'lull_ingest_webhooks_total{answer="nothing_to_do",topic_class="ping"} '
    assert counter in metrics
    assert 'lull_ingest_publish_seconds_count{result="stored"' in metrics
    for word in ("Any news?", "ada@example.com", "Ada Example"):
        assert word not in running.log()


async def test_a_slow_body_is_408(running: Any) -> None:
    address = httpx.URL(running.public)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"POST /webhooks/intercom HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
    answer = await asyncio.wait_for(reader.readline(), 3)
    assert answer.startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_sigterm_finishes_the_request_under_way_and_exits_0(
    kafka_bootstrap: str, topics: None, run_ingest: Any, signer: Any
) -> None:
    body = b'{"topic":"ping"}'
    with run_ingest(kafka_bootstrap, PREFIX) as service:
        address = httpx.URL(service.public)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        signature = signer.headers(body)["X-Hub-Signature"]
        head = (
            f"POST /webhooks/intercom HTTP/1.1\r\nHost: x\r\nX-Hub-Signature: {signature}\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode())
        # The server asks for the body: the request is under way.
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 100 ")
        service.process.send(signal.SIGTERM)

        async def is_stopping() -> bool:
            return '"service.stopping"' in service.log()

        await until(is_stopping, 5)
        writer.write(body)
        await reader.readline()  # the empty line after 100
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert await asyncio.to_thread(service.process.wait, 10) == 0


def test_a_fault_in_the_configuration_is_told_without_values(run_ingest: Any) -> None:
    with (
        pytest.raises(DevStackError, match="LULL_INGEST_PORT") as refusal,
        run_ingest("x:1", "", LULL_INGEST_PORT="canary-value"),
    ):
        pass
    assert "canary-value" not in str(refusal.value)
    assert "the-new-client-secret" not in str(refusal.value)
    assert "Traceback" not in str(refusal.value)


def test_help_says_what_it_does() -> None:
    helped = subprocess.run(
        [sys.executable, "-m", "ingest", "--help"], capture_output=True, text=True, check=True
    )
    assert "docs/configuration.md" in helped.stdout
