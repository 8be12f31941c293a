"""`python -m bench.delivery.claims all`: how long a claim takes, by how many rows the ledger holds.

One database per size, all of them in one PostgreSQL (tools/devstack, its shipped settings), filled
first and then measured in turns, so that whatever else happens on the machine meets every size
alike. A claim is the product's own `PostgresLedger.claim`. Of each ledger's rows one in a hundred
is ready, one in a hundred waits for a later instant, and the others rest; they belong to a
thousand workspaces. What was claimed is given back between two measured claims, unmeasured.

`fill` and `measure` are the two halves of it, with the same `--folder`. A line per size goes to
bench/claims.jsonl, with the command and the machine.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import asyncpg
from bench.machine import command
from delivery.adapters.postgres import PostgresLedger
from delivery.adapters.schema import SCHEMA
from devstack import DevStack, ensure_database

RESULTS = Path(__file__).resolve().parents[1] / "claims.jsonl"
CRM = "hubspot"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
WORKSPACES = 1_000
AT_ONCE = 16  # rows per claim: a worker's default concurrency
ROUND = 100  # claims of one size before it is the next one's turn

# As delivery leaves a row: the note's ids are known, nothing is open. One in a hundred has an open
# request and is ready, one in a hundred waits.
_FILL = """
INSERT INTO ledger (workspace_id, conversation_id, crm, crm_account, wanted, taken, done,
                    open_requests, answered_through_at, answered_through_part, person_id, note_id,
                    note_through_at, note_through_part, ready_at, waiting, not_before_quiet)
SELECT 'wk' || n % $2, n::text, $3, '42001', 1 + (place = 0)::int, 1, 1,
       CASE WHEN place = 0 THEN $4::jsonb ELSE '[]' END,
       now() - interval '1 day', 7, (n % 100000)::text, n::text, now() - interval '1 day', 7,
       CASE place WHEN 0 THEN now() - random() * interval '1 hour'
                  WHEN 1 THEN now() + interval '10 days' END,
       CASE place WHEN 1 THEN 'quiet' END,
       CASE place WHEN 1 THEN now() + interval '10 days' END
  FROM (SELECT n, (n % $2 + n / $2 * 7) % 100 AS place
          FROM generate_series($1::bigint, $1::bigint + $5::bigint - 1) AS n) AS rows
"""
_PART = 250_000
_REQUEST = json.dumps(
    [
        {
            "number": 2,
            "trigger": "quiet",
            "app": CRM,
            "asked_at": "2026-11-22T12:00:00+00:00",
            "update": ["2026-11-22T11:45:00+00:00", 9],
        }
    ]
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.delivery.claims", description=__doc__)
    parser.add_argument("what", choices=("fill", "measure", "all"))
    parser.add_argument("--rows", type=int, nargs="*", default=SIZES)
    parser.add_argument("--claims", type=int, default=2_000, help="measured, of each size")
    parser.add_argument("--folder", type=Path, help="kept; a temporary one if not given")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


async def fill(postgres_dsn: str, rows: int) -> None:
    dsn = _database(postgres_dsn, rows)
    await SCHEMA.migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM ledger)"):
            return
        await connection.execute("SET synchronous_commit = off")
        for first in range(0, rows, _PART):
            part = min(_PART, rows - first)
            await connection.execute(_FILL, first, WORKSPACES, CRM, _REQUEST, part)
        await connection.execute("VACUUM (ANALYZE) ledger")
    finally:
        await connection.close()


class Measured:
    """One size's ledger, and how long its claims took."""

    def __init__(self, rows: int, pool: asyncpg.Pool) -> None:
        self.rows = rows
        self.pool = pool
        self.seconds: list[float] = []
        self._ledger = PostgresLedger(
            pool, owner="bench", lease=timedelta(minutes=10), share=AT_ONCE
        )

    async def claim(self, times: int, *, keep: bool = True) -> None:
        for _ in range(times):
            began = time.perf_counter()
            claims = await self._ledger.claim(CRM, AT_ONCE, {})
            took = time.perf_counter() - began
            if len(claims) != AT_ONCE:
                raise RuntimeError(f"claimed {len(claims)} rows of {self.rows}, not {AT_ONCE}")
            if keep:
                self.seconds.append(took)
            await self._ledger.release(claims)

    def figures(self) -> dict[str, float]:
        cut = statistics.quantiles(self.seconds, n=100)
        return {
            "rows": self.rows,
            "claims": len(self.seconds),
            "p50_ms": round(cut[49] * 1_000, 3),
            "p99_ms": round(cut[98] * 1_000, 3),
            "max_ms": round(max(self.seconds) * 1_000, 3),
        }


async def measure(postgres_dsn: str, sizes: list[int], claims: int) -> list[dict[str, float]]:
    pools = [
        await asyncpg.create_pool(_database(postgres_dsn, rows), min_size=1, max_size=2)
        for rows in sizes
    ]
    ledgers = [Measured(rows, pool) for rows, pool in zip(sizes, pools, strict=True)]
    superuser = await asyncpg.connect(postgres_dsn)
    await superuser.execute("CHECKPOINT")  # what filling left to write is not the claims' affair
    await superuser.close()
    for ledger in ledgers:
        await ledger.claim(ROUND, keep=False)
    for _ in range(0, claims, ROUND):
        for ledger in ledgers:
            await ledger.claim(ROUND)
    for pool in pools:
        await pool.close()
    return [ledger.figures() for ledger in ledgers]


def _database(postgres_dsn: str, rows: int) -> str:
    return ensure_database(postgres_dsn, f"claims_{rows}", "delivery_of_bench", "bench")


def main() -> int:
    given = options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        with DevStack(folder, kafka=False) as running:
            stack = running.stack
            if given.what != "measure":
                for rows in given.rows:
                    asyncio.run(fill(stack.postgres_dsn, rows))
            if given.what == "fill":
                return 0
            figures = asyncio.run(measure(stack.postgres_dsn, list(given.rows), given.claims))
    origin = {
        "command": command("bench.delivery.claims", "--folder"),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}",
        "load_average": round(os.getloadavg()[0], 1),
        "at": round(time.time()),
    }
    with given.results.open("a") as results:
        for row in figures:
            print(row)
            results.write(json.dumps(row | origin) + "\n")
    first, last = figures[0]["p99_ms"], figures[-1]["p99_ms"]
    print(f"p99 at {figures[-1]['rows']:,} rows: {last / first:.2f} times that at the fewest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
