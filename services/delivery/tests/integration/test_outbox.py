"""The outbox on the real PostgreSQL: what was sent goes, what came meanwhile stays."""

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest
from delivering.tables import database
from delivery.adapters.outbox import DROP_SENT
from devstack.waiting import until

pytestmark = pytest.mark.integration

SENT, NEW = {"outcome_id": "sent"}, {"outcome_id": "new"}


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await database(postgres_dsn), min_size=0) as pool:
        yield pool


@pytest.fixture
async def row(pool: asyncpg.Pool) -> int:
    added: int = await pool.fetchval(
        "INSERT INTO ledger (workspace_id, conversation_id, crm, crm_account, outbox, "
        "outbox_due_at) VALUES ('wk1', '1', 'hubspot', '42001', $1, now()) RETURNING id",
        json.dumps([SENT]),
    )
    return added


async def left_in(pool: asyncpg.Pool, row: int) -> tuple[list[dict[str, str]], bool]:
    found = await pool.fetchrow("SELECT outbox, outbox_due_at FROM ledger WHERE id = $1", row)
    assert found
    return json.loads(found["outbox"]), found["outbox_due_at"] is not None


async def waits_for_a_lock(pool: asyncpg.Pool) -> None:
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    await until(lambda: pool.fetchval(query), 10)


async def test_what_was_sent_is_dropped_and_nothing_is_due_any_more(
    pool: asyncpg.Pool, row: int
) -> None:
    await pool.execute(DROP_SENT, [row], ["sent"])
    assert await left_in(pool, row) == ([], False)


async def test_an_outcome_added_while_the_sent_one_is_dropped_stays_and_is_due(
    pool: asyncpg.Pool, row: int
) -> None:
    async with pool.acquire() as finishing:
        async with finishing.transaction():
            await finishing.execute(
                "UPDATE ledger SET outbox = outbox || $2::jsonb WHERE id = $1",
                row,
                json.dumps([NEW]),
            )
            dropping = asyncio.create_task(pool.execute(DROP_SENT, [row], ["sent"]))
            await waits_for_a_lock(pool)
        await dropping
    assert await left_in(pool, row) == ([NEW], True)
