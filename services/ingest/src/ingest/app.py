"""Composition root: configuration -> Kafka -> handlers -> the running service."""

import argparse

from common import log, tracing
from common.clock import SystemClock
from common.health import Health
from common.service import Listener, run, serve

from ingest.adapters.kafka import KafkaEventLog
from ingest.api import new_api
from ingest.config import IngestConfig
from ingest.handlers import Ingest


async def start(config: IngestConfig) -> None:
    health = Health("ingest")
    events = KafkaEventLog(config, SystemClock(), health.need("kafka"), health.loop("kafka"))
    ingest = Ingest(events, config.webhook_secrets(), config.action_tokens())
    await serve(
        health,
        [
            Listener("ingest", new_api(ingest, config), config.ingest_host, config.ingest_port),
            Listener("health", health.app(), config.health_host, config.ingest_health_port),
        ],
        {"kafka": events.watch},
        events.close,
    )


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
