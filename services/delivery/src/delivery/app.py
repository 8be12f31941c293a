"""delivery's composition root: config, adapters, handlers, running loops."""

import argparse
import asyncio
import os
import random
import socket
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import asyncpg
from common import log, tracing
from common.clock import SystemClock
from common.health import Health, Need
from common.kafka import new_broker
from common.schema import NewerSchema
from common.service import Listener, run, serve
from common.topics import CONVERSATION_SETTLED, DELIVERY_OUTCOME, SETTINGS_CHANGED

from delivery.acting import SWEEP_EVERY_S, Actions
from delivery.adapters.actions import PostgresActions
from delivery.adapters.crm import crm_for
from delivery.adapters.database import new_pool
from delivery.adapters.forgetting import PostgresForgetting
from delivery.adapters.guard import VendorGuard
from delivery.adapters.history import PostgresHistory
from delivery.adapters.intercom import Intercom, conversation_link
from delivery.adapters.outbox import Outbox
from delivery.adapters.permits import PATIENCE, Permits
from delivery.adapters.postgres import PostgresLedger
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
from delivery.loops import (
    DRAIN_FOR,
    LoopBody,
    consuming,
    relaying,
    schema_watch,
    settings_watch,
    watching,
    working,
)
from delivery.owners import Owners
from delivery.previewing import Previews, preview_route
from delivery.replaying import replay_route
from delivery.subscribers import SettledConsumer
from delivery.worker import Worker
from delivery.working import Limits, Needs

_log = log.get(__name__)


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
    pool = await new_pool(
        config.delivery_database_url.get_secret_value(), config.delivery_database_connections
    )
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
        loops[f"worker {name}"] = working(worker, health)
        loops[f"watch {name}"] = watching(consumer)
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
    loops["kafka"] = consuming(broker, consumers, config, topics, kafka, connected)
    loops["outbox"] = relaying(outbox, health, connected)
    loops["schema"] = schema_watch(pool, postgres)
    actions = Actions(acting, PostgresActions(pool))
    loops["actions"] = lambda stop: actions.drain(stop, DRAIN_FOR)
    sweeping, kept = health.loop("actions", 2 * SWEEP_EVERY_S), config.delivery_actions_days
    loops["forgetting"] = lambda stop: actions.sweep(stop, sweeping, timedelta(days=kept))
    loops["settings"] = settings_watch(config.delivery_settings_url, peers["settings"])

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
