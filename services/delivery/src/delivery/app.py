"""delivery's composition root: config, adapters, handlers, running loops."""

import argparse
import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import httpx
from common import log, tracing
from common.clock import SystemClock
from common.consuming import wait_for_topics
from common.health import Health, Need
from common.http import Caller
from common.kafka import new_broker, start_when_reachable
from common.schema import NewerSchema
from common.service import Listener, run, serve
from common.topics import CONVERSATION_SETTLED, DELIVERY_OUTCOME, SETTINGS_CHANGED
from faststream.kafka import KafkaBroker

from delivery.acting import SWEEP_EVERY_S, Actions
from delivery.adapters.actions import PostgresActions
from delivery.adapters.crm import crm_for
from delivery.adapters.forgetting import PostgresForgetting
from delivery.adapters.guard import VendorGuard
from delivery.adapters.history import PostgresHistory
from delivery.adapters.intercom import Intercom, conversation_link
from delivery.adapters.outbox import Outbox
from delivery.adapters.permits import PATIENCE, Permits
from delivery.adapters.postgres import STATEMENT_TIMEOUT_S, PostgresLedger, connected
from delivery.adapters.replays import PostgresReplays
from delivery.adapters.schema import SCHEMA
from delivery.adapters.settings import HttpSettings
from delivery.api import delivery_api
from delivery.attempt import Attempts
from delivery.cards import Cards
from delivery.carrying_out import Acting
from delivery.changes import SettingsChanges
from delivery.config import DeliveryConfig, MigrationConfig
from delivery.domain.backoff import Schedule
from delivery.forgetting import forget_routes
from delivery.handlers import Delivery
from delivery.inbox_api import inbox_routes
from delivery.leftovers import Leftovers
from delivery.owners import Owners
from delivery.ports import LedgerAway
from delivery.previewing import Previews, preview_route
from delivery.replaying import replay_route
from delivery.subscribers import SettledConsumer
from delivery.worker import Worker
from delivery.working import Limits, Needs

_log = log.get(__name__)

# Attempts may finish within this after SIGTERM; all in all a stop takes less than ten seconds.
DRAIN_FOR = timedelta(seconds=6)
_SCHEMA_LOOK_S = 1.0
_SCHEMA_RELOOK_S = 5.0
_SETTINGS_LOOK = timedelta(seconds=2)

LoopBody = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m delivery",
        description="delivery: a settled conversation becomes one note in the CRM. Configured by "
        "LULL_... variables, see docs/configuration.md.",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=["serve", "migrate"],
        default="serve",
        help="serve (default), or bring the database's schema up to date",
    )
    command = parser.parse_args().command
    if command == "migrate":
        migration = MigrationConfig.load()
        log.configure("delivery", migration.log_level)
        run(_migrate(migration))
    else:
        config = DeliveryConfig.load()
        log.configure("delivery", config.log_level)
        tracing.configure("delivery", config.otlp_endpoint)
        run(serve_delivery(config))


async def _migrate(config: MigrationConfig) -> None:
    try:
        before, now = await SCHEMA.migrate(config.delivery_database_url.get_secret_value())
    except NewerSchema:
        raise SystemExit("The schema belongs to a newer release; run that release.") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # The message itself may quote the address, and with it the password.
        raise SystemExit(f"PostgreSQL: {type(error).__name__}; nothing was changed.") from None
    _log.info("schema.migrated", before=before, now=now)


