"""Every alert is made to fire by its fault on the running product, and ends when that is mended as
docs/runbook.md says.

The tests follow one another: what an alert looks back on takes its time to pass, which the others
use; the last one waits until all is quiet.
"""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from common.events import ConversationUpdated
from common.topics import CONVERSATION_UPDATED
from demo.environment import local

pytestmark = [pytest.mark.integration, pytest.mark.faults]

FLOOD_BATCHES, FLOOD_BATCH = 300, 1_000
WITHIN_S = 60.0
# How long debounce runs, and then waits: as under a low limit on its processor, and as on a node
# that takes it away for longer at a time.
LIMITED, HELD_UP = (0.008, 0.192), (3.0, 10.0)


@pytest.fixture
def at_length(size: str) -> None:
    if size == "quick":
        pytest.skip("takes its time: in the size faults; promtool tries its rule in every size")


def bootstrap(watched: Any) -> str:
    address: str = watched.product.stack.kafka_bootstrap
    return address


async def test_nothing_fires_while_all_is_well(watched: Any) -> None:
    await asyncio.to_thread(watched.until, lambda: watched.notes("hubspot", "42001") > 2)
    assert watched.prometheus.alerts() == {}


async def test_a_replica_that_was_killed(watched: Any) -> None:
    watched.product.kill("ingest")
    await asyncio.to_thread(watched.fires, "LullDown")
    watched.product.restart("ingest")
    await asyncio.to_thread(watched.resolves, "LullDown")


async def test_a_record_that_nobody_can_use(watched: Any) -> None:
    topic = CONVERSATION_UPDATED
    async with AIOKafkaProducer(bootstrap_servers=bootstrap(watched)) as producer:
        sent = await producer.send_and_wait(topic, b"[", key=b"wk0:1")
    await asyncio.to_thread(watched.fires, "LullDeadLetters")
    async with asyncio.timeout(WITHIN_S):
        async with AIOKafkaConsumer(
            f"{topic}.dlt", bootstrap_servers=bootstrap(watched), auto_offset_reset="earliest"
        ) as consumer:
            letter = json.loads((await consumer.getone()).value)
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap(watched)) as consumer:
            place = TopicPartition(letter["topic"], letter["partition"])
            consumer.assign([place])
            consumer.seek(place, letter["offset"])
            record = await consumer.getone()
    assert (record.topic, record.partition, record.offset) == (topic, sent.partition, sent.offset)
    assert record.value == b"["


async def test_kafka_is_away(watched: Any) -> None:
    watched.product.kill("kafka")
    try:
        await asyncio.to_thread(watched.fires, "LullWebhooksRefused")
        async with httpx.AsyncClient(trust_env=False) as client:
            ready = await client.get(f"{watched.product.health_url('ingest')}/readyz")
        assert ready.status_code == 503
        assert "Kafka" in ready.text
    finally:
        await asyncio.to_thread(watched.product.restart, "kafka")
    await asyncio.to_thread(watched.resolves, "LullWebhooksRefused")


@pytest.mark.usefixtures("at_length")
async def test_two_replicas_have_one_name(watched: Any) -> None:
    twin = await asyncio.to_thread(watched.product.twin, "debounce")
    try:
        await asyncio.to_thread(watched.fires, "LullCommitFailures")
    finally:
        await asyncio.to_thread(twin.stop)
    watched.product.restart("debounce")


@pytest.mark.usefixtures("at_length")
async def test_deliveries_that_a_crm_refuses_for_good(watched: Any) -> None:
    fault = watched.control.add_fault("pipedrive", "403", method="POST", path="/notes", times=None)
    await asyncio.to_thread(watched.fires, "LullDeliveriesFail")
    async with httpx.AsyncClient(trust_env=False) as client:
        asked = f"{local(watched.product.ports.delivery)}/v1/deliveries/wk0?outcome=failed"
        failed = (await client.get(asked)).raise_for_status().json()
    assert failed["deliveries"], failed
    watched.control.clear_fault(fault)
    talks = {one["conversation_id"] for one in failed["deliveries"]}
    replay = ["lull", "replay", "--app", "pipedrive", "--outcome", "failed", "--yes"]
    await asyncio.to_thread(watched.product.run_once, "replay", replay)

    def replayed() -> bool:
        bodies = " ".join(
            note["body"] for note in watched.control.notes("pipedrive", "bright-42005")
        )
        return all(talk in bodies for talk in talks)

    await asyncio.to_thread(watched.until, replayed)


