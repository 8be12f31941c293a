"""`lull ledger`: the ledger after a restore."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

import typer
from common.config import ServiceConfig
from pydantic import Field, SecretStr

from lull.calling import EXIT_REFUSED, EXIT_UNREACHABLE, failure, loaded
from lull.replay import instant

ledger = typer.Typer(
    help="The ledger, delivery's PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class LedgerConfig(ServiceConfig):
    """The part of delivery's configuration that leads to its database."""

    delivery_database_url: SecretStr = Field(..., description="As delivery's own.")


@ledger.callback()
def _ledger() -> None:
    pass


@ledger.command()
def distrust(
    before: Annotated[
        str,
        typer.Option(
            parser=instant,
            metavar="INSTANT",
            help="When the database that was lost took its last write; now, if in doubt.",
        ),
    ],
) -> None:
    """Say that the ledger came out of a backup. Run it before delivery is started again.

    For conversations that began before that instant, whatever has no id in the ledger is looked up
    in the CRM by its marker before anything is created; and for a day after it, so is whatever the
    inbox app's buttons may have made. Safe to repeat.

    Exit codes: 0 done; 1 refused; 2 wrong usage or configuration; 3 PostgreSQL did not answer.
    """
    config = loaded(LedgerConfig)
    url = config.delivery_database_url.get_secret_value()
    rows = asyncio.run(_distrust(url, datetime.fromisoformat(before)))
    typer.echo(
        f"Done. {rows:,} conversations have no note's id in the ledger; what began before {before} "
        "is looked up before it is created."
    )


async def _distrust(url: str, before: datetime) -> int:
    # Here alone: no other command needs the service's own code.
    import asyncpg
    from delivery.adapters.database import connected
    from delivery.adapters.postgres import PostgresLedger
    from delivery.adapters.schema import SCHEMA
    from delivery.ports import LedgerAway

    try:
        async with asyncpg.create_pool(url, min_size=0, max_size=1) as pool:
            async with connected(pool) as connection:
                there = await SCHEMA.is_there(connection)
            if not there:
                raise failure(f"Nothing was changed: {SCHEMA.missing}.", EXIT_REFUSED)
            ledger = PostgresLedger(pool, owner="lull", lease=timedelta(0), share=1)
            return await ledger.distrust(before)
    except LedgerAway as error:
        raise failure(
            f"PostgreSQL did not answer ({error}). Is it running, and is "
            "LULL_DELIVERY_DATABASE_URL right?",
            EXIT_UNREACHABLE,
        ) from None
