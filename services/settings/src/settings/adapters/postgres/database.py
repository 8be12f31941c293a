"""A pool that outlives PostgreSQL: every wait is bounded, and its absence is one exception."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Self

import asyncpg

from settings.ports.faults import StoreUnavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]
    AnyConnection = Connection | asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

# Callers wait about this long at worst for a definite "not now".
CONNECT_TIMEOUT_S = 3.0
ACQUIRE_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 5.0

_SERVER_SETTINGS = {
    "application_name": "lull-settings",
    "statement_timeout": "5s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
}

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,  # the connection closed under our hands
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting up, query cancelled
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.LockNotAvailableError,
    asyncpg.UndefinedTableError,  # the schema is not there yet
    asyncpg.UndefinedColumnError,  # nor all of it
)


class Database:
    """Opens connections when they are asked for, so it starts with PostgreSQL down."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, dsn: str, max_connections: int) -> Self:
        return cls(
            await asyncpg.create_pool(
                dsn,
                min_size=0,
                max_size=max_connections,
                max_inactive_connection_lifetime=60,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings=_SERVER_SETTINGS,
                reset=_leave_as_it_is,
            )
        )

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator["Connection"]:
        """Raises StoreUnavailable."""
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
                yield connection
        except _AWAY as error:
            raise StoreUnavailable(type(error).__name__) from error

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator["Connection"]:
        """Raises StoreUnavailable; after a break during the commit the change may stand."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @contextlib.asynccontextmanager
    async def alone(self, lock: int) -> AsyncIterator["Connection | None"]:
        """The connection that holds this advisory lock meanwhile; None: another replica's does.

        Raises StoreUnavailable.
        """
        async with self.connection() as connection:
            try:
                ours = await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock)
                yield connection if ours else None
                if ours:
                    await connection.execute("SELECT pg_advisory_unlock($1)", lock)
            except BaseException:
                connection.terminate()  # with the session goes the lock, whether it was had or not
                raise

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._pool.close()
        except _AWAY:
            self._pool.terminate()


async def _leave_as_it_is(_connection: object) -> None:
    """Nothing but `alone` changes a session, so none has to be reset after each use."""
