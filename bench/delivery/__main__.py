"""`python -m bench.delivery backlog|statements|idle|actions|noise|table`: settled to note.

Every measurement starts a Kafka and a PostgreSQL of its own (tools/devstack), the product's own
settings and delivery, and an answering process in place of Intercom and HubSpot. Rows go to
bench/delivery.jsonl, one line each, with the command and the machine; `table` makes
RESULTS-delivery.md of them.
"""

import argparse
import asyncio
import json
import logging
import os
import tempfile
import time
from pathlib import Path

from bench.delivery import measuring, pressing, report
from bench.delivery.measuring import Row
from bench.delivery.neighbours import TROUBLES, Neighbours
from bench.machine import command, machine
from devstack import DevStack, Stack

BENCH = Path(__file__).resolve().parents[1]


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.delivery", description=__doc__)
    parser.add_argument(
        "what", choices=("backlog", "statements", "idle", "actions", "noise", "table")
    )
    parser.add_argument("--delays", type=numbers, default=[0, 100, 500], help="ms per answer")
    parser.add_argument("--workspaces", type=numbers, default=[1, 100, 10_000])
    parser.add_argument("--notes", type=int, default=20_000)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument(
        "--per-s", type=float, default=5, help="idle, actions, noise: asked for per second"
    )
    parser.add_argument(
        "--seconds", type=float, default=60, help="idle, actions, noise: for so long"
    )
    parser.add_argument("--rounds", type=int, default=5, help="noise: interleaved")
    parser.add_argument("--kinds", default=",".join(TROUBLES), help="noise: which")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one run")
    parser.add_argument("--results", type=Path, default=BENCH / "delivery.jsonl")
    return parser.parse_args()


async def measure_noise(given: argparse.Namespace, stack: Stack, folder: Path) -> None:
    neighbours = Neighbours(stack, folder, given.per_s, given.seconds)
    for number in range(given.rounds):
        for kind in given.kinds.split(","):
            keep(given, await neighbours.noise(kind, trouble_first=number % 2 == 1))


async def measure(given: argparse.Namespace, stack: Stack, folder: Path) -> None:
    for delay_ms in given.delays:
        for workspaces in given.workspaces:
            if given.what == "backlog":
                row = await measuring.backlog(
                    stack,
                    folder,
                    delay_ms=delay_ms,
                    workspaces=workspaces,
                    notes=given.notes,
                    replicas=given.replicas,
                    limit_s=given.limit,
                )
            elif given.what == "statements":
                row = await measuring.statements(
                    stack,
                    folder,
                    folder / "stack" / "logs" / "postgres.log",
                    delay_ms=delay_ms,
                    workspaces=workspaces,
                    notes=given.notes,
                )
            else:
                one_by_one = pressing.actions if given.what == "actions" else measuring.idle
                row = await one_by_one(
                    stack,
                    folder,
                    delay_ms=delay_ms,
                    workspaces=workspaces,
                    per_s=given.per_s,
                    seconds=given.seconds,
                )
            keep(given, row)


def keep(given: argparse.Namespace, row: Row) -> None:
    print(json.dumps(row), flush=True)
    origin = {
        "command": command("bench.delivery", "--results"),
        "machine": machine(),
        "load_average": round(os.getloadavg()[0], 1),
        "at": round(time.time()),
    }
    with given.results.open("a") as results:
        results.write(json.dumps(row | origin) + "\n")


def main() -> None:
    given = options()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if given.what == "table":
        report.write(given.results, BENCH / "claims.jsonl", BENCH / "RESULTS-delivery.md")
        return
    with (
        tempfile.TemporaryDirectory(prefix="lull-bench-") as folder,
        DevStack(Path(folder) / "stack") as running,
    ):
        work = measure_noise if given.what == "noise" else measure
        asyncio.run(work(given, running.stack, Path(folder)))


if __name__ == "__main__":
    main()
