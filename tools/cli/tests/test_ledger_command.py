"""`lull ledger distrust` on the real PostgreSQL, and what it says where it cannot be done."""

import asyncio
import subprocess
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
import pytest
from delivery.adapters.schema import SCHEMA
from devstack import ensure_database

Run = Callable[..., subprocess.CompletedProcess[str]]
BEFORE = "2026-11-22T12:00:00+01:00"


@pytest.mark.integration
def test_a_restored_ledger_is_distrusted_once_its_tables_are_there(
    lull_here: Run, postgres_dsn: str
) -> None:
    dsn = ensure_database(postgres_dsn, f"cli_{uuid.uuid4().hex[:12]}", "cli_of_tests", "cli")
    early = lull_here("ledger", "distrust", "--before", BEFORE, LULL_DELIVERY_DATABASE_URL=dsn)
    assert (early.returncode, "python -m delivery migrate" in early.stderr) == (1, True)
    asyncio.run(SCHEMA.migrate(dsn))
    done = lull_here("ledger", "distrust", "--before", BEFORE, LULL_DELIVERY_DATABASE_URL=dsn)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Done. 0 conversations have no note's id in the ledger")

    async def declared() -> datetime:
        connection = await asyncpg.connect(dsn)
        before: datetime = await connection.fetchval("SELECT max(before) FROM ledger_distrust")
        await connection.close()
        return before

    assert asyncio.run(declared()) == datetime(2026, 11, 22, 11, 0, tzinfo=UTC)


def test_without_a_database_or_an_instant_it_says_what_is_missing(lull_here: Run) -> None:
    nowhere = "postgresql://nobody:hush@127.0.0.1:9/nowhere"
    away = lull_here("ledger", "distrust", "--before", BEFORE, LULL_DELIVERY_DATABASE_URL=nowhere)
    assert (away.returncode, "Is it running, and is LULL_DELIVERY" in away.stderr) == (3, True)
    bad = lull_here("ledger", "distrust", "--before", BEFORE, LULL_DELIVERY_DATABASE_URL="hush")
    assert (bad.returncode, len(bad.stderr.splitlines())) == (3, 1)
    unset = lull_here("ledger", "distrust", "--before", BEFORE)
    assert (unset.returncode, "LULL_DELIVERY_DATABASE_URL" in unset.stderr) == (2, True)
    local = lull_here("ledger", "distrust", "--before", "2026-11-22T12:00:00")
    assert (local.returncode, "with its offset" in local.stderr) == (2, True)
    for said in (away, bad, unset):
        assert "hush" not in said.stdout + said.stderr
        assert "Traceback" not in said.stderr
