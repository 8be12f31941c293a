"""A service's tables: brought up to date by `python -m <service> migrate`, and looked at.

Alembic writes the SQL and asyncpg runs it, so that one driver is enough. A service that has tables
depends on both; no other loads this module.
"""

import asyncio
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy[Any]"
_CONNECT_TIMEOUT_S = 10.0


class NewerSchema(Exception):
    """A newer release migrated the database, and this one cannot add to it."""


@dataclass(frozen=True, slots=True)
class Schema:
    service: str
    migrations: Path  # Alembic's folder: env.py, and versions with a number each
    lock: int  # any number: two migrations at once would race for the same tables

    @property
    def missing(self) -> str:
        return f"the schema is missing or old: run `python -m {self.service} migrate`"

    def head(self) -> str:
        """The revision that this code needs. Revisions are numbered, and so are their files."""
        versions = (self.migrations / "versions").glob("[0-9]*.py")
        return max(path.name.partition("_")[0] for path in versions)

    async def is_there(self, connection: Connection) -> bool:
        """Migrated as far as this code needs; or further, as migrations keep older code working."""
        revision = await self.current(connection)
        return revision is not None and revision >= self.head()

    async def current(self, connection: Connection) -> str | None:
        """The database's revision; None where nothing was migrated yet."""
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return revision

    async def migrate(self, dsn: str, to: str | None = None) -> tuple[str | None, str]:
        """Apply what is missing; (revision before, revision now). Safe to race and to repeat.

        A session lock keeps two apart from the first look to the commit. It ends with the session,
        so a migration that is killed leaves nothing locked and nothing half done.

        Args:
            dsn: the database's address, of a role that may change tables.
            to: an older revision to stop at, for tests of what a later one does with rows.

        Raises:
            NewerSchema: the database is further than that.

        """
        goal = to or self.head()
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_TIMEOUT_S)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", self.lock)
            before = await self.current(connection)
            if before is not None and before > goal:
                raise NewerSchema(before)
            if before != goal:
                # Alembic imports its scripts and reads files: not on the loop.
                sql = await asyncio.to_thread(self._sql, before, goal)
                async with connection.transaction():
                    await connection.execute(sql)
            return before, goal
        finally:
            await connection.close()

    def _sql(self, since: str | None, to: str) -> str:
        # Loaded here alone: it brings SQLAlchemy along, a third of what a service would load.
        from alembic import command
        from alembic.config import Config

        written = io.StringIO()
        config = Config(output_buffer=written)
        config.set_main_option("script_location", str(self.migrations))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, f"{since or 'base'}:{to}", sql=True)
        return written.getvalue()