@pytest.mark.usefixtures("at_length")
async def test_a_connection_that_its_crm_no_longer_knows(watched: Any) -> None:
    watched.control.revoke_crm_tokens("keap", "42006")
    await asyncio.to_thread(watched.fires, "LullTokensDying")
    before = watched.notes("keap", "42006")
    watched.talk.connect("keap")
    await asyncio.to_thread(watched.until, lambda: watched.notes("keap", "42006") > before + 2)


@pytest.mark.usefixtures("at_length")
async def test_a_vendor_that_does_not_answer(watched: Any) -> None:
    fault = watched.control.add_fault("hubspot", "timeout", times=None)
    await asyncio.to_thread(watched.fires, "LullCircuitOpen")
    before = watched.notes("hubspot", "42001")
    watched.control.clear_fault(fault)
    await asyncio.to_thread(watched.resolves, "LullCircuitOpen")
    await asyncio.to_thread(watched.until, lambda: watched.notes("hubspot", "42001") > before)


@pytest.mark.usefixtures("at_length")
async def test_debounce_gets_too_little_of_its_processor(watched: Any) -> None:
    with throttled(watched.product.pid("debounce"), *LIMITED):
        await flood(bootstrap(watched))
        await asyncio.to_thread(watched.fires, "LullReadLag")
    await asyncio.to_thread(watched.resolves, "LullReadLag", within_s=300)


@pytest.mark.usefixtures("at_length")
async def test_debounce_is_held_up_again_and_again(watched: Any) -> None:
    with throttled(watched.product.pid("debounce"), *HELD_UP):
        await asyncio.to_thread(watched.fires, "LullSettleDelay")
    await asyncio.to_thread(watched.resolves, "LullSettleDelay")


@contextmanager
def throttled(pid: int, runs_s: float, stops_s: float) -> Iterator[None]:
    enough = threading.Event()

    def hold() -> None:
        while not enough.is_set():
            os.kill(pid, signal.SIGSTOP)
            enough.wait(stops_s)
            os.kill(pid, signal.SIGCONT)
            enough.wait(runs_s)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield
    finally:
        enough.set()
        holding.join()


async def flood(address: str) -> None:
    """More updates in one partition than debounce reads at once: redelivered ones, all the same."""
    kind = ConversationUpdated.type_name().encode()
    async with AIOKafkaConsumer(CONVERSATION_UPDATED, bootstrap_servers=address) as consumer:
        await consumer.seek_to_beginning()
        one = await consumer.getone()
        while not one.key or dict(one.headers)["ce_type"] != kind:
            one = await consumer.getone()
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1_000_000)
    for offset in range(FLOOD_BATCH):
        batch.append(offset, one.timestamp, one.key, one.value, list(one.headers))
    body = bytes(batch.build())
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        node = admin._client.get_random_node()
        for _ in range(FLOOD_BATCHES):
            request = ProduceRequest(None, -1, 5_000, [(one.topic, [(one.partition, body)])])
            answer = await admin._client.send(node, request)
            assert answer.topics[0][1][0][1] == 0, answer
    finally:
        await admin.close()


@pytest.mark.usefixtures("at_length")
async def test_intercom_sends_nothing_any_more(watched: Any) -> None:
    day_s = 86_400 / 600
    await asyncio.to_thread(watched.until, lambda: time.monotonic() > watched.began + day_s, 200)
    watched.control.set_intercom_app(webhook_url=None)
    await asyncio.to_thread(watched.fires, "LullNoWebhooks")
    watched.talk.listen()
    await asyncio.to_thread(watched.resolves, "LullNoWebhooks")


async def test_all_is_quiet_again(watched: Any, size: str) -> None:
    await asyncio.to_thread(watched.until, lambda: watched.prometheus.alerts() == {}, 150)
    if size != "quick":
        assert watched.fired == watched.all
