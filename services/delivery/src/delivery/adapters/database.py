"""Delivery's PostgreSQL: the pool, and a connection that says when PostgreSQL is away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from delivery.ports import LedgerAway

STATEMENT_TIMEOUT_S = 10.0

# What PostgreSQL may answer while it restarts, fails over, is full or not migrated yet.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says whose server died under it
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
)


async def new_pool(url: str, connections: int) -> asyncpg.Pool:
    """Connects only when first needed, so that a start with PostgreSQL down waits and recovers."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections,
        timeout=STATEMENT_TIMEOUT_S,
        command_timeout=STATEMENT_TIMEOUT_S,
        reset=_leave_as_it_is,
    )


async def _leave_as_it_is(_connection: object) -> None:
    """Nothing of ours changes a session, so none has to be reset after each use."""


@asynccontextmanager
async def connected(
    pool: asyncpg.Pool,
) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[Any]"]:
    """A connection; whatever says that PostgreSQL cannot answer becomes LedgerAway."""
    try:
        connection = await pool.acquire(timeout=STATEMENT_TIMEOUT_S)
    except (*_AWAY, asyncpg.PostgresError) as error:  # no way in, for whatever reason
        raise LedgerAway(type(error).__name__) from error
    try:
        yield connection
    except _AWAY as error:
        raise LedgerAway(type(error).__name__) from error
    finally:
        # Its own failure says nothing that the statement's failure did not say.
        with suppress(*_AWAY):
            await pool.release(connection)
