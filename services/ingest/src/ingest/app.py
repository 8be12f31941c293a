"""Composition root: configuration -> Kafka -> handlers -> the running service."""

import argparse
import uuid

from common import http, log, tracing
from common.clock import SystemClock
from common.config import sent
from common.health import Health
from common.peers import HttpPending
from common.service import Listener, run, serve

from ingest.adapters.delivery import HttpActions
from ingest.adapters.kafka import KafkaEventLog
from ingest.api import new_api
from ingest.config import IngestConfig
from ingest.handlers import Ingest
from ingest.inbox import Inbox


async def start(config: IngestConfig) -> None:
    health = Health("ingest")
    events = KafkaEventLog(config, SystemClock(), health.need("kafka"), health.loop("kafka"))
    peers, calls = http.new_client(), http.Caller()
    delivery = _delivery(config, health, calls)
    ingest = Ingest(events, config.webhook_secrets(), config.action_tokens(), delivery)
    inbox = Inbox(
        delivery,
        HttpPending(peers, health.peer("debounce"), config.ingest_debounce_urls),
        config.webhook_secrets(),
        SystemClock(),
        lambda: uuid.uuid4().hex,
    )

    async def close() -> None:
        await events.close()
        await calls.aclose()
        await peers.aclose()

    await serve(
        health,
        [
            Listener(
                "ingest", new_api(ingest, inbox, config), config.ingest_host, config.ingest_port
            ),
            Listener("health", health.app(), config.health_host, config.ingest_health_port),
        ],
        {"kafka": events.watch},
        close,
    )


def _delivery(config: IngestConfig, health: Health, calls: http.Calls) -> HttpActions | None:
    """None: the inbox app is not configured, and its card says so."""
    url, token = config.ingest_delivery_url, config.delivery_actions_token
    if url is None or token is None:
        return None
    return HttpActions(calls, health.peer("delivery"), url, sent(token))


def main() -> None:
    argparse.ArgumentParser(
        "python -m ingest",
        description="Takes Intercom's webhooks and our apps' actions, and puts ids and times on "
        "Kafka. Configured by LULL_... variables, see docs/configuration.md.",
    ).parse_args()
    config = IngestConfig.load()
    log.configure("ingest", config.log_level)
    tracing.configure("ingest", config.otlp_endpoint)
    run(start(config))
