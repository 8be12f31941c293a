"""The database's schema: brought up to date by `python -m delivery migrate`, checked at the start.

Alembic writes the SQL and asyncpg runs it, so that no second driver is needed.
"""

import io
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

_MIGRATIONS = Path(__file__).parents[1] / "migrations"
# Any number, the same in every process: two migrations at once would race for the same tables.
_LOCK_KEY = 0x4C44_4C56

MISSING = "the database schema is not there; run `python -m delivery migrate`"


def _config(output: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=output or io.StringIO())
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def head() -> str:
    """The revision that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


async def current(
    connection: "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy[Any]",
) -> str | None:
    """The database's revision; None where nothing was migrated yet."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def migrate(dsn: str) -> tuple[str | None, str]:
    """Bring the schema up to date; (revision before, revision now). Safe to race and to repeat."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
        before = await current(connection)
        if before != head():
            async with connection.transaction():
                await connection.execute(_sql(before))
        return before, head()
    finally:
        await connection.close()


def _sql(since: str | None) -> str:
    written = io.StringIO()
    command.upgrade(_config(written), f"{since or 'base'}:head", sql=True)
    return written.getvalue()
