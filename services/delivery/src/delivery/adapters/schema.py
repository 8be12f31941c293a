"""The database's schema: brought up to date by `python -m delivery migrate`, checked at the start.

Alembic writes the SQL and asyncpg runs it, so that no second driver is needed.
"""

import io
from pathlib import Path
from typing import Any

import asyncpg

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
# Any number, the same in every process: two migrations at once would race for the same tables.
_LOCK_KEY = 0x4C44_4C56

MISSING = "the database schema is not there; run `python -m delivery migrate`"


def head() -> str:
    """The revision that this code needs. Revisions are numbered, and so are their files."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


async def current(
    connection: "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy[Any]",
) -> str | None:
    """The database's revision; None where nothing was migrated yet."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def migrate(dsn: str, to: str | None = None) -> tuple[str | None, str]:
    """Bring the schema up to date; (revision before, revision now). Safe to race and to repeat.

    Args:
        to: an older revision to stop at, for tests of what a later one does with what was there.

    """
    goal = to or head()
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
        before = await current(connection)
        if before != goal:
            async with connection.transaction():
                await connection.execute(_sql(before, goal))
        return before, goal
    finally:
        await connection.close()


def _sql(since: str | None, to: str) -> str:
    # Loaded here alone: it brings SQLAlchemy along, which the service has no other use for.
    from alembic import command
    from alembic.config import Config

    written = io.StringIO()
    config = Config(output_buffer=written)
    config.set_main_option("script_location", str(_MIGRATIONS))
    command.upgrade(config, f"{since or 'base'}:{to}", sql=True)
    return written.getvalue()
