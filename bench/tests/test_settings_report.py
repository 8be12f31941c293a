"""Settings' goal is met or missed by the figures alone, and the table is made of the newest."""

import json
from pathlib import Path
from typing import Any

from bench.settings import report


def row(p99: float, per_s: int = 2_000, answered: dict[str, int] | None = None) -> dict[str, Any]:
    return {
        "queries_per_s": per_s,
        "queries_per_call": 10,
        "calls_per_s": per_s // 10,
        "answered": answered or {"200": 6_000},
        "ms": {"50th": 2.0, "95th": 3.0, "99th": p99, "max": 40.0},
        "settings_cpu": 0.4,
        "machine_cpu": 1.0,
        "machine": "2 cores",
        "load_average": 0.5,
    }


def test_the_goal_is_judged_by_rate_answers_and_p99() -> None:
    assert report.verdict(row(9.99)) == "met"
    assert report.verdict(row(10.0)) == "missed"
    assert report.verdict(row(5.0, answered={"200": 5_999, "503": 1})) == "missed"
    assert report.verdict(row(5.0, per_s=1_000)) == "slower than the goal asks"


def test_the_newest_row_of_a_kind_stands_in_the_table(tmp_path: Path) -> None:
    results = tmp_path / "settings.jsonl"
    results.write_text("".join(f"{json.dumps(one)}\n" for one in (row(30.0), row(5.0))))
    into = tmp_path / "RESULTS.md"
    report.write(results, into)
    text = into.read_text()
    assert "| 2,000 | 10 | 200 | 2.0 ms | 3.0 ms | 5.0 ms |" in text
    assert "30.0" not in text
