"""Permits out of the real PostgreSQL: one count for all replicas, and the vendor's word for all."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from delivering.tables import database
from delivery.adapters.permits import Granted, Permits
from delivery.domain.rates import Asked, RateLimit, Scope, Told
from delivery.ports import LedgerAway

pytestmark = pytest.mark.integration

CALLS = RateLimit("calls", Scope.TENANT, 40, timedelta(seconds=10))
DAILY = RateLimit("daily", Scope.VENDOR_KEY, 100, timedelta(days=1))
COUNTED = Asked([("crm/calls/1", CALLS, 1), ("crm/daily", DAILY, 2)])


@pytest.fixture
async def pools(postgres_dsn: str) -> AsyncIterator[list[asyncpg.Pool]]:
    """One for each of two replicas."""
    dsn = await database(postgres_dsn)
    pools = [await asyncpg.create_pool(dsn, min_size=0, max_size=4) for _ in range(2)]
    yield pools
    for pool in pools:
        await pool.close()


async def ask(replicas: list[Permits], each: int) -> list[Granted]:
    asked = [replica.take(COUNTED) for _ in range(each) for replica in replicas]
    return list(await asyncio.gather(*asked))


async def test_two_replicas_together_get_what_one_would(pools: list[asyncpg.Pool]) -> None:
    granted = await ask([Permits(pool) for pool in pools], 40)
    soon = [one for one in granted if one.permit.granted and one.wait_s < 10]
    # 40 in any 10 s, less what is kept in reserve; the daily budget would allow 50.
    assert 34 <= len(soon) <= 40
    refused = [one for one in granted if not one.permit.granted]
    assert {one.permit.limit for one in refused} == {"calls"}
    at_once = [one for one in granted if one.wait_s <= 0]
    assert len(at_once) <= 3


async def test_a_budget_is_one_for_all_and_a_refused_call_takes_nothing_of_it(
    pools: list[asyncpg.Pool],
) -> None:
    replicas = [Permits(pool) for pool in pools]
    only_daily = Asked([("crm/daily", DAILY, 3)])
    granted = await asyncio.gather(*(r.take(only_daily) for _ in range(30) for r in replicas))
    assert sum(one.permit.granted for one in granted) == 33
    one_left = await replicas[0].take(Asked([("crm/daily", DAILY, 1)]))
    assert one_left.permit.granted


async def test_what_one_replica_is_told_holds_the_other(pools: list[asyncpg.Pool]) -> None:
    one, other = (Permits(pool) for pool in pools)
    assert (await one.take(COUNTED)).permit.granted
    one.tell("crm/calls/1", CALLS, Told("calls", remaining=0, resets_in=timedelta(minutes=5)))
    await one.aclose()
    held = await other.take(COUNTED)
    assert not held.permit.granted
    assert 290 < held.wait_s <= 300


async def test_a_larger_plan_that_one_replica_learns_of_is_for_all(
    pools: list[asyncpg.Pool],
) -> None:
    one, other = (Permits(pool) for pool in pools)
    one.tell("crm/calls/1", CALLS, Told("calls", amount=4_000, remaining=3_999))
    await one.aclose()
    granted = await ask([other], 45)
    assert all(permit.permit.granted and permit.wait_s < 1 for permit in granted)


async def test_counts_that_postgresql_lost_in_a_crash_begin_anew(
    pools: list[asyncpg.Pool],
) -> None:
    permits = Permits(pools[0])
    assert (await permits.take(COUNTED)).permit.granted
    async with pools[0].acquire() as connection:
        await connection.execute("TRUNCATE rate_limit")  # as it does to an unlogged table
    assert (await permits.take(COUNTED)).permit.granted


async def test_without_postgresql_nothing_is_permitted() -> None:
    nowhere = await asyncpg.create_pool("postgresql://x:x@127.0.0.1:9/x", min_size=0, timeout=1)
    permits = Permits(nowhere)
    with pytest.raises(LedgerAway):
        await permits.take(COUNTED)
    nowhere.terminate()
