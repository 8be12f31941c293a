"""One run: a backlog worked off, or conversations settled one by one with nothing in the way."""

import asyncio
import json
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from bench.delivery.world import Settling, World
from devstack import Stack

Row = dict[str, Any]
START_S = 60.0
LOOK_EVERY_S = 0.5
# The first and last tenth of a backlog are not counted: caches are cold, then workers idle.
COUNTED = (0.1, 0.9)
WARM_UP = 200
_STATEMENT = re.compile(r" LOG:  (statement|execute [^:]+): ")


class Vendors:
    """The answering process."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.delivery.answering", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self.pid = self._process.pid

    def figures(self) -> Row:
        with urllib.request.urlopen(f"{self.url}/_figures", timeout=30) as answer:  # noqa: S310
            found: Row = json.loads(answer.read())
            return found

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None  # noqa: S101 - asked for
            pipe.close()
        self._process.wait(20)


@contextmanager
def vendors(delay_ms: float, *options: str) -> Iterator[Vendors]:
    running = Vendors("--delay-ms", str(delay_ms), *options)
    try:
        yield running
    finally:
        running.close()


class Cpu:
    """CPU time of each part, from now on."""

    def __init__(self, parts: dict[str, int | None]) -> None:
        self._parts = {name: psutil.Process(pid) for name, pid in parts.items() if pid}
        self._before = {name: _cpu_s(process) for name, process in self._parts.items()}

    def used(self) -> dict[str, float]:
        return {name: _cpu_s(process) - self._before[name] for name, process in self._parts.items()}


async def backlog(
    stack: Stack,
    folder: Path,
    *,
    delay_ms: float,
    workspaces: int,
    notes: int,
    replicas: int,
    limit_s: float,
) -> Row:
    """So many conversations are settled before delivery starts; how fast their notes come."""
    with vendors(delay_ms) as answering:
        world = World(stack, folder, answering.url)
        try:
            await world.prepare(workspaces)
            async with world.settling() as settling:
                await settling.settle_all(range(1, notes + 1), workspaces)
            parts = await start(world, stack, answering, replicas)
            cpu = Cpu(parts)
            began = time.monotonic()
            made = await until(lambda: len(answering.figures()["made"]), notes, limit_s)
            took = time.monotonic() - began
            used = cpu.used()
            figures = answering.figures()
        finally:
            world.close()
        at = sorted(figures["made"].values())
        first, last = (at[int(share * (len(at) - 1))] for share in COUNTED)
        return {
            "scenario": "backlog",
            "delay_ms": delay_ms,
            "workspaces": workspaces,
            "notes": notes,
            "replicas": replicas,
            "made": made,
            "doubled": figures["doubled"],
            "took_s": took,
            "notes_per_s": (COUNTED[1] - COUNTED[0]) * len(at) / (last - first),
            "calls_per_note": figures["requests"] / made,
            "cpu_ms_per_note": {name: 1000 * seconds / made for name, seconds in used.items()},
        }


async def statements(
    stack: Stack, folder: Path, log: Path, *, delay_ms: float, workspaces: int, notes: int
) -> Row:
    """A backlog again, with every statement logged, which makes it slower."""
    with vendors(delay_ms) as answering:
        world = World(stack, folder, answering.url)
        try:
            await world.prepare(workspaces)
            await _log_statements(world)
            async with world.settling() as settling:
                await settling.settle_all(range(1, notes + 1), workspaces)
                before = _logged(log)
                await start(world, stack, answering, 1)
                made = await until(lambda: len(answering.figures()["made"]), notes, START_S * 5)
                logged = _logged(log) - before
        finally:
            world.close()
        return {
            "scenario": "statements",
            "delay_ms": delay_ms,
            "workspaces": workspaces,
            "notes": notes,
            "statements_per_note": logged / made,
        }


async def idle(
    stack: Stack, folder: Path, *, delay_ms: float, workspaces: int, per_s: float, seconds: float
) -> Row:
    """Conversations settled now and then; how long until each note is at the CRM."""
    with vendors(delay_ms) as answering:
        world = World(stack, folder, answering.url)
        try:
            await world.prepare(workspaces)
            await start(world, stack, answering, 1)
            async with world.settling() as settling:
                await warm_up(settling, answering, workspaces)
                settled = await now_and_then(settling, workspaces, per_s, seconds)
            await until(lambda: len(answering.figures()["made"]), WARM_UP + len(settled), START_S)
            made = answering.figures()["made"]
        finally:
            world.close()
        waits = waits_of(made, settled)
        return {
            "scenario": "idle",
            "delay_ms": delay_ms,
            "workspaces": workspaces,
            "notes": len(waits),
            "p50_s": quantile(waits, 0.5),
            "p99_s": quantile(waits, 0.99),
            "max_s": waits[-1],
        }


async def warm_up(settling: Settling, answering: Vendors, workspaces: int) -> None:
    await settling.settle_all(range(1, WARM_UP + 1), workspaces)
    await until(lambda: len(answering.figures()["made"]), WARM_UP, START_S)


async def now_and_then(
    settling: Settling, workspaces: int, per_s: float, seconds: float
) -> dict[str, float]:
    """Settle one conversation after the other, at random; when each was, by its id."""
    settled: dict[str, float] = {}
    number, until = 100_000, time.monotonic() + seconds
    while time.monotonic() < until:
        number += 1
        settled[str(number)] = time.time()
        await settling.settle(number, random.randrange(workspaces))
        await asyncio.sleep(random.expovariate(per_s))
    return settled


def waits_of(made: dict[str, float], settled: dict[str, float]) -> list[float]:
    return sorted(made[name] - at for name, at in settled.items())


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so large a share is not above."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


async def start(
    world: World, stack: Stack, answering: Vendors, replicas: int
) -> dict[str, int | None]:
    settings = world.start("settings", "settings")
    internal = (await addresses(settings))["internal"]
    for number in range(replicas):
        world.start(
            "delivery",
            f"delivery-{number}",
            LULL_DELIVERY_SETTINGS_URL=internal,
            LULL_DELIVERY_INSTANCE_ID=f"delivery-{number}",
        )
    for number in range(replicas):
        await addresses(world.services[f"delivery-{number}"])
    parts: dict[str, int | None] = {name: one.pid for name, one in world.services.items()}
    servers = {"kafka": stack.kafka_pid, "postgres": stack.postgres_pid}
    return parts | {"vendors": answering.pid} | servers


async def addresses(process: Any) -> dict[str, str]:
    async with asyncio.timeout(START_S):
        while True:
            found: dict[str, str] | None = process.addresses()
            if found:
                return found
            await asyncio.sleep(0.05)


def _cpu_s(process: psutil.Process) -> float:
    """With all its children; those that ended count as its own."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:2])
    return total


async def _log_statements(world: World) -> None:
    """Delivery's sessions from now on; its database is the only one whose statements are logged."""
    connection = await asyncpg.connect(world.stack.postgres_dsn)
    try:
        await connection.execute(f"ALTER DATABASE delivery_{world.name} SET log_statement = 'all'")
    finally:
        await connection.close()


def _logged(log: Path) -> int:
    """BEGIN and COMMIT are statements too."""
    with log.open(errors="replace") as lines:
        return sum(bool(_STATEMENT.search(line)) for line in lines)


async def until(count: Callable[[], int], wanted: int, limit_s: float) -> int:
    until, found = time.monotonic() + limit_s, 0
    while time.monotonic() < until:
        found = await asyncio.to_thread(count)
        if found >= wanted:
            return found
        await asyncio.sleep(LOOK_EVERY_S)
    raise RuntimeError(f"{found} of {wanted} notes within {limit_s:.0f} s")
