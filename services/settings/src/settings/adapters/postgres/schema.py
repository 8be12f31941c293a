"""Bringing the schema up to date, and asking whether it is: alembic's revisions, run by asyncpg."""

import asyncio
import io
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from settings.adapters.postgres.database import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from settings.adapters.postgres.database import AnyConnection

_LOCK = 7_451_100_830_001  # any number that no other part of the product locks
_CURRENT = "SELECT version_num FROM alembic_version"


class NewerSchema(Exception):
    """The database was migrated by a newer release, which this one cannot add to."""


async def migrate(dsn: str) -> tuple[str | None, str]:
    """Apply what is missing; returns the revision before and after. Safe to race and repeat.

    A session lock keeps two apart from the first look to the commit; it ends with the session,
    so a migration that is killed leaves nothing locked and nothing half done.
    """
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        before = await current_revision(connection)
        target = newest_revision()
        if before != target:
            if before is not None and not is_known(before):
                raise NewerSchema(before)
            # Alembic imports its scripts and reads files: not on the loop.
            sql = await asyncio.to_thread(_sql_from, before)
            async with connection.transaction():
                await connection.execute(sql)
        return before, target
    finally:
        await connection.close()


async def current_revision(
    connection: "AnyConnection",
) -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval(_CURRENT)
    return revision


def newest_revision() -> str:
    head = _scripts().get_current_head()
    assert head is not None  # noqa: S101 - there is a first migration
    return head


def is_known(revision: str) -> bool:
    """Whether this release has it: one it does not know was made by a newer release."""
    try:
        return _scripts().get_revision(revision) is not None
    except CommandError:
        return False


def _config() -> Config:
    config = Config(output_buffer=io.StringIO())
    config.set_main_option(
        "script_location", str(resources.files("settings").joinpath("migrations"))
    )
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _sql_from(revision: str | None) -> str:
    config = _config()
    command.upgrade(config, f"{revision or 'base'}:head", sql=True)
    buffer = config.output_buffer
    assert isinstance(buffer, io.StringIO)  # noqa: S101 - made above
    return buffer.getvalue()
