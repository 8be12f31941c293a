"""The settings service: config -> adapters -> handlers -> running listeners and loops."""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import asyncpg
import httpx
from common import http, log, tracing
from common.clock import Clock, SystemClock
from common.config import accepted
from common.health import Health
from common.kafka import dead_letter, new_broker
from common.peers import HttpPending
from common.schema import NewerSchema
from common.service import Listener, run, serve

from settings.adapters.keyring import Keyring
from settings.adapters.peers import HttpDeliveries
from settings.adapters.postgres.audit import PostgresAudit
from settings.adapters.postgres.authorizations import PostgresAuthorizations
from settings.adapters.postgres.connections import PostgresConnections
from settings.adapters.postgres.database import Database
from settings.adapters.postgres.history import PostgresHistory
from settings.adapters.postgres.installations import PostgresInstallations
from settings.adapters.postgres.notices import PostgresNotices
from settings.adapters.postgres.rotation import rotate
from settings.adapters.postgres.schema import SCHEMA
from settings.adapters.postgres.sessions import PostgresSessions
from settings.adapters.postgres.watch import watch
from settings.adapters.relay import Relay
from settings.adapters.reports import Reports
from settings.adapters.tellers import Mail, Webhook
from settings.adapters.vendors import OFFERS
from settings.adapters.vendors.base import Client, VendorVariables
from settings.adapters.vendors.intercom import Intercom
from settings.api.internal import internal_app
from settings.api.public import public_app
from settings.config import MigrationConfig, SettingsConfig, by_name, by_region
from settings.console.admin_pages import AdminPages
from settings.console.app import console_app
from settings.console.app_page import AppPages
from settings.console.conversation_pages import ConversationPages
from settings.console.front import Front
from settings.console.history_pages import HistoryPages
from settings.console.limit import Limit
from settings.console.links import Links
from settings.console.signing import Signing
from settings.console.visitors import Visitors
from settings.console.workspaces import WorkspacePages
from settings.domain.sessions import cookie_rule
from settings.handlers.access import Access
from settings.handlers.connecting import Connections
from settings.handlers.forgetting import Forgetting
from settings.handlers.history import History, sweep
from settings.handlers.idling import Idle
from settings.handlers.installations import Installations
from settings.handlers.leaving import Leaving
from settings.handlers.options import OptionChanges
from settings.handlers.retrying import Retrying
from settings.handlers.signing_in import SignIn
from settings.handlers.teammates import TeammateNames
from settings.handlers.telling import Telling
from settings.ports.faults import StoreUnavailable
from settings.ports.people import Teller
from settings.ports.vendors import CrmVendor

