"""RESULTS.md from the rows that were measured: best of several runs, and the median beside it."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench.debounce.contenders import ALL
from bench.debounce.goals import goals

Row = dict[str, Any]

TITLES = {
    "lull": "**Lull, as shipped**",
    "streams-processor": "Kafka Streams, hand-written Processor (RocksDB)",
    "streams-processor-memory": "Kafka Streams, Processor, in-memory stores",
    "streams-processor-small": "Kafka Streams, Processor, heap of 256 MB",
    "streams-processor-static": "Kafka Streams, Processor, static membership",
    "streams-session": "Kafka Streams, session window and suppress (RocksDB)",
    "streams-session-memory": "Kafka Streams, session window, in-memory stores",
    "quix-key": "quixstreams, session window closed by its own key",
    "quix-partition": "quixstreams, session window closed by the partition",
    "rule": "the rule alone (pure Python, no Kafka)",
}

HEAD = """\
# How fast, how small, how exact: debounce beside its peers

Made by `python -m bench.debounce table` from `bench/debounce.jsonl` (one line per run, with command
and machine); what each contender is stands in `bench/README.md`. Memory is in MB of 2^20 bytes.
"""


def write_table(results: Path, target: Path) -> None:
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    parts = [HEAD, *_goals(rows), *_throughput(rows), *_killed(rows), *_pending(rows)]
    target.write_text("\n".join(parts).rstrip() + "\n")


def _goals(rows: Sequence[Row]) -> Iterable[str]:
    yield "## The goals\n"
    yield _table(["goal", "best runs", ""], goals(rows))
    yield "\nWhat bounds them: `docs/decisions/0014-debounce-reads-whole-batches.md`.\n"


def _throughput(rows: Sequence[Row]) -> Iterable[str]:
    measured = [row for row in rows if row["scenario"] == "throughput"]
    for updates in sorted({row["updates"] for row in measured}):
        of_size = [row for row in measured if row["updates"] == updates]
        first = of_size[0]
        yield (
            f"## {updates:,} updates of {first['conversations']:,} conversations, "
            f"{first['expected']:,} settled events\n"
        )
        yield (
            "Best run, the median of all in brackets. CPU time is user + system of the contender's"
            " processes, from when its partitions are assigned to its last output; the broker's is"
            " not in it. Wall time has the broker on the same cores in it.\n"
        )
        yield _table(
            [
                "",
                "updates per CPU s",
                "with start-up",
                "updates per s of wall",
                "start-up",
                "peak memory",
                "missing",
                "premature",
                "repeated",
                "wrong",
                "runs",
            ],
            (
                [
                    TITLES[contender] + _unfinished(runs),
                    _best(runs, "updates_per_cpu_s", max, _thousands),
                    _best(runs, "updates_per_cpu_s_with_start", max, _thousands),
                    _best(runs, "updates_per_s", max, _thousands),
                    _best(runs, "start_s", min, "{:.1f} s".format),
                    _best(runs, "peak_rss", min, _mb),
                    _most(runs, "missing"),
                    _most(runs, "premature"),
                    _most(runs, "repeated"),
                    _most(runs, "wrong"),
                    str(len(runs)),
                ]
                for contender, runs in _by_contender(of_size)
            ),
        )
        yield _origin(of_size)


def _killed(rows: Sequence[Row]) -> Iterable[str]:
    measured = [row for row in rows if row["scenario"] == "killed"]
    if not measured:
        return
    first = measured[0]
    yield "## kill -9 in the middle of the log, started again at once\n"
    yield (
        f"{first['updates']:,} updates, {first['expected']:,} settled events expected; killed when"
        " 40 % of them were out. Best run, median in brackets; of what is not right the most of"
        " any, of repeats the fewest and the most.\n"
    )
    yield _table(
        ["", "first output again after", "missing", "premature", "wrong", "repeated", "runs"],
        (
            [
                TITLES[contender],
                _best(runs, "first_output_s", min, "{:.1f} s".format),
                _most(runs, "missing"),
                _most(runs, "premature"),
                _most(runs, "wrong"),
                _range(runs, "repeated"),
                str(len(runs)),
            ]
            for contender, runs in _by_contender(measured)
        ),
    )
    yield _origin(measured)


def _pending(rows: Sequence[Row]) -> Iterable[str]:
    measured = [row for row in rows if row["scenario"] in ("pending", "rule")]
    if not measured:
        return
    sizes = sorted({row["pending"] for row in measured})
    yield "## With so many conversations pending\n"
    yield (
        "The log is one update of each conversation, then updates of random ones, none of which"
        " settles: CPU time per update of the second part. (The rule alone: half of the updates"
        " settle a conversation.)\n"
    )
    yield _table(
        ["CPU time per update", *(f"{size:,} pending" for size in sizes)],
        (
            [
                TITLES[contender],
                *(_of_size(runs, size, "us_per_update", "{:.1f} µs".format) for size in sizes),
            ]
            for contender, runs in _by_contender(measured)
        ),
    )
    yield "\nMemory of the whole process then, and what each pending conversation adds to it.\n"
    yield _table(
        ["memory", *(f"{size:,} pending" for size in sizes)],
        (
            [TITLES[contender], *(_memory(runs, size, sizes[0]) for size in sizes)]
            for contender, runs in _by_contender(measured)
        ),
    )
    yield _origin(measured)
    recovered = [row for row in measured if row.get("caught_up_s")]
    if recovered:
        yield (
            f"## Caught up again after kill -9 with {recovered[0]['pending']:,} pending\n\n"
            "From the kill until a replica started at once has its state again and has read what"
            " was appended after the kill. It was left alone before for longer than its commit"
            " interval.\n"
        )
        yield _table(
            ["", "caught up after", "CPU time", "runs"],
            (
                [
                    TITLES[contender],
                    _best(runs, "caught_up_s", min, "{:.1f} s".format),
                    _best(runs, "caught_up_cpu_s", min, "{:.1f} s".format),
                    str(len(runs)),
                ]
                for contender, runs in _by_contender(recovered)
            ),
        )
        yield _origin(recovered)


def _unfinished(runs: Sequence[Row]) -> str:
    share = min(run["read"] / run["updates"] for run in runs)
    return "" if share == 1 else f" (ended by the time limit at {share:.0%} of the log)"


def _by_contender(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    for contender in [*ALL, "rule"]:
        if runs := [row for row in rows if row["contender"] == contender]:
            yield contender, runs


def _best(
    runs: Sequence[Row],
    figure: str,
    best: Callable[[list[float]], float],
    shown: Callable[[float], str],
) -> str:
    values = [run[figure] for run in runs if run.get(figure) is not None]
    if not values:
        return "–"
    one = shown(best(values))
    return one if len(values) == 1 else f"{one} ({shown(median(values))})"


def _most(runs: Sequence[Row], figure: str) -> str:
    return f"{max(run[figure] for run in runs):,}"


def _range(runs: Sequence[Row], figure: str) -> str:
    fewest, most = (of(run[figure] for run in runs) for of in (min, max))
    return f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"


def _of_size(runs: Sequence[Row], size: int, figure: str, shown: Callable[[float], str]) -> str:
    return _best([run for run in runs if run["pending"] == size], figure, min, shown)


def _memory(runs: Sequence[Row], size: int, smallest: int) -> str:
    rss = {run["pending"]: run["rss"] for run in runs}
    if size not in rss:
        return "–"
    whole = f"{_mb(rss[size])} MB"
    if size < 1_000_000 or smallest not in rss:
        return whole
    each = (rss[size] - rss[smallest]) / (size - smallest)
    return f"{whole}, {each:.0f} bytes each"


def _origin(rows: Sequence[Row]) -> str:
    """Under each table: where it comes from."""
    machines = sorted({f"{row['machine']}; {row['partitions']} partitions" for row in rows})
    commands = dict.fromkeys(f"`{row['command']}`" for row in rows)
    loads = [row["load_average"] for row in rows]
    return (
        f"\n{'; '.join(machines)}; load average {min(loads)} to {max(loads)} at the ends of the"
        f" runs. Made by {', '.join(commands)}.\n"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _thousands(value: float) -> str:
    return f"{round(value):,}"


def _mb(value: float) -> str:
    return f"{value / 2**20:,.0f}"