async def serve_delivery(config: DeliveryConfig) -> None:
    health, clock = Health("delivery"), SystemClock()
    postgres, kafka = health.need("postgres"), health.need("kafka")
    pool = await _pool(config)
    settings = HttpSettings(
        config.delivery_settings_url, config.delivery_settings_token.get_secret_value(), clock
    )
    broker = new_broker(config, "lull-delivery")
    prefix = config.kafka_topic_prefix
    intercom = Intercom()
    ledger = PostgresLedger(
        pool,
        owner=config.delivery_instance_id or f"{socket.gethostname()}-{os.getpid()}",
        lease=config.lease,
        share=config.delivery_workspace_share,
    )
    limits = Limits(
        quiet_period=config.quiet_period,
        call_deadline=config.call_deadline,
        schedule=Schedule(
            first=timedelta(seconds=config.delivery_backoff_first_s),
            in_all=timedelta(seconds=config.delivery_retry_for_s),
        ),
        heal_after=timedelta(seconds=config.delivery_heal_after_s),
        visible_after=(
            None
            if config.delivery_visible_after_s is None
            else timedelta(seconds=config.delivery_visible_after_s)
        ),
        look_again_after=tuple(timedelta(seconds=s) for s in config.delivery_look_again_s),
        several_persons=config.delivery_several_persons,
        activity_policy=config.activity_policy,
        random=random.random,
    )
    owners = Owners()
    loops: dict[str, LoopBody] = {}
    consumers: list[SettledConsumer] = []
    deliveries: list[Delivery] = []
    previewed: dict[str, Needs] = {}
    acting: dict[str, Acting] = {}
    crms = {name: crm_for(name, config) for name in config.delivery_crms}
    peers = {name: health.peer(name) for name in ("settings", "intercom", *crms)}
    for name in ("intercom", *crms):
        peers[name].missing("not called yet")
    # An attempt makes several calls, and its lease has to outlive them all.
    permits = Permits(pool, min(PATIENCE, config.lease / 6))
    guards = {
        name: VendorGuard(name, crm.limits if crm else (), permits, random.random)
        for name, crm in {"intercom": None, **crms}.items()
    }
    intercom.guard = guards["intercom"]
    heard = _hearing(peers, guards)
    workers: dict[str, Worker] = {}
    for name, crm in crms.items():
        crm.guard = guards[name]
        needs = Needs(
            settings,
            intercom,
            crm,
            ledger,
            conversation_link,
            limits,
            owners=owners,
            reserve=crm.reserve,
            heard=heard,
        )
        previewed[name] = needs
        worker = workers[name] = Worker(
            name,
            ledger,
            Attempts(needs),
            concurrency=config.delivery_concurrency,
            share=config.delivery_workspace_share,
            vendor=guards[name],
        )
        acting[name] = Acting(needs, crm, worker.wake)
        delivery = Delivery(name, ledger, settings, _forgetting(settings, worker), worker.wake)
        consumer = SettledConsumer(
            delivery,
            broker,
            config,
            health,
            health.need(f"consumer {name}"),
            clock,
            config.delivery_instance_id,
        )
        broker.include_router(consumer.router)
        deliveries.append(delivery)
        consumers.append(consumer)
        loops[f"worker {name}"] = _working(worker, health)
        loops[f"watch {name}"] = _watching(consumer)
    forgetting = PostgresForgetting(pool)
    leftovers = Leftovers(config.delivery_crms, settings, forgetting)
    sweeping_leftovers = health.loop("leftovers")
    loops["leftovers"] = lambda stop: leftovers.run(stop, sweeping_leftovers)
    changes = SettingsChanges(
        deliveries,
        settings.rely,
        leftovers,
        config,
        health.peer("settings.changed"),
        health.loop("settings.changed"),
    )
    loops["settings.changed"] = changes.run
    outbox = Outbox(pool, broker, prefix + DELIVERY_OUTCOME, clock, "delivery")
    connected = asyncio.Event()
    topics = [prefix + name for name in (CONVERSATION_SETTLED, SETTINGS_CHANGED, DELIVERY_OUTCOME)]
    loops["kafka"] = _consuming(broker, consumers, config, topics, kafka, connected)
    loops["outbox"] = _relaying(outbox, health, connected)
    loops["schema"] = _schema_watch(pool, postgres)
    actions = Actions(acting, PostgresActions(pool))
    loops["actions"] = lambda stop: actions.drain(stop, DRAIN_FOR)
    sweeping, kept = health.loop("actions", 2 * SWEEP_EVERY_S), config.delivery_actions_days
    loops["forgetting"] = lambda stop: actions.sweep(stop, sweeping, timedelta(days=kept))
    loops["settings"] = _settings_watch(config.delivery_settings_url, peers["settings"])

    async def close() -> None:
        await broker.stop()
        await permits.aclose()
        await intercom.aclose()
        for crm in crms.values():
            await crm.aclose()
        await settings.aclose()
        pool.terminate()

    def held(crm: str, workspace_id: str) -> tuple[str, float] | None:
        return workers[crm].held(workspace_id) if crm in workers else None

    previews = preview_route(Previews(previewed), config.delivery_preview_token)
    replays = replay_route(
        PostgresReplays(pool), config.delivery_operator_token, config.delivery_preview_token
    )
    forget = forget_routes(forgetting, config.delivery_preview_token)
    history = PostgresHistory(pool, held)
    inbox = inbox_routes(Cards(acting, history), actions, config.delivery_actions_token)
    api = delivery_api(history, [previews, replays, *forget, *inbox])
    listeners = [
        Listener("api", api, config.delivery_host, config.delivery_port),
        Listener("health", health.app(), config.health_host, config.delivery_health_port),
    ]
    await serve(health, listeners, loops, close)