_DESCRIPTION = """
Which workspace has sync switched on, for which app, and the tokens of its accounts.
Every variable it reads is described in docs/configuration.md.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m settings",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "verb",
        nargs="?",
        choices=["serve", "migrate", "rotate-keys"],
        default="serve",
        help="serve (default); migrate: bring the database's schema up to date and end; "
        "rotate-keys: encrypt every stored token with the newest key and end",
    )
    verb = parser.parse_args(arguments).verb
    if verb == "migrate":
        migration = MigrationConfig.load()
        log.configure("settings", migration.log_level)
        run(_migrate(migration))
    else:
        config, vendors = SettingsConfig.load_with([offer.variables for offer in OFFERS])
        log.configure("settings", config.log_level)
        tracing.configure("settings", config.otlp_endpoint)
        if verb == "rotate-keys":
            run(_rotate_keys(config))
        else:
            run(_serve(config, vendors, SystemClock()))


async def _migrate(config: MigrationConfig) -> None:
    try:
        before, after = await SCHEMA.migrate(config.settings_database_url.get_secret_value())
    except NewerSchema:
        raise SystemExit("The schema belongs to a newer release; run that release.") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # The message itself may quote the address, and with it the password.
        raise SystemExit(f"PostgreSQL: {type(error).__name__}; nothing was changed.") from None
    log.get(__name__).info("schema.migrated", before=before, after=after)


async def _rotate_keys(config: SettingsConfig) -> None:
    database = await Database.open(config.settings_database_url.get_secret_value(), 1)
    try:
        done = await rotate(database, Keyring(by_name(config.settings_token_keys)))
    except StoreUnavailable as error:
        raise SystemExit(f"PostgreSQL: {error}; run it again to go on.") from None
    finally:
        await database.close()
    log.get(__name__).info("keys.rotated", values=done.values, unreadable=done.unreadable)
    if done.unreadable:
        raise SystemExit(
            f"{done.unreadable} stored value(s) need a key that is not in LULL_SETTINGS_TOKEN_KEYS."
        )


async def _serve(config: SettingsConfig, vendors: Sequence[VendorVariables], clock: Clock) -> None:
    health = Health("settings")
    database = await Database.open(
        config.settings_database_url.get_secret_value(), config.settings_database_connections
    )
    keyring = Keyring(by_name(config.settings_token_keys))
    client = http.new_client()
    store = PostgresConnections(database, keyring)
    installations = Installations(PostgresInstallations(database), clock)
    deadline = timedelta(seconds=config.settings_vendor_timeout_s)
    api_urls = by_region(config.intercom_api_urls)
    link_urls = by_region(config.intercom_link_urls)

    def our_client(name: str, client_id: str, client_secret: str) -> Client:
        return Client(
            id=client_id,
            secret=client_secret,
            http=client,
            clock=clock,
            deadline=deadline,
            peer=health.peer(name),
        )

    intercom = Intercom(
        client=our_client(
            "intercom",
            config.intercom_client_id,
            config.intercom_client_secrets[0].get_secret_value(),
        ),
        older_secrets=[one.get_secret_value() for one in config.intercom_client_secrets[1:]],
        app_url=config.intercom_app_url.rstrip("/"),
        api_urls=api_urls,
    )
    crms = _crms(vendors, our_client)
    connections = Connections(
        store=store,
        installations=installations.store,
        authorizations=PostgresAuthorizations(database, keyring),
        intercom=intercom,
        crms=crms,
        regions=frozenset(api_urls) & frozenset(link_urls),
        public_url=config.settings_public_url,
        clock=clock,
    )
    access = Access(store, intercom, crms, clock, deadline)
    sign_in = SignIn(
        PostgresSessions(database, config.lifetimes),
        connections,
        installations.store,
        config.lifetimes,
        clock,
    )
    peers = http.new_client()
    history = History(
        PostgresHistory(database),
        HttpPending(peers, health.peer("debounce"), config.settings_debounce_urls),
        HttpDeliveries(
            peers,
            health.peer("delivery"),
            config.settings_delivery_url,
            None
            if config.settings_delivery_token is None
            else config.settings_delivery_token.get_secret_value(),
        ),
        installations,
        clock,
    )
    names = TeammateNames(access, intercom)
    visitors = Visitors(
        sign_in,
        installations,
        names,
        history,
        cookie_rule(config.settings_public_url),
        config.quiet_period,
    )
    links = Links(link_urls, crms)
    leaving = Leaving(installations, store, access, crms)
    options = OptionChanges(installations, access, crms)
    retrying = Retrying(history.store, history.deliveries, installations.store, clock)
    forgetting = Forgetting(leaving, installations, history.store, history.deliveries, clock)
    console = console_app(
        visitors,
        [
            Signing(
                visitors, connections, Limit(config.settings_sign_ins_per_minute), config.proxies
            ),
            WorkspacePages(visitors, installations, connections, history),
            AppPages(visitors, installations, connections, leaving, options),
            HistoryPages(visitors, installations, history, retrying, links),
            ConversationPages(visitors, installations, history, links),
            AdminPages(visitors, installations, forgetting, PostgresAudit(database)),
        ],
        config.settings_public_url,
    )
    operator_api = public_app(
        installations,
        connections,
        leaving,
        forgetting,
        options,
        accepted(config.settings_operator_token),
    )
    broker = new_broker(config, "settings")
    relay = Relay(
        database,
        broker,
        config.kafka_topic_prefix,
        clock,
        health.peer("kafka"),
        health.loop("outbox"),
    )
    reports = Reports(
        database,
        config,
        partial(dead_letter, broker, source="settings", clock=clock),
        health.peer("reports"),
        health.loop("reports"),
    )
    telling = Telling(
        PostgresNotices(database),
        history,
        _tellers(config, peers, clock, names),
        config.settings_notices_every_s,
    )
    telling_loop = health.loop("notices", longest_pause_s=config.settings_notices_every_s + 600)
    sweeping = health.loop("history", longest_pause_s=1_200)
    postgres, watching = health.need("postgres"), health.loop("postgres")

    idle, idling = Idle(store, access, clock), health.loop("idle connections")

    async def watch_postgres(stop: asyncio.Event) -> None:
        await watch(database, postgres, watching, stop)

    async def refresh_idle(stop: asyncio.Event) -> None:
        await idle.run(idling, stop)

    async def sweep_history(stop: asyncio.Event) -> None:
        await sweep(history, timedelta(days=config.settings_history_days), sweeping, stop)

    async def tell_admins(stop: asyncio.Event) -> None:
        await telling.run(stop, telling_loop)

    async def close() -> None:
        await access.finish()
        await broker.stop()
        await client.aclose()
        await peers.aclose()
        await database.close()

    await serve(
        health,
        [
            Listener(
                "public",
                Front(operator_api, console),
                config.settings_host,
                config.settings_port,
            ),
            Listener(
                "internal",
                internal_app(
                    installations,
                    access,
                    by_name(config.settings_caller_tokens),
                    api_urls,
                    link_urls,
                ),
                config.settings_internal_host,
                config.settings_internal_port,
            ),
            Listener("health", health.app(), config.health_host, config.settings_health_port),
        ],
        {
            "outbox": relay.run,
            "postgres": watch_postgres,
            "idle": refresh_idle,
            "reports": reports.run,
            "history": sweep_history,
            "notices": tell_admins,
        },
        close,
    )


def _tellers(
    config: SettingsConfig, client: httpx.AsyncClient, clock: Clock, names: TeammateNames
) -> list[Teller]:
    """The ways to reach admins that are configured."""
    tellers: list[Teller] = []
    url, secret = config.settings_webhook_url, config.settings_webhook_secret
    if url is not None and secret is not None:
        console_url = config.settings_public_url
        tellers.append(Webhook(client, clock, url, accepted(secret), console_url))
    if config.settings_smtp_url is not None:
        server = config.settings_smtp_url.get_secret_value()
        tellers.append(
            Mail(server, config.settings_mail_from, config.settings_public_url, names.address_of)
        )
    return tellers


def _crms(
    vendors: Sequence[VendorVariables], our_client: Callable[[str, str, str], Client]
) -> dict[str, CrmVendor]:
    """The CRMs that this deployment holds a client of, by name."""
    crms: dict[str, CrmVendor] = {}
    for offer, variables in zip(OFFERS, vendors, strict=True):
        credentials = variables.credentials()
        if credentials is not None:
            crms[offer.name] = offer.new(our_client(offer.name, *credentials), variables)
    return crms
