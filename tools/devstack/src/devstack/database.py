"""Roles and databases on the development PostgreSQL: each service gets its own pair."""

from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from devstack.apart import run_apart
from devstack.errors import DevStackError

# Any number, the same in every process: creating a role or database twice at once is an error.
LOCK_KEY = 0x4C554C4C


def ensure_database(dsn: str, name: str, role: str, password: str) -> str:
    """Create role and database unless they are there; answers the role's own DSN.

    The role owns the database, and nobody else but a superuser may connect to it. A role that was
    there gets this password.

    Args:
        dsn: The superuser's, as `Stack.postgres_dsn`.
        name: Of the database.
        role: Who will own it and log in.
        password: For that role.

    """
    try:
        run_apart(_ensure(dsn, name, role, password))
    except (OSError, asyncpg.PostgresError) as error:
        raise DevStackError(f"Database {name} could not be made ready: {error}.") from error
    return dsn_for(dsn, name, role, password)


def dsn_for(dsn: str, name: str, role: str, password: str) -> str:
    parts = urlsplit(dsn)
    address = parts.netloc.rpartition("@")[2]
    login = f"{quote(role, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{address}", path=f"/{quote(name, safe='')}"))


async def _ensure(dsn: str, name: str, role: str, password: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
        known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
        # Utility statements take no parameters; format() quotes.
        verb = "ALTER" if known else "CREATE"
        await _execute(connection, verb + " ROLE %I LOGIN PASSWORD %L", role, password)
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await _execute(connection, "CREATE DATABASE %I OWNER %I", name, role)
        await _execute(connection, "ALTER DATABASE %I OWNER TO %I", name, role)
        await _execute(connection, "REVOKE CONNECT ON DATABASE %I FROM PUBLIC", name)
    finally:
        await connection.close()


async def _execute(connection: asyncpg.Connection, template: str, *arguments: str) -> None:
    holes = ", ".join(f"${n}::text" for n in range(2, len(arguments) + 2))
    statement = await connection.fetchval(f"SELECT format($1, {holes})", template, *arguments)
    await connection.execute(statement)


def answers(dsn: str) -> bool:
    """Whether a server that takes sessions answers there."""
    return run_apart(_answers(dsn))


async def _answers(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True
