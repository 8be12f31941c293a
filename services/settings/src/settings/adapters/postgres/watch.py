"""Is PostgreSQL there, with a schema this release can work on? Says so on /readyz."""

import asyncio
import contextlib

from common import log
from common.health import Loop, Need

from settings.adapters.postgres.database import Database
from settings.adapters.postgres.schema import current_revision, is_known, newest_revision
from settings.ports.faults import StoreUnavailable

_log = log.get(__name__)

_PAUSE_S = 1.0


async def watch(database: Database, need: Need, loop: Loop, stop: asyncio.Event) -> None:
    newest = newest_revision()
    while not stop.is_set():
        fault = await _fault(database, newest)
        if fault != need.fault:
            _log.info("postgres.state", fault=fault)
        if fault is None:
            need.met()
        else:
            need.missing(fault)
        loop.beat()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PAUSE_S)


async def _fault(database: Database, newest: str) -> str | None:
    try:
        async with database.connection() as connection:
            revision = await current_revision(connection)
    except StoreUnavailable:
        return "PostgreSQL cannot be reached"
    # A revision we do not know is a newer release's, rolled out ahead of us; ours still fits it.
    if revision is None or (revision != newest and is_known(revision)):
        return "the schema is missing or old: run `python -m settings migrate`"
    return None
