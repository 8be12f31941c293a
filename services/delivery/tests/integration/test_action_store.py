"""Actions in the real PostgreSQL: what a restore may have lost, and what is forgotten."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest
from delivering.tables import database
from delivery.action_ports import Begun
from delivery.adapters.actions import PostgresActions
from delivery.domain.acted import BUTTON_LIVES, RESTORED, ActionKey, Standing, Stands, Wanted

pytestmark = pytest.mark.integration

WANTED = Wanted("hubspot", "deal", "501")
SECOND = timedelta(seconds=1)
LEASE, VISIBLE = 40 * SECOND, 10 * SECOND


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await database(postgres_dsn), min_size=0, max_size=2) as pool:
        yield pool


def key(action_id: str = "a1") -> ActionKey:
    return ActionKey("wk1", "1", action_id)


async def pressed(pool: asyncpg.Pool, action_id: str = "a1") -> Begun | Standing:
    return await PostgresActions(pool).begin(
        key(action_id),
        WANTED,
        actor_id="5001",
        crm_account="42001",
        lease=LEASE,
        visible_after=VISIBLE,
    )


async def restored(pool: asyncpg.Pool, ago: timedelta) -> datetime:
    """The ledger that was lost took its last write so long ago."""
    before: datetime = await pool.fetchval(
        "INSERT INTO ledger_distrust (before) VALUES (now() - $1::interval) RETURNING before", ago
    )
    return before


async def test_an_action_that_was_told_is_known_again_by_its_values(pool: asyncpg.Pool) -> None:
    store, told = PostgresActions(pool), Wanted("hubspot", "create_deal", "contact.501")
    assert [await store.told(key(), told, "5001") for _ in range(2)] == [True, True]
    for other, actor in (
        (Wanted("keap", "create_deal", "contact.501"), "5001"),
        (Wanted("hubspot", "create_task", "contact.501"), "5001"),
        (Wanted("hubspot", "create_deal", None), "5001"),
        (told, "5002"),
    ):
        assert not await store.told(key(), other, actor)
    assert await store.told(key("a2"), Wanted("hubspot", "add_note", None), "5001")
    assert (await pressed(pool)) == Standing(Stands.CONFLICT)  # no button has its id


async def test_what_a_restore_may_have_lost_is_waited_for_and_then_looked_for(
    pool: asyncpg.Pool,
) -> None:
    await restored(pool, 20 * SECOND)
    early = await pressed(pool)
    assert isinstance(early, Standing)
    assert (early.stands, early.reason) == (Stands.UNKNOWN, RESTORED)
    assert early.again_in is not None
    assert 25 * SECOND < early.again_in <= 30 * SECOND
    assert await PostgresActions(pool).read(key()) is None

    await pool.execute("UPDATE ledger_distrust SET before = before - interval '30 seconds'")
    begun = await pressed(pool)
    assert isinstance(begun, Begun)
    assert begun.again
    assert begun.begun_at - begun.asked_at == BUTTON_LIVES
    # And so does whoever presses after that attempt, though it surely made nothing.
    await PostgresActions(pool).put_off(begun, "http_429", None)
    later = await pressed(pool)
    assert isinstance(later, Begun)
    assert (later.again, later.asked_at) == (True, begun.asked_at)


async def test_no_button_is_as_old_as_a_restore_of_the_day_before(pool: asyncpg.Pool) -> None:
    await restored(pool, BUTTON_LIVES)
    begun = await pressed(pool)
    assert isinstance(begun, Begun)
    assert (begun.again, begun.asked_at) == (False, begun.begun_at)


async def test_what_the_backup_says_of_an_action_may_be_too_little(pool: asyncpg.Pool) -> None:
    actions = PostgresActions(pool)
    for action_id in ("failed", "failed since"):
        begun = await pressed(pool, action_id)
        assert isinstance(begun, Begun)
        await actions.failed(begun, "http_400")
    await pool.execute(
        "UPDATE actions SET asked_at = now() - interval '2 days', "
        "lease_until = now() - interval '2 days' WHERE action_id = 'failed'"
    )
    await restored(pool, timedelta(hours=1))
    for action_id, again in (("failed", True), ("failed since", False)):
        begun = await pressed(pool, action_id)
        assert isinstance(begun, Begun)
        assert begun.again is again


async def test_what_was_last_pressed_long_ago_is_forgotten(pool: asyncpg.Pool) -> None:
    actions = PostgresActions(pool)
    for action_id in ("old", "new"):
        await pressed(pool, action_id)
    await pool.execute(
        "UPDATE actions SET asked_at = now() - interval '99 days', "
        "lease_until = CASE action_id WHEN 'old' THEN now() - interval '91 days' "
        "ELSE now() - interval '89 days' END"
    )
    assert await actions.forget(timedelta(days=90)) == 1
    assert await actions.read(key("old")) is None
    assert await actions.read(key("new")) is not None
