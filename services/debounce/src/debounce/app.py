"""Composition root: configuration -> Kafka -> the rule -> the running service."""

import argparse
import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from common import kafka, log, topics, tracing
from common.clock import SystemClock
from common.health import Health, Loop, Need
from common.service import Listener, run, serve

from debounce.adapters.metrics import PartitionMetrics
from debounce.adapters.owners import GroupOwners, client_id
from debounce.adapters.producer import KafkaPublisher
from debounce.adapters.topics import topics_fault
from debounce.adapters.traces import traced
from debounce.adapters.wire import read_batch
from debounce.api import debounce_api
from debounce.config import DebounceConfig
from debounce.handlers import Debounce
from debounce.pending import PendingView
from debounce.ports import TopicConfigError
from debounce.subscribers import UpdatesSubscription

_log = log.get(__name__)

LOOK_AGAIN_AFTER_S = 1.0
STOP_TIMEOUT_S = 1.0
# About 200 settled events. Each partition has one such buffer, and copies of it on their way out;
# larger ones save nothing, and stay below the topic's max.message.bytes (1 MiB) as well.
BATCH_BYTES = 64 * 1024


async def start(config: DebounceConfig) -> None:
    health = Health("debounce")
    need = health.need("kafka consumer")
    loop = health.loop("consumer", config.debounce_stalled_after_s)
    clock = SystemClock()
    # Without apply_types FastStream validates every argument with pydantic: not on the hot path.
    broker = kafka.new_broker(config, client_id(config), apply_types=False)
    updates = UpdatesSubscription(broker, config)
    publisher = KafkaPublisher(
        lambda: _new_producer(config),
        broker,
        updated=updates.topic,
        settled=config.kafka_topic_prefix + topics.CONVERSATION_SETTLED,
        clock=clock,
    )
    debounce = Debounce(
        updates,
        publisher,
        read_batch if tracing.recorder is None else traced(read_batch, tracing.recorder),
        quiet_ms=round(config.quiet_period_s * 1000),
        clock=clock,
        need=need,
        loop=loop,
    )
    updates.deliver(debounce.on_batches, debounce.on_assigned, debounce.on_revoked)
    PartitionMetrics(debounce).register()
    view = PendingView(
        debounce.partitions,
        updates,
        updates.partition_of,
        GroupOwners(config, updates.topic, updates.group),
        instance=config.debounce_instance_id,
    )

    async def consume(stop: asyncio.Event) -> None:
        async def ready() -> None:
            await _topics_there(config, need, loop)
            await _connected(kafka.start_when_reachable(broker, need), loop)
            need.missing("no partitions assigned yet")

        try:
            if await _before_stop(stop, ready()):
                await debounce.run(stop)
        except TopicConfigError as error:
            _log.critical("topics.unfit", why=str(error))
            raise

    async def close() -> None:
        await publisher.close()
        try:
            await asyncio.wait_for(broker.stop(), STOP_TIMEOUT_S)
        except TimeoutError:
            _log.warning("kafka.not_closed")

    listeners = [
        Listener("api", debounce_api(view), config.debounce_host, config.debounce_port),
        Listener("health", health.app(), config.health_host, config.debounce_health_port),
    ]
    await serve(health, listeners, {"debounce": consume}, close)


async def _topics_there(config: DebounceConfig, need: Need, loop: Loop) -> None:
    """Return when they are; a wrong topic raises, a missing one may still be made."""
    while True:
        loop.beat()
        try:
            fault = await topics_fault(config)
        except (KafkaError, OSError):
            fault = "Kafka cannot be reached"
        if fault is None:
            return
        if need.fault != fault:
            _log.warning("service.waiting", why=fault)
        need.missing(fault)
        await asyncio.sleep(LOOK_AGAIN_AFTER_S)


async def _connected(starting: Coroutine[Any, Any, None], loop: Loop) -> None:
    """Beat as long as connecting is tried, which may be for ever."""
    task = asyncio.ensure_future(starting)
    try:
        while not (await asyncio.wait([task], timeout=LOOK_AGAIN_AFTER_S))[0]:
            loop.beat()
        task.result()
    finally:
        task.cancel()


async def _before_stop(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was finished; False: asked to stop before."""
    task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return not stop.is_set()
        return False
    finally:
        for each in (task, stopping):
            each.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


def _new_producer(config: DebounceConfig) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=config.kafka_bootstrap_servers,
        client_id="debounce-settled",
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        **kafka.client_security(config),
    )


def main() -> None:
    argparse.ArgumentParser(
        "python -m debounce",
        description="Waits until a conversation has been quiet for the whole quiet period, and "
        "says so on conversation.settled. Configured by LULL_... variables, see "
        "docs/configuration.md.",
    ).parse_args()
    config = DebounceConfig.load()
    log.configure("debounce", config.log_level)
    tracing.configure("debounce", config.otlp_endpoint)
    run(start(config))
