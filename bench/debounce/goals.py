"""The goals, judged by the rows that were measured: met, missed by how much, or not measured."""

from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]

CAUGHT_UP_S = 15.0
BYTES_EACH = 350
FLAT = 1.1  # what "the same cost" may differ by


def goals(rows: Sequence[Row]) -> Iterable[tuple[str, str, str]]:
    """Goal, what was measured (best runs), verdict."""
    for updates, times in ((1_000_000, 3.0), (10_000_000, 1.0)):
        yield from _throughput(rows, updates, times)
    yield from _killed(rows)
    yield from _caught_up(rows)
    yield from _pending(rows)


def _throughput(rows: Sequence[Row], updates: int, times: float) -> Iterable[tuple[str, str, str]]:
    of_size = [row for row in rows if (row["scenario"], row["updates"]) == ("throughput", updates)]
    ours, best = _best(of_size, "updates_per_cpu_s", max)
    goal = f"updates per CPU second at {updates:,}: {times:.0f} times the best peer"
    if not ours or not best:
        yield goal, "not measured", "–"
        return
    ratio = ours["updates_per_cpu_s"] / best["updates_per_cpu_s"]
    yield goal, f"{ratio:.1f} times `{best['contender']}`", _met(ratio > times)
    smallest = min(row["peak_rss"] for row in of_size if row["contender"] == "lull")
    memory = best["peak_rss"] / smallest
    yield (
        f"a fifth of that peer's memory at {updates:,}",
        f"1/{memory:.1f} of `{best['contender']}`",
        _met(memory >= 5),
    )
    small = min(
        (row for row in of_size if row["read"] == updates and row["contender"] != "lull"),
        key=lambda row: row["peak_rss"],
    )
    if small["contender"] != best["contender"]:
        memory = small["peak_rss"] / smallest
        yield (
            f"and of the smallest peer's at {updates:,}",
            f"1/{memory:.1f} of `{small['contender']}`",
            _met(memory >= 5),
        )


def _killed(rows: Sequence[Row]) -> Iterable[tuple[str, str, str]]:
    killed = [row for row in rows if row["scenario"] == "killed"]
    ours = [row for row in killed if row["contender"] == "lull"]
    goal = "nothing premature or missing after kill -9"
    if not ours:
        yield goal, "not measured", "–"
        return
    wrong = sum(row["premature"] + row["missing"] + row["wrong"] for row in ours)
    yield goal, f"{wrong} in {len(ours)} runs", _met(wrong == 0)
    most = max(row["repeated"] for row in ours)
    peers = {
        name: max(row["repeated"] for row in killed if row["contender"] == name)
        for name in {row["contender"] for row in killed} - {"lull"}
    }
    if peers:
        fewest = min(peers, key=lambda name: peers[name])
        yield (
            "the fewest repeats after kill -9 (the most of any run each)",
            f"{most:,}; `{fewest}` {peers[fewest]:,}",
            _met(most <= peers[fewest]),
        )


def _caught_up(rows: Sequence[Row]) -> Iterable[tuple[str, str, str]]:
    ours, best = _best([row for row in rows if row.get("caught_up_s")], "caught_up_s", min)
    if ours:
        took = ours["caught_up_s"]
        pending = f"{ours['pending']:,}"
        yield (
            f"caught up within {CAUGHT_UP_S:.0f} s with {pending} pending",
            f"{took:.1f} s, of CPU time {ours['caught_up_cpu_s']:.1f} s",
            _met(took <= CAUGHT_UP_S),
        )
        theirs = f"{best['caught_up_s']:.1f} s, `{best['contender']}`" if best else "not measured"
        yield (
            "and sooner than any peer",
            theirs,
            _met(took < best["caught_up_s"]) if best else "–",
        )


def _pending(rows: Sequence[Row]) -> Iterable[tuple[str, str, str]]:
    of_ours = [
        row
        for row in rows
        if (row["scenario"], row["contender"]) == ("pending", "lull")
        and row["us_per_update"] is not None  # it was over before anyone looked
    ]
    sizes = sorted({row["pending"] for row in of_ours})
    if len(sizes) < 2:
        return
    small, large = (
        min(
            (row for row in of_ours if row["pending"] == size), key=lambda row: row["us_per_update"]
        )
        for size in (sizes[0], sizes[-1])
    )
    each = (large["rss"] - small["rss"]) / (sizes[-1] - sizes[0])
    yield (
        f"at most {BYTES_EACH} bytes per pending conversation",
        f"{each:.0f} at {sizes[-1]:,}",
        _met(each <= BYTES_EACH),
    )
    growth = large["us_per_update"] / small["us_per_update"]
    yield (
        f"cost per update flat from {sizes[0]:,} to {sizes[-1]:,} pending",
        f"{small['us_per_update']:.1f} to {large['us_per_update']:.1f} µs, {growth:.1f} times",
        _met(growth <= FLAT),
    )


def _best(rows: Sequence[Row], figure: str, best: Any) -> tuple[Row | None, Row | None]:
    """Ours, and the best peer's."""
    ours = [row for row in rows if row["contender"] == "lull"]
    peers = [row for row in rows if row["contender"] != "lull"]
    return tuple(best(of, key=lambda row: row[figure]) if of else None for of in (ours, peers))  # type: ignore[return-value]


def _met(met: bool) -> str:
    return "met" if met else "**missed**"
