"""What runs as long as the service does: workers, consumers, and looks at what it needs."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
from common.consuming import wait_for_topics
from common.health import Health, Need
from common.http import Caller
from common.kafka import start_when_reachable
from faststream.kafka import KafkaBroker

from delivery.adapters.database import connected
from delivery.adapters.outbox import Outbox
from delivery.adapters.schema import SCHEMA
from delivery.config import DeliveryConfig
from delivery.ports import LedgerAway
from delivery.subscribers import SettledConsumer
from delivery.worker import Worker

# Attempts may finish within this after SIGTERM; all in all a stop takes less than ten seconds.
DRAIN_FOR = timedelta(seconds=6)
_SCHEMA_LOOK_S = 1.0
_SCHEMA_RELOOK_S = 5.0
_SETTINGS_LOOK = timedelta(seconds=2)

LoopBody = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def working(worker: Worker, health: Health) -> LoopBody:
    loop = health.loop(f"worker {worker.crm}")
    return lambda stop: worker.run(stop, loop, DRAIN_FOR)


def watching(consumer: SettledConsumer) -> LoopBody:
    return lambda stop: consumer.careful.watch(stop, consumer.consumer)


def relaying(outbox: Outbox, health: Health, connected: asyncio.Event) -> LoopBody:
    loop = health.loop("outbox")

    async def relay(stop: asyncio.Event) -> None:
        while not connected.is_set() and not stop.is_set():
            loop.beat()
            await _pause(stop, 0.5)
        await outbox.run(stop, loop)

    return relay


def consuming(
    broker: KafkaBroker,
    consumers: list[SettledConsumer],
    config: DeliveryConfig,
    topics: list[str],
    need: Need,
    connected: asyncio.Event,
) -> LoopBody:
    async def start() -> None:
        await wait_for_topics(config, topics, need)
        await start_when_reachable(broker, need)
        connected.set()

    async def consume(stop: asyncio.Event) -> None:
        starting, stopping = asyncio.create_task(start()), asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stop.wait()
        starting.cancel()
        for consumer in consumers:
            consumer.careful.stop()

    return consume


def schema_watch(pool: asyncpg.Pool, need: Need) -> LoopBody:
    """PostgreSQL is there, and migrated as far as this code needs."""

    async def watch(stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with connected(pool) as connection:
                    there = await SCHEMA.is_there(connection)
            except LedgerAway:
                need.missing("PostgreSQL cannot be reached")
            else:
                if there:
                    need.met()
                else:
                    need.missing(SCHEMA.missing)
            await _pause(stop, _SCHEMA_LOOK_S if need.fault else _SCHEMA_RELOOK_S)

    return watch


def settings_watch(url: str, peer: Need) -> LoopBody:
    async def watch(stop: asyncio.Event) -> None:
        caller = Caller()
        while not stop.is_set():
            try:
                await caller.call("GET", url, _SETTINGS_LOOK, headers={})
            except (httpx.HTTPError, OSError, TimeoutError):
                peer.missing("cannot be reached")
            else:
                peer.met()
            await _pause(stop, 5.0)
        await caller.aclose()

    return watch


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
