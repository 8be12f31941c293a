"""Is PostgreSQL there, with a schema this release can work on? Says so on /readyz."""

import asyncio
import contextlib

from common import log
from common.health import Loop, Need

from settings.adapters.postgres.database import Database
from settings.adapters.postgres.schema import SCHEMA
from settings.ports.faults import StoreUnavailable

_log = log.get(__name__)

_PAUSE_S = 1.0


async def watch(database: Database, need: Need, loop: Loop, stop: asyncio.Event) -> None:
    while not stop.is_set():
        fault = await _fault(database)
        if fault != need.fault:
            _log.info("postgres.state", fault=fault)
        if fault is None:
            need.met()
        else:
            need.missing(fault)
        loop.beat()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _PAUSE_S)


async def _fault(database: Database) -> str | None:
    try:
        async with database.connection() as connection:
            there = await SCHEMA.is_there(connection)
    except StoreUnavailable:
        return "PostgreSQL cannot be reached"
    return None if there else SCHEMA.missing
