"""RESULTS-settings.md out of settings.jsonl: the newest row of each kind of run."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]

P99_MS = 10.0  # the goal, at
PER_S = 2_000


def write(results: Path, into: Path) -> None:
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    into.write_text("\n".join(_parts(rows)) + "\n")


def verdict(row: Row) -> str:
    """Of the goal alone: so many queries a second, however many stand in one call."""
    if row["queries_per_s"] < PER_S:
        return "slower than the goal asks"
    answered = set(row["answered"]) == {"200"}
    return "met" if answered and row["ms"]["99th"] < P99_MS else "missed"


def _parts(rows: list[Row]) -> Iterable[str]:
    yield "# Settings, measured\n"
    yield (
        "Made by `python -m bench.settings table` from `settings.jsonl`; what was measured how"
        " stands in [README.md](README.md).\n"
    )
    yield "## Who is eligible, asked at a constant rate\n"
    yield (
        f"The goal: {PER_S:,} queries a second on 2 cores, p99 under {P99_MS:.0f} ms. PostgreSQL,"
        " Kafka and the load generator share the cores.\n"
    )
    yield (
        "| queries/s | in one call | calls/s | p50 | p95 | p99 | longest | answers"
        " | CPU: settings | everybody | goal |"
    )
    yield "| --: " * 10 + "| --- |"
    newest = {(row["queries_per_s"], row["queries_per_call"]): row for row in rows}
    for (per_s, per_call), row in sorted(newest.items()):
        ms = row["ms"]
        answers = ", ".join(f"{count:,} x {code}" for code, count in row["answered"].items())
        yield (
            f"| {per_s:,} | {per_call} | {row['calls_per_s']:,} | {ms['50th']:.1f} ms"
            f" | {ms['95th']:.1f} ms | {ms['99th']:.1f} ms | {ms['max']:.0f} ms | {answers}"
            f" | {row['settings_cpu']:.2f} | {row['machine_cpu']:.2f} | {verdict(row)} |"
        )
    places = {f"{row['machine']}, load average {row['load_average']}" for row in newest.values()}
    yield "\nOn " + "; ".join(sorted(places)) + "."
