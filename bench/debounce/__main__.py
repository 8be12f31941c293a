"""`python -m bench.debounce <what>`: measure, and show what was measured.

Every measurement starts a Kafka of its own (tools/devstack), writes the log, and lets one
contender after the other read it. Rows go to bench/debounce.jsonl, one line each, with the
command and the machine; `table` and `plot` make RESULTS.md and the plot from that file.
"""

import argparse
import asyncio
import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.debounce import contenders, report, scenarios
from bench.debounce.contenders import Contender, PeerMissing
from bench.debounce.load import Load
from bench.machine import command, machine
from devstack import DevStack

Row = dict[str, Any]
SETTLED_SHARE = 0.56  # 560,000 settled events of a million updates
NEVER_MS = 24 * 3600 * 1000
DEFAULTS = "lull,streams-processor,streams-session,quix-key"


class Bench:
    def __init__(self, options: argparse.Namespace, bootstrap: str, folder: Path) -> None:
        self.options = options
        self.bootstrap = bootstrap
        self.folder = folder
        self.runs = 0
        self.origin = {
            "command": command("bench.debounce", "--results"),
            "machine": machine(),
            "partitions": options.partitions,
        }

    def taking_part(self) -> list[Contender]:
        found = []
        for contender in (contenders.ALL[name] for name in self.options.only.split(",")):
            try:
                contender.command()
            except PeerMissing as why:
                print(f"{contender.name} is left out. {why}")
            else:
                found.append(contender)
        return found

    def keep(self, row: Row) -> None:
        load1 = round(os.getloadavg()[0], 1)
        row = {**row, **self.origin, "load_average": load1, "at": round(time.time())}
        with self.options.results.open("a") as results:
            results.write(json.dumps(row) + "\n")
        print(
            " ".join(f"{key}={_short(value)}" for key, value in row.items() if key not in _HIDDEN)
        )

    def run_name(self, contender: Contender) -> str:
        self.runs += 1
        return f"{contender.name}-{self.runs}"

    async def new_load(self) -> Load:
        load = Load(self.bootstrap, f"b{uuid4().hex[:8]}.", self.options.partitions)
        await load.create()
        return load

    async def throughput(self) -> None:
        load, checker = await self._flowing()
        for number in range(self.options.rounds):  # interleaved: a slow minute hits everybody
            for contender in self.taking_part():
                if number and contender.name in self.options.once.split(","):
                    continue
                run, limit_s = self.run_name(contender), self.options.limit
                self.keep(
                    await scenarios.throughput(load, checker, contender, run, self.folder, limit_s)
                )
                gc.collect()

    async def killed(self) -> None:
        load, checker = await self._flowing()
        for _ in range(self.options.rounds):
            for contender in self.taking_part():
                run, limit_s = self.run_name(contender), self.options.limit
                self.keep(
                    await scenarios.killed(load, checker, contender, run, self.folder, limit_s)
                )

    async def pending(self) -> None:
        for conversations in self.options.pending:
            for contender in self.taking_part():
                load = await self.new_load()
                load.quiet_ms = NEVER_MS
                await load.append(range(conversations))
                await load.append(load.anyone(self.options.updates, conversations))
                self.keep(
                    await scenarios.pending(
                        load,
                        contender,
                        self.run_name(contender),
                        self.folder,
                        conversations=conversations,
                        recover=conversations == self.options.recover_at,
                        limit_s=self.options.limit,
                    )
                )

    def rule(self) -> None:
        for pending in self.options.pending:
            command = [sys.executable, "-m", "bench.debounce.rule", str(pending)]
            found = subprocess.run(command, capture_output=True, check=True)
            self.keep(json.loads(found.stdout))

    async def _flowing(self) -> tuple[Load, Any]:
        options = self.options
        load = await self.new_load()
        await load.append(load.anyone(options.updates, options.conversations))
        checker = load.settle(SETTLED_SHARE)
        await load.close()
        print(
            f"{options.updates} updates of {options.conversations} conversations within "
            f"{load.seconds:.1f} s, quiet period {load.quiet_ms} ms, "
            f"{checker.expected} settled events expected",
            flush=True,
        )
        self.origin |= {
            "conversations": options.conversations,
            "quiet_ms": load.quiet_ms,
            "log_s": round(load.seconds, 1),
        }
        return load, checker


_HIDDEN = ("command", "machine", "at", "partitions", "conversations", "log_s")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.debounce", description=__doc__)
    parser.add_argument(
        "what", choices=("throughput", "killed", "pending", "rule", "table", "plot")
    )
    parser.add_argument("--updates", type=int, default=1_000_000)
    parser.add_argument("--conversations", type=int, default=200_000)
    parser.add_argument("--pending", type=numbers, default=[10_000, 100_000, 1_000_000, 5_000_000])
    parser.add_argument("--recover-at", type=int, default=1_000_000, help="kill -9 with so many")
    parser.add_argument("--partitions", type=int, default=12, help="the product's default")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default=DEFAULTS, help=f"of {','.join(contenders.ALL)}")
    parser.add_argument("--once", default="", help="contenders that sit out the later rounds")
    parser.add_argument("--limit", type=float, default=600, help="seconds for one run")
    parser.add_argument("--results", type=Path, default=contenders.BENCH / "debounce.jsonl")
    return parser.parse_args()


def main() -> None:
    given = options()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a group that is not yet there, ...
    given.results = given.results.resolve()
    if given.what == "table":
        report.write_table(given.results, contenders.BENCH / "RESULTS.md")
        return
    if given.what == "plot":
        plot = [str(contenders.venv() / "bin" / "python"), str(contenders.BENCH / "plot.py")]
        subprocess.run([*plot, str(given.results)], check=True)
        return
    with tempfile.TemporaryDirectory(prefix="lull-bench-") as folder:
        if given.what == "rule":
            Bench(given, "", Path(folder)).rule()
            return
        with DevStack(Path(folder) / "stack", postgres=False) as running:
            bench = Bench(given, running.stack.kafka_bootstrap, Path(folder))
            work: Callable[[], Coroutine[Any, Any, None]] = getattr(bench, given.what)
            asyncio.run(work())


if __name__ == "__main__":
    main()
