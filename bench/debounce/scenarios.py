"""What is measured, one function each; every one answers a row of figures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from bench.debounce.check import Checker, Verdict
from bench.debounce.contenders import Contender
from bench.debounce.load import Load, name
from bench.debounce.outputs import Ends, Outputs, reader
from bench.debounce.running import Moment, Running

Row = dict[str, Any]

LOOK_EVERY_S = 0.1
DONE_AFTER_S = 4.0  # no more outputs for so long, once there are enough
LONGEST_PAUSE_S = 75.0  # a killed member's partitions wait out its session: 45 s by default
FORGET_S = 60.0
KILL_AT = 0.4  # of the expected outputs


async def throughput(
    load: Load, checker: Checker, contender: Contender, run: str, folder: Path, limit_s: float
) -> Row:
    """Read the whole log from its beginning, until all is settled."""
    await forget(load, contender)
    async with reader(load) as outputs:
        begin = await outputs.ends()
        running = Running(contender, load, run, folder)
        try:
            done = await _until_done(running, outputs, begin, checker.expected, limit_s)
            peak = running.peak_rss()
        finally:
            running.stop()
        verdict = checker.judge(await outputs.since(begin), name)
    ready = running.ready or Moment(0, 0)
    updates = len(load.updates.conversations)
    if not contender.ours:
        updates = min(updates, running.processed)  # where the limit ended it
    return {
        "scenario": "throughput",
        "contender": contender.name,
        "updates": len(load.updates.conversations),
        "read": updates,
        "start_s": ready.at_s,
        "start_cpu_s": ready.cpu_s,
        "wall_s": done.at_s - ready.at_s,
        "cpu_s": done.cpu_s - ready.cpu_s,
        "updates_per_s": updates / (done.at_s - ready.at_s),
        "updates_per_cpu_s": updates / (done.cpu_s - ready.cpu_s),
        "updates_per_cpu_s_with_start": updates / done.cpu_s,
        "peak_rss": peak,
        **_figures(verdict),
    }


async def killed(
    load: Load, checker: Checker, contender: Contender, run: str, folder: Path, limit_s: float
) -> Row:
    """End it by kill -9 in the middle of the log; started again at once."""
    await forget(load, contender)
    async with reader(load) as outputs:
        begin = await outputs.ends()
        running = Running(contender, load, run, folder)
        try:
            at_kill = await _until_outputs(
                running, outputs, begin, KILL_AT * checker.expected, limit_s
            )
            running.kill()
            after = await outputs.ends()
            running = Running(contender, load, run, folder)
            first = await _until_outputs(running, outputs, after, 1, limit_s)
            done = await _until_done(running, outputs, begin, checker.expected, limit_s)
        finally:
            running.stop()
        verdict = checker.judge(await outputs.since(begin), name)
    return {
        "scenario": "killed",
        "contender": contender.name,
        "updates": len(load.updates.conversations),
        "outputs_at_kill": at_kill,
        "first_output_s": first and running.first_s,
        "done_s": done.at_s,
        **_figures(verdict),
    }


async def pending(
    load: Load,
    contender: Contender,
    run: str,
    folder: Path,
    *,
    conversations: int,
    recover: bool,
    limit_s: float,
) -> Row:
    """So many pending conversations, then updates of them, none of which settles.

    The log is one update of each, then updates of random ones. What an update costs is the slope
    of CPU time over the second part.
    """
    await forget(load, contender)
    total = len(load.updates.conversations)
    running = Running(contender, load, run, folder)
    try:
        samples = await _until_read(running, total, conversations, limit_s)
        await asyncio.sleep(1)
        row: Row = {
            "scenario": "pending",
            "contender": contender.name,
            "pending": conversations,
            "updates": total - conversations,
            "finished": bool(samples) and samples[-1][0] >= total,
            "rss": running.rss(),
            "peak_rss": running.peak_rss(),
            "us_per_update": slope_us(samples, conversations, total),
        }
        if recover and row["finished"]:
            await asyncio.sleep(contender.commits_each_s * 1.2 + 1)
            running.kill()
            began = time.monotonic()
            probes = await load.probe()
            running = Running(contender, load, run, folder)
            reached = await _until_caught_up(running, conversations + probes, probes, limit_s)
            row["caught_up_s"] = time.monotonic() - began if reached else None
            row["caught_up_cpu_s"] = running.now().cpu_s
            row["ready_s"] = running.ready.at_s if running.ready else None
    finally:
        running.stop()
    return row


async def forget(load: Load, contender: Contender) -> None:
    """Our group's commits, so that a run begins at the beginning; peers get a new group each.

    A static member stays in its group until its session ends, so this may take half a minute.
    """
    if not contender.ours:
        return
    consumer = AIOKafkaConsumer(
        bootstrap_servers=load.bootstrap,
        group_id=f"{load.prefix}debounce",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        places = [TopicPartition(load.updated, number) for number in range(load.partitions)]
        consumer.assign(places)
        async with asyncio.timeout(FORGET_S):
            while True:
                with suppress(KafkaError):  # while the group still has its member
                    await consumer.commit(dict.fromkeys(places, 0))
                    return
                await asyncio.sleep(LOOK_EVERY_S)
    finally:
        await consumer.stop()


def _figures(verdict: Verdict) -> Row:
    return asdict(verdict)


async def _count(outputs: Outputs, begin: Ends) -> int:
    return sum((await outputs.ends()).values()) - sum(begin.values())


async def _until_done(
    running: Running, outputs: Outputs, begin: Ends, expected: int, limit_s: float
) -> Moment:
    """The moment of the last output, once enough are there and no more come."""
    count, last = -1, running.now()
    while True:
        now, found = running.now(), await _count(outputs, begin)
        if found != count:
            count, last = found, now
        # The first may take any time: those of a session window come with a commit.
        pause_s = DONE_AFTER_S if count >= expected else LONGEST_PAUSE_S if count else limit_s
        if now.at_s - last.at_s > pause_s:
            return last
        if now.at_s > limit_s or not running.alive():
            return last
        await asyncio.sleep(LOOK_EVERY_S)


async def _until_outputs(
    running: Running, outputs: Outputs, begin: Ends, wanted: float, limit_s: float
) -> int:
    while True:
        found = await _count(outputs, begin)
        if found >= wanted or running.now().at_s > limit_s or not running.alive():
            running.first_s = running.now().at_s
            return found
        await asyncio.sleep(LOOK_EVERY_S)


Sample = tuple[int, float]  # records read, CPU seconds


async def _until_read(
    running: Running, total: int, conversations: int, limit_s: float
) -> list[Sample]:
    samples: list[Sample] = []
    read: Callable[[], Awaitable[int]] = _reads(running, total)
    while running.now().at_s < limit_s and running.alive():
        records, cpu_s = await read(), running.now().cpu_s
        if records > 0 and running.ready:
            samples = samples or [(0, running.ready.cpu_s)]
            samples.append((records, cpu_s))
        if records >= total:
            break
        await asyncio.sleep(0.25)
    return samples


def _reads(running: Running, total: int) -> Callable[[], Awaitable[int]]:
    async def read() -> int:
        if not running.contender.ours:
            return running.processed
        _, lag = await running.progress()
        return total - lag if lag >= 0 else 0

    return read


def slope_us(samples: list[Sample], begin: int, end: int) -> float | None:
    """CPU time per record between two counts of records, in microseconds.

    None where the contender was not seen between them: it was over before anyone looked.
    """
    if not samples or samples[-1][0] < end or not any(begin < read < end for read, _ in samples):
        return None
    return (_cpu_at(samples, end) - _cpu_at(samples, begin)) / (end - begin) * 1e6


def _cpu_at(samples: list[Sample], records: int) -> float:
    """Between two samples, in proportion."""
    before = samples[0]
    for sample in samples:
        if sample[0] >= records:
            span = sample[0] - before[0]
            share = (records - before[0]) / span if span else 1.0
            return before[1] + share * (sample[1] - before[1])
        before = sample
    return before[1]


async def _until_caught_up(
    running: Running, wanted_pending: int, probes: int, limit_s: float
) -> bool:
    """Everything read again, what was appended after the kill too; all known to be pending."""
    while running.now().at_s < limit_s and running.alive():
        with suppress(OSError):
            if running.contender.ours:
                found, lag = await running.progress()
                if lag == 0 and found == wanted_pending:
                    return True
            elif running.probes >= probes:
                return True
        await asyncio.sleep(LOOK_EVERY_S)
    return False
