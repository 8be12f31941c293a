"""The benchmark of delivery at a tiny size: every figure is one that was measured."""

import json
from pathlib import Path

import pytest
from bench.delivery import measuring, report
from devstack import Stack

pytestmark = pytest.mark.integration

NOTES = 60


@pytest.fixture
def stack(kafka_bootstrap: str, postgres_dsn: str) -> Stack:
    return Stack(kafka_bootstrap, postgres_dsn, "packages", "packages", None, None, None)


async def test_a_backlog_becomes_one_note_each_and_is_reported(
    stack: Stack, tmp_path: Path
) -> None:
    row = await measuring.backlog(
        stack, tmp_path, delay_ms=5, workspaces=3, notes=NOTES, replicas=1, limit_s=60
    )
    assert (row["made"], row["doubled"]) == (NOTES, 0)
    assert row["notes_per_s"] > 0
    assert row["calls_per_note"] >= 4  # conversation, contact, person, note
    assert row["cpu_ms_per_note"]["delivery-0"] > 0
    origin = {"machine": "a machine", "command": "a command", "load_average": 0.0, "at": 0}
    results, page = tmp_path / "rows.jsonl", tmp_path / "RESULTS.md"
    results.write_text(json.dumps(row | origin) + "\n")
    claimed = {"rows": 10, "claims": 5, "p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0}
    claims = tmp_path / "claims.jsonl"
    claims.write_text(json.dumps(claimed | origin) + "\n")
    report.write(results, claims, page)
    assert f"| 5 ms | 3 | 1 | {row['notes_per_s']:.0f} | 0 |" in page.read_text()
    assert "| 10 | 5 | 1.0 ms | 2.0 ms | 3.0 ms | 1.00 |" in page.read_text()


def test_a_quantile_is_the_smallest_value_that_so_many_are_not_above() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert measuring.quantile(ordered, 0.99) == 99
    assert measuring.quantile(ordered, 0.5) == 50
    assert measuring.quantile([7.0], 0.95) == 7
