"""A goal is met or missed by the figures alone."""

from typing import Any

import pytest
from bench.debounce.goals import goals
from bench.debounce.scenarios import slope_us

Row = dict[str, Any]


def throughput(contender: str, per_cpu_s: float, peak: int) -> Row:
    return {
        "scenario": "throughput",
        "contender": contender,
        "updates": 1_000_000,
        "read": 1_000_000,
        "updates_per_cpu_s": per_cpu_s,
        "peak_rss": peak,
    }


def killed(contender: str, repeated: int, premature: int = 0) -> Row:
    wrong = {"premature": premature, "missing": 0, "wrong": 0}
    return {
        "scenario": "killed",
        "contender": contender,
        "updates": 1_000_000,
        "repeated": repeated,
        **wrong,
    }


def pending(contender: str, size: int, us: float, rss: int, caught_up_s: float | None) -> Row:
    return {
        "scenario": "pending",
        "contender": contender,
        "updates": 1_000_000,
        "pending": size,
        "us_per_update": us,
        "rss": rss,
        "caught_up_s": caught_up_s,
        "caught_up_cpu_s": caught_up_s,
    }


GOOD = [
    throughput("lull", 160_000, 100),
    throughput("fast", 50_000, 1_000),
    throughput("small", 20_000, 600),
    killed("lull", 10),
    killed("fast", 11),
    pending("lull", 10_000, 4.0, 10**8, None),
    pending("lull", 1_000_000, 4.2, 10**8 + 300 * 990_000, 9.0),
    pending("fast", 1_000_000, 9.0, 10**9, 40.0),
]


def verdicts(rows: list[Row]) -> list[str]:
    return [verdict for _, _, verdict in goals(rows)]


def missed(rows: list[Row]) -> list[str]:
    return [goal for goal, _, verdict in goals(rows) if verdict == "**missed**"]


def test_what_is_good_enough_is_met_and_what_was_not_run_is_said_to_be_so() -> None:
    assert verdicts(GOOD) == ["met", "met", "met", "–", "met", "met", "met", "met", "met", "met"]


def test_each_goal_can_be_missed() -> None:
    assert missed([throughput("lull", 140_000, 100), *GOOD[1:]])[0].startswith("updates per CPU")
    assert len(missed([throughput("lull", 160_000, 201), *GOOD[1:]])) == 2
    assert missed([*GOOD, killed("lull", 0, premature=1)]) == [
        "nothing premature or missing after kill -9"
    ]
    assert missed([*GOOD, killed("lull", 12)])[0].startswith("the fewest repeats")
    late = [row | {"caught_up_s": 41.0} if row.get("caught_up_s") == 9.0 else row for row in GOOD]
    assert len(missed(late)) == 2
    steep = [row | {"us_per_update": 5.0} if row.get("pending") == 10**6 else row for row in GOOD]
    assert missed(steep)[0].startswith("cost per update flat")
    fat = [row | {"rss": 10**9} if row.get("pending") == 10**6 else row for row in GOOD]
    assert missed(fat)[0].startswith("at most 350 bytes")


def test_what_was_over_before_anyone_looked_has_no_cost() -> None:
    per_update = pytest.approx(4.0)
    seen = [(0, 1.0), (10_000, 1.1), (60_000, 1.3), (110_000, 1.5)]
    assert slope_us(seen, 10_000, 110_000) == per_update
    assert slope_us([(0, 1.0), (110_000, 1.5)], 10_000, 110_000) is None
    assert slope_us(seen[:3], 10_000, 110_000) is None
