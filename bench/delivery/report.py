"""RESULTS-delivery.md out of delivery.jsonl: the newest row of each kind of run on each machine."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]


def write(results: Path, claims: Path, into: Path) -> None:
    rows, parts = _read(results), [*_head()]
    for machine in dict.fromkeys(row["machine"] for row in rows):
        parts.append(f"## On {machine}\n")
        on_it = [row for row in rows if row["machine"] == machine]
        for section in (_backlog, _statements, _idle, _actions, _noise):
            parts.extend(section(on_it))
    parts.extend(_claims(_read(claims)))
    into.write_text("\n".join(parts) + "\n")


def _read(results: Path) -> list[Row]:
    return [json.loads(line) for line in results.read_text().splitlines()]


def _head() -> Iterable[str]:
    yield "# Delivery, measured\n"
    yield (
        "Made by `python -m bench.delivery table` from `delivery.jsonl`; what was measured how"
        " stands in [README.md](README.md).\n"
    )


def _backlog(rows: Sequence[Row]) -> Iterable[str]:
    measured = _newest(rows, "backlog", "delay_ms", "workspaces", "replicas", "notes")
    if not measured:
        return
    yield "### Notes per second from a backlog\n"
    yield _table(
        [
            "answers after",
            "workspaces",
            "replicas",
            "notes/s",
            "doubled",
            "calls per note",
            "CPU per note: delivery",
            "settings",
            "Kafka",
            "PostgreSQL",
            "vendors",
            "in all",
        ],
        (
            [
                f"{row['delay_ms']:.0f} ms",
                f"{row['workspaces']:,}",
                str(row["replicas"]),
                f"{row['notes_per_s']:.0f}",
                str(row["doubled"]),
                f"{row['calls_per_note']:.1f}",
                *(f"{cpu:.2f} ms" for cpu in _cpu(row)),
            ]
            for row in measured
        ),
    )
    yield _origin(measured)


def _statements(rows: Sequence[Row]) -> Iterable[str]:
    measured = _newest(rows, "statements", "delay_ms", "workspaces", "notes")
    if not measured:
        return
    yield "### PostgreSQL statements per note\n"
    yield "From a backlog, in runs of their own; intake, permits, BEGIN and COMMIT among them.\n"
    yield _table(
        ["answers after", "workspaces", "notes", "statements per note"],
        (
            [
                f"{row['delay_ms']:.0f} ms",
                f"{row['workspaces']:,}",
                f"{row['notes']:,}",
                f"{row['statements_per_note']:.2f}",
            ]
            for row in measured
        ),
    )
    yield _origin(measured)


def _cpu(row: Row) -> list[float]:
    used = row["cpu_ms_per_note"]
    ours = sum(value for name, value in used.items() if name.startswith("delivery"))
    parts = [ours, *(used.get(name, 0.0) for name in ("settings", "kafka", "postgres", "vendors"))]
    return [*parts, sum(parts)]


def _idle(rows: Sequence[Row]) -> Iterable[str]:
    measured = _newest(rows, "idle", "delay_ms", "workspaces")
    if not measured:
        return
    yield "### From settled to note, with nothing in the way\n"
    yield _table(
        ["answers after", "workspaces", "notes", "median", "p99", "longest"],
        (
            [
                f"{row['delay_ms']:.0f} ms",
                f"{row['workspaces']:,}",
                str(row["notes"]),
                *(f"{row[name]:.2f} s" for name in ("p50_s", "p99_s", "max_s")),
            ]
            for row in measured
        ),
    )
    yield _origin(measured)


def _actions(rows: Sequence[Row]) -> Iterable[str]:
    measured = _newest(rows, "actions", "delay_ms", "workspaces")
    if not measured:
        return
    yield "### From a press in the inbox to its answer, and to the note\n"
    yield (
        "Half of the presses make a contact, half a deal, through ingest and its card as Intercom"
        " asks for it; after 700 ms the card says that the CRM is still at it.\n"
    )
    yield _table(
        [
            "answers after",
            "workspaces",
            "presses",
            "not yet done then",
            "doubled",
            "card: median",
            "p99",
            "answer: median",
            "p99",
            "note: median",
            "p99",
            "longest",
        ],
        (
            [
                f"{row['delay_ms']:.0f} ms",
                f"{row['workspaces']:,}",
                str(row["presses"]),
                str(row["answers"].get("not yet", 0)),
                str(row["doubled"]),
                *(f"{row[name]:.2f} s" for name in ("card_p50_s", "card_p99_s")),
                *(f"{row[name]:.2f} s" for name in ("answered_p50_s", "answered_p99_s")),
                *(f"{row[name]:.2f} s" for name in ("note_p50_s", "note_p99_s", "note_max_s")),
            ]
            for row in measured
        ),
    )
    yield _origin(measured)


def _noise(rows: Sequence[Row]) -> Iterable[str]:
    measured = [row for row in rows if row["scenario"] == "noise"]
    if not measured:
        return
    yield "### What somebody in trouble does to the others\n"
    yield (
        "p95 from settled to note of 50 others, in a run without it and in one with it, each order"
        " in turn: `busy` has 50 times the load of each, `slow` a CRM account that answers after"
        " 30 s, `hung` one that never does, `crm-slow` and `crm-hung` the same of a whole CRM, not"
        " the others' own, with fifty workspaces.\n"
    )
    kinds = dict.fromkeys(row["kind"] for row in measured)
    yield _table(
        ["", "runs", "without (median)", "with (median)", "grown by (median)"],
        (
            [
                kind,
                str(len(runs := [row for row in measured if row["kind"] == kind])),
                f"{median(row['p95_without_s'] for row in runs) * 1000:.0f} ms",
                f"{median(row['p95_with_s'] for row in runs) * 1000:.0f} ms",
                f"{median(row['grown'] for row in runs):+.0%}",
            ]
            for kind in kinds
        ),
    )
    yield _origin(measured)


def _claims(rows: Sequence[Row]) -> Iterable[str]:
    measured = [{"scenario": "claims", **row} for row in rows]
    measured = _newest(measured, "claims", "rows")
    if not measured:
        return
    yield "## How long a claim takes, by how many rows there are\n"
    fewest = measured[0]["p99_ms"]
    yield _table(
        ["rows", "claims", "median", "p99", "longest", "p99, times that at the fewest"],
        (
            [
                f"{row['rows']:,}",
                f"{row['claims']:,}",
                *(f"{row[name]:.1f} ms" for name in ("p50_ms", "p99_ms", "max_ms")),
                f"{row['p99_ms'] / fewest:.2f}",
            ]
            for row in measured
        ),
    )
    yield _origin(measured) + f"On {measured[0]['machine']}.\n"


def _newest(rows: Sequence[Row], scenario: str, *by: str) -> list[Row]:
    newest = {tuple(row[name] for name in by): row for row in rows if row["scenario"] == scenario}
    return [newest[place] for place in sorted(newest)]


def _origin(rows: Sequence[Row]) -> str:
    commands = ", ".join(dict.fromkeys(f"`{row['command']}`" for row in rows))
    loads = [row["load_average"] for row in rows]
    return f"\nLoad average {min(loads)} to {max(loads)} when they ended. Made by {commands}.\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