async def _pool(config: DeliveryConfig) -> asyncpg.Pool:
    """Connects only when first needed, so that a start with PostgreSQL down waits and recovers."""
    return await asyncpg.create_pool(
        config.delivery_database_url.get_secret_value(),
        min_size=0,
        max_size=config.delivery_database_connections,
        timeout=STATEMENT_TIMEOUT_S,
        command_timeout=STATEMENT_TIMEOUT_S,
        reset=_leave_as_it_is,
    )


async def _leave_as_it_is(_connection: object) -> None:
    """Nothing of ours changes a session, so none has to be reset after each use."""


def _hearing(
    peers: dict[str, Need], guards: dict[str, VendorGuard]
) -> Callable[[str, str | None], None]:
    """What the latest attempt met, and a circuit that is not closed, for people who look."""
    met: dict[str, str | None] = {}

    def show(peer: str) -> None:
        state = guards[peer].vendor_state()
        circuit = None if state == "closed" else f"circuit {state.replace('_', ' ')}"
        faults = [fault for fault in (circuit, met.get(peer)) if fault]
        if faults:
            peers[peer].missing(", ".join(faults))
        else:
            peers[peer].met()

    def heard(peer: str, fault: str | None) -> None:
        met[peer] = fault
        show(peer)

    for name, guard in guards.items():
        guard.changed = partial(show, name)
    return heard


def _forgetting(settings: HttpSettings, worker: Worker) -> Callable[[str], None]:
    def forget(workspace_id: str) -> None:
        settings.forget(workspace_id)
        worker.forget(workspace_id)

    return forget


def _working(worker: Worker, health: Health) -> LoopBody:
    loop = health.loop(f"worker {worker.crm}")
    return lambda stop: worker.run(stop, loop, DRAIN_FOR)


def _watching(consumer: SettledConsumer) -> LoopBody:
    return lambda stop: consumer.careful.watch(stop, consumer.consumer)


def _relaying(outbox: Outbox, health: Health, connected: asyncio.Event) -> LoopBody:
    loop = health.loop("outbox")

    async def relay(stop: asyncio.Event) -> None:
        while not connected.is_set() and not stop.is_set():
            loop.beat()
            await _pause(stop, 0.5)
        await outbox.run(stop, loop)

    return relay


def _consuming(
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


def _schema_watch(pool: asyncpg.Pool, need: Need) -> LoopBody:
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


def _settings_watch(url: str, peer: Need) -> LoopBody:
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
