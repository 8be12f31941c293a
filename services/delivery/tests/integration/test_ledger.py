"""The ledger on the real PostgreSQL: claims, leases, fairness, the outbox, migrations."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from common.events import ConversationSettled, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivering.tables import empty_database, ledger_on
from delivery.adapters.postgres import PostgresLedger
from delivery.adapters.schema import SCHEMA
from delivery.domain.answer import Result, Verdict, Wait
from delivery.domain.row import Key, Known, UnknownWrite, Waiting, Written
from delivery.ports import Claim, LeaseLost, LedgerAway
from devstack.waiting import until

pytestmark = pytest.mark.integration

CRM = "hubspot"
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def fresh_dsn(postgres_dsn: str) -> str:
    return empty_database(postgres_dsn)


@pytest.fixture
async def pool(fresh_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    await SCHEMA.migrate(fresh_dsn)
    async with asyncpg.create_pool(fresh_dsn, min_size=0, max_size=20) as pool:
        yield pool


def key(workspace: str = "wk1", conversation: str = "1") -> Key:
    return Key(workspace, conversation, CRM, "42001")


def quiet(place: Key, part: int = 1) -> ConversationSettled:
    return ConversationSettled(
        workspace_id=place.workspace_id,
        conversation_id=place.conversation_id,
        trigger=Trigger.QUIET,
        updated_at=AT,
        part_id=part,
    )


async def ask(ledger: PostgresLedger, *places: Key, part: int = 1) -> None:
    for place in places:
        await ledger.fold(place, quiet(place, part), (CRM,))


async def claim_one(ledger: PostgresLedger) -> Claim:
    (claim,) = await ledger.claim(CRM, 1, {})
    return claim


def delivered(claim: Claim) -> Result:
    known = Known(person_id="501", note=Written("77", None, Update(AT, 1)))
    verdict = Verdict(Outcome.DELIVERED, through=Update(AT, 1))
    return Result(known, {request.number: verdict for request in claim.row.requests})


async def test_twenty_workers_claim_every_row_exactly_once(pool: asyncpg.Pool) -> None:
    ledger = ledger_on(pool)
    places = [key(f"wk{n % 7}", str(n)) for n in range(200)]
    await asyncio.gather(*(ask(ledger, *places[n::10]) for n in range(10)))
    taken: Counter[Key] = Counter()

    async def work(worker: PostgresLedger) -> None:
        while claims := await worker.claim(CRM, 3, {}):
            taken.update(claim.row.key for claim in claims)

    await asyncio.gather(*(work(ledger_on(pool)) for _ in range(20)))
    # A claim that met others' locks may come back empty while rows remain.
    while claims := await ledger.claim(CRM, 100, {}):
        taken.update(claim.row.key for claim in claims)
    assert taken == Counter(places)


async def test_a_lease_that_ended_is_fenced_off(pool: asyncpg.Pool) -> None:
    short, long = ledger_on(pool, lease_s=0.05), ledger_on(pool)
    await ask(short, key())
    zombie = await claim_one(short)
    claims = await until(lambda: long.claim(CRM, 1, {}), 5)
    (owner,) = claims
    with pytest.raises(LeaseLost):
        await short.save(zombie, Known(person_id="9"))
    with pytest.raises(LeaseLost):
        await short.finish(zombie, delivered(zombie))
    await long.finish(owner, delivered(owner))
    row = await long.read(key())
    assert row is not None
    assert row.known.note == Written("77", None, Update(AT, 1))
    with pytest.raises(LeaseLost):  # a finished row is nobody's
        await long.finish(owner, delivered(owner))


async def test_a_workspace_with_a_thousand_rows_does_not_keep_others_waiting(
    pool: asyncpg.Pool,
) -> None:
    ledger = ledger_on(pool, share=4)
    await asyncio.gather(
        *(ask(ledger, *(key("loud", str(n)) for n in range(k, 300, 10))) for k in range(10))
    )
    quiet_ones = [key(f"soft{n}", "1") for n in range(5)]
    await ask(ledger, *quiet_ones)
    claims = await ledger.claim(CRM, 16, {})
    spaces = Counter(claim.row.key.workspace_id for claim in claims)
    assert spaces == {"loud": 4, **{place.workspace_id: 1 for place in quiet_ones}}
    assert await ledger.claim(CRM, 16, {"loud": 4}) == []
    more = await ledger.claim(CRM, 16, {"loud": 3})
    assert [claim.row.key.workspace_id for claim in more] == ["loud"]


async def test_a_small_claim_goes_round_the_workspaces(pool: asyncpg.Pool) -> None:
    ledger = ledger_on(pool)
    await ask(ledger, *(key(f"wk{n}", str(c)) for n in range(3) for c in range(2)))
    order = [(await ledger.claim(CRM, 1, {}))[0].row.key.workspace_id for _ in range(3)]
    assert sorted(order) == ["wk0", "wk1", "wk2"]


async def test_many_workspaces_that_only_wait_keep_no_other_waiting(pool: asyncpg.Pool) -> None:
    """More than one look goes into, and all before the one that has something to do."""
    ledger = ledger_on(pool)
    await pool.execute(
        "INSERT INTO ledger (workspace_id, conversation_id, crm, crm_account, ready_at) "
        "SELECT 'wk' || lpad(n::text, 6, '0'), '1', $1, '42001', now() + interval '1 hour' "
        "FROM generate_series(1, 3000) AS n",
        CRM,
    )
    await ask(ledger, key("wk999999"))
    found = [claim async for claim in _claimed(ledger, looks=3)]
    assert [claim.row.key.workspace_id for claim in found] == ["wk999999"]


async def _claimed(ledger: PostgresLedger, looks: int) -> AsyncIterator[Claim]:
    for _ in range(looks):
        for claim in await ledger.claim(CRM, 5, {}):
            yield claim


async def test_an_event_during_an_attempt_makes_the_row_ready_again(pool: asyncpg.Pool) -> None:
    ledger = ledger_on(pool)
    await ask(ledger, key(), part=1)
    claim = await claim_one(ledger)
    await ask(ledger, key(), part=5)
    assert await ledger.claim(CRM, 1, {}) == []  # it is leased
    await ledger.finish(claim, delivered(claim))
    again = await claim_one(ledger)
    (request,) = again.row.requests
    assert (request.update, again.row.taken) == (Update(AT, 5), 2)


async def test_all_that_is_known_survives_the_way_through_the_database(pool: asyncpg.Pool) -> None:
    ledger = ledger_on(pool)
    await ask(ledger, key())
    claim = await claim_one(ledger)
    known = Known(
        person_id="501",
        note=Written("77", 3, Update(AT, 1)),
        activity=Written("8", None, None),
        activity_person_id="500",
        unknown_note=UnknownWrite("501", 3, AT, Update(AT, 1), probes=1),
        unknown_activity=UnknownWrite("501", None, AT),
        lost_through=Update(AT, 2),
        handed_over=1,
        heal_at=AT,
        heal_periods=(1, 3, None),
        heal_persons=("500", "501"),
        heal_text=True,
        users=("9", "10"),
        persons=("500", "501"),
        note_sure_at=AT,
        activity_sure_at=AT + timedelta(hours=1),
    )
    await ledger.save(claim, known)
    row = await ledger.read(key())
    assert row is not None
    assert row.known == known
    until = claim.claimed_at + timedelta(hours=1)
    waiting = Result(replace(known, heal_at=None), wait=Wait(Waiting.PROBE, until, "unknown_end"))
    await ledger.finish(claim, replace(waiting, healed_at=AT))
    after = await ledger.read(key())
    assert after is not None
    assert (after.waiting, after.not_before_retry, after.leased) == (Waiting.PROBE, until, False)
    assert after.requests == row.requests


async def test_a_distrusted_ledger_says_so_of_rows_it_has_and_of_rows_it_will_have(
    pool: asyncpg.Pool,
) -> None:
    ledger = ledger_on(pool)
    await ask(ledger, key(conversation="1"), key(conversation="2"))
    claim = await claim_one(ledger)
    assert claim.row.distrust is None
    await ledger.finish(claim, delivered(claim))
    before = claim.claimed_at
    assert await ledger.distrust(before) == 1
    await ask(ledger, key(conversation="3"))
    claims = await ledger.claim(CRM, 9, {})
    assert [claim.row.key.conversation_id for claim in claims] == ["2", "3"]
    for claim in claims:
        assert claim.row.distrust is not None
        assert claim.row.distrust.before == before
        assert before < claim.row.distrust.declared_at <= claim.claimed_at
        (request,) = claim.row.requests
        new = request.number > claim.row.distrust.declared_at.timestamp()
        assert new is (claim.row.key.conversation_id == "3")
    later = before + timedelta(hours=1)
    await ledger.distrust(later)
    row = await ledger.read(key(conversation="1"))
    assert row is not None
    assert row.distrust is not None
    assert row.distrust.before == later


async def test_rows_that_wait_for_a_reconnect_are_woken(pool: asyncpg.Pool) -> None:
    ledger = ledger_on(pool)
    await ask(ledger, key())
    claim = await claim_one(ledger)
    later = claim.claimed_at + timedelta(hours=1)
    await ledger.finish(claim, Result(Known(), wait=Wait(Waiting.RECONNECT, later, "gone")))
    assert await ledger.claim(CRM, 1, {}) == []
    assert await ledger.wake(["wk1"], CRM) == 1
    assert len(await ledger.claim(CRM, 1, {})) == 1


async def test_a_row_moves_to_the_account_that_the_connection_now_leads_to(
    pool: asyncpg.Pool,
) -> None:
    ledger = ledger_on(pool)
    await ask(ledger, key())
    claim = await claim_one(ledger)
    other = replace(key(), crm_account="42002")
    await ledger.move(claim, other, "hubspot", Result(Known()))
    moved = await claim_one(ledger)
    assert (moved.row.key, len(moved.row.requests)) == (other, 1)
    left = await ledger.read(key())
    assert left is not None
    assert (left.requests, left.outcomes) == ((), ())


async def test_of_several_apps_only_the_one_whose_connection_changed_moves(
    pool: asyncpg.Pool,
) -> None:
    ledger = ledger_on(pool)
    here, there = key(), replace(key(), crm_account="42002")
    await ledger.fold(here, quiet(here), ("dynamics365", "dynamics365-sales"))
    claim = await claim_one(ledger)
    await ledger.move(claim, there, "dynamics365-sales", Result(Known()))
    claims = [await claim_one(ledger) for _ in range(2)]
    asking = {one.row.key: [request.app for request in one.row.requests] for one in claims}
    assert asking == {here: ["dynamics365"], there: ["dynamics365-sales"]}


async def test_a_claim_says_whether_the_attempt_before_it_gave_no_result(
    pool: asyncpg.Pool,
) -> None:
    ledger = ledger_on(pool, lease_s=0.05)
    await ask(ledger, key())
    killed = await claim_one(ledger)
    assert not killed.row.abandoned
    claims = await until(lambda: ledger.claim(CRM, 1, {}), 5)
    assert claims[0].row.abandoned
    await ledger.release(claims)
    released = await claim_one(ledger)
    assert released.row.abandoned
    await ledger_on(pool).finish(released, delivered(released))
    await ask(ledger, key(), part=5)
    assert not (await claim_one(ledger)).row.abandoned


async def test_a_released_row_is_ready_at_once_and_no_longer_ones_own(pool: asyncpg.Pool) -> None:
    ledger = ledger_on(pool)
    await ask(ledger, key())
    claim = await claim_one(ledger)
    await ledger.release([claim])
    other = await claim_one(ledger)
    await ledger.release([claim])  # somebody else's by now: nothing happens
    with pytest.raises(LeaseLost):
        await ledger.finish(claim, delivered(claim))
    await ledger.finish(other, delivered(other))


async def test_migrating_twice_at_once_and_again_is_safe(fresh_dsn: str) -> None:
    results: list[Any] = await asyncio.gather(*(SCHEMA.migrate(fresh_dsn) for _ in range(4)))
    assert sorted(str(before) for before, _ in results) == [SCHEMA.head()] * 3 + ["None"]
    assert await SCHEMA.migrate(fresh_dsn) == (SCHEMA.head(), SCHEMA.head())


async def test_without_a_schema_or_a_server_the_ledger_is_away(fresh_dsn: str) -> None:
    async with asyncpg.create_pool(fresh_dsn, min_size=0) as empty:
        with pytest.raises(LedgerAway):
            await ledger_on(empty).claim(CRM, 1, {})
    nowhere = await asyncpg.create_pool("postgresql://a:b@127.0.0.1:9/c", min_size=0)
    with pytest.raises(LedgerAway):
        await ledger_on(nowhere).fold(key(), quiet(key()), (CRM,))
    nowhere.terminate()
