"""`lull topics`: the topics, declared in `common.topics`, made on the cluster."""

import asyncio
import logging
import time
from typing import Annotated

import typer
from aiokafka.errors import InvalidReplicationFactorError, KafkaError
from common.config import KafkaConfig, ServiceConfig
from common.topics import TopicsDifferError, create_topics

from lull.calling import EXIT_REFUSED, EXIT_UNREACHABLE, failure, loaded

_PAUSE_S = 0.5

topics = typer.Typer(
    help="Kafka's topics.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


class TopicsConfig(ServiceConfig, KafkaConfig):
    """The part of the configuration that the topics depend on."""


@topics.callback()
def _topics() -> None:
    pass


@topics.command()
def create(
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for Kafka to answer.", min=0.0, metavar="SECONDS")
    ] = 60.0,
) -> None:
    """Create the topics that are missing, and check those that exist. Safe to repeat.

    Exit codes: 0 all are there; 1 refused, or an existing topic differs; 2 wrong usage or
    configuration; 3 Kafka did not answer in time.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # the sentences below say it better
    config = loaded(TopicsConfig)
    try:
        created = asyncio.run(_create(config, wait))
    except (OSError, TimeoutError, KafkaError) as error:
        raise _explained(error, config, wait) from None
    except TopicsDifferError as error:
        raise failure(
            f"A topic exists with other settings than Lull needs; nothing was changed.\n{error}",
            EXIT_REFUSED,
        ) from None
    for name in created:
        typer.echo(f"created {name}")
    typer.echo("All topics are there." if created else "All topics were there already.")


async def _create(config: KafkaConfig, wait_s: float) -> list[str]:
    """Try until Kafka answers; only having no connection is waited for."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 1.0)):
                return await create_topics(config)
        except (OSError, TimeoutError, KafkaError) as error:
            if not _is_absence(error) or time.monotonic() + _PAUSE_S >= deadline:
                raise
        await asyncio.sleep(_PAUSE_S)


def _is_absence(error: Exception) -> bool:
    return isinstance(error, OSError | TimeoutError) or bool(getattr(error, "retriable", False))


def _explained(error: Exception, config: KafkaConfig, wait_s: float) -> typer.Exit:
    if isinstance(error, InvalidReplicationFactorError):
        return failure(
            f"The cluster has fewer brokers than the {config.kafka_replication_factor} copies "
            "asked for: set LULL_KAFKA_REPLICATION_FACTOR, or add brokers.",
            EXIT_REFUSED,
        )
    if _is_absence(error):
        servers = ", ".join(config.kafka_bootstrap_servers)
        return failure(
            f"Kafka did not answer at {servers} within {wait_s:g} s ({type(error).__name__}). "
            "Is it running, and is LULL_KAFKA_BOOTSTRAP_SERVERS right?",
            EXIT_UNREACHABLE,
        )
    return failure(f"Kafka refused: {error}", EXIT_REFUSED)
