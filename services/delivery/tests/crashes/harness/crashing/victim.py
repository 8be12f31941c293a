"""A process of its own that makes one attempt, and is killed at one point of it.

Forked from a server that has imported everything and holds no event loop, so that it costs
milliseconds; its connections are its own.
"""

import asyncio
import multiprocessing
import signal
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection

import httpx
import pytest
from delivery.adapters.postgres import PostgresLedger
from delivery.domain.answer import Result
from delivery.ports import Claim
from delivery.simulation.many import be_silent

from crashing.plants import PLANTS
from crashing.replica import Place, Wiring, replica, slow, unchanged
from crashing.tracing import Point, Tracer

HANGS_AFTER_S = 180  # an attempt takes less than one; a machine that is shared may take its time

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", __name__])
# Made once for all processes: nothing here is encrypted, and it takes longer than an attempt.
_TLS = httpx.create_ssl_context()


def start_forking(folder: str) -> None:
    """Start the server; `folder` is where it finds this harness, which it is not told otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", folder)
        forkserver.ensure_running()


@dataclass(frozen=True, slots=True)
class Ordeal:
    wiring: Wiring
    place: Place
    fatal: Point | None
    loses_row: bool
    plant: str | None
    slowly: bool = False  # its calls wait for their turns


async def undergo(ordeal: Ordeal) -> list[Point] | None:
    """The points that were passed; None: it was killed."""
    hears, says = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_main, args=(ordeal, says), daemon=True)
    process.start()
    says.close()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(hears.fileno(), ended.set)  # an answer, or the end
    try:
        async with asyncio.timeout(HANGS_AFTER_S):
            await ended.wait()
    finally:
        loop.remove_reader(hears.fileno())
    try:
        points: list[Point] = hears.recv()
    except EOFError:
        points = []
    hears.close()
    process.join()
    code = process.exitcode
    process.close()
    if code == -signal.SIGKILL:
        return None
    assert code == 0, f"the attempt's process ended with {code}"
    return points


def _main(ordeal: Ordeal, says: Connection) -> None:
    be_silent()
    httpx.create_ssl_context = lambda *_, **__: _TLS
    if ordeal.plant is not None:
        PLANTS[ordeal.plant](pytest.MonkeyPatch())
    says.send(asyncio.run(_attempt(ordeal)))


async def _attempt(ordeal: Ordeal) -> list[Point]:
    tracer = Tracer(ordeal.fatal)
    ledger = _LostRow if ordeal.loses_row else PostgresLedger
    pace = slow if ordeal.slowly else unchanged
    async with replica(ordeal.wiring, [ordeal.place.crm], ledger, pace=pace) as one:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(tracer.task)
        await loop.create_task(one.attempt(ordeal.place))
        loop.set_task_factory(None)
    return tracer.points


class _LostRow(PostgresLedger):
    """Its lease ends during the attempt, and another claims the row: as for a frozen process."""

    async def finish(self, claim: Claim, result: Result) -> None:
        async with self._connection() as connection:
            await connection.execute(
                "UPDATE ledger SET lease_token = gen_random_uuid() WHERE lease_token = $1",
                claim.token,
            )
        await super().finish(claim, result)
