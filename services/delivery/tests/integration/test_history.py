"""What became of a workspace's conversations: filters, pages, and how the list is found."""

import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from common.events import Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivering.tables import database, empty_database
from delivery.adapters import history
from delivery.adapters.history import PostgresHistory
from delivery.adapters.rows import request_of
from delivery.adapters.schema import SCHEMA
from delivery.domain.row import Request
from delivery.domain.selection import Place, Selection

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
APPS = ("hubspot", "pipedrive")
OUTCOMES = (Outcome.DELIVERED, Outcome.FAILED, Outcome.NO_PERSON)


@pytest.fixture(scope="module")
async def dsn(postgres_dsn: str) -> str:
    return await database(postgres_dsn)


@pytest.fixture(scope="module")
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(dsn, min_size=0, max_size=4) as pool:
        yield pool


@pytest.fixture(scope="module")
async def answers(pool: asyncpg.Pool) -> list[dict[str, Any]]:
    """120 answers of one workspace, three to an instant, and others' in between."""
    made = []
    for number, (workspace, app) in enumerate(itertools.product(("wk1", "wk2"), APPS * 60)):
        answer = {
            "workspace": workspace,
            "app": app,
            "outcome": OUTCOMES[number % 3 if number % 8 else 0],
            "reason": "http_400" if number % 5 == 0 else None,
            "at": AT + timedelta(minutes=number // 3),
        }
        answer["id"] = await pool.fetchval(
            "INSERT INTO ledger (workspace_id, conversation_id, crm, crm_account) "
            "VALUES ($1, $2, $3, '42001') RETURNING id",
            workspace,
            str(number),
            app,
        )
        await pool.execute(
            "INSERT INTO answers VALUES ($1, $2, $3, $4, $5, $6, $6, 7, $7)",
            answer["id"],
            app,
            workspace,
            answer["outcome"],
            answer["reason"],
            answer["at"],
            json.dumps({"trigger": "quiet"}),
        )
        answer["conversation"] = str(number)
        made.append(answer)
    return [answer for answer in made if answer["workspace"] == "wk1"]


@pytest.mark.parametrize("apps", [(), ("hubspot",), APPS])
@pytest.mark.parametrize("outcomes", [(), (Outcome.FAILED,), (Outcome.FAILED, Outcome.NO_PERSON)])
@pytest.mark.parametrize("minutes", [(None, None), (5, 20)])
@pytest.mark.parametrize("reason", [None, "http_400"])
async def test_pages_put_together_are_the_whole_list_newest_first(
    pool: asyncpg.Pool,
    answers: list[dict[str, Any]],
    apps: tuple[str, ...],
    outcomes: tuple[Outcome, ...],
    minutes: tuple[int | None, int | None],
    reason: str | None,
) -> None:
    since, until = (None if m is None else AT + timedelta(minutes=m) for m in minutes)
    selection = Selection("wk1", (), apps, outcomes, reason, since, until)
    wanted = [
        answer["conversation"]
        for answer in sorted(answers, key=lambda a: (a["at"], a["id"], a["app"]), reverse=True)
        if answer["app"] in (apps or APPS)
        and answer["outcome"] in (outcomes or OUTCOMES)
        and reason in (None, answer["reason"])
        and (since is None or answer["at"] >= since)
        and (until is None or answer["at"] < until)
    ]
    found: list[str] = []
    after: Place | None = None
    while True:
        entries, after = await PostgresHistory(pool).page(selection, after, 7)
        found += [entry["conversation_id"] for entry in entries]
        if after is None:
            break
        assert len(entries) == 7
        after = Place.at(after.cursor())
    assert found == wanted


async def test_a_list_of_many_is_found_by_its_index_alone(pool: asyncpg.Pool) -> None:
    """30,000 answers of one workspace, of which the rarest outcome is asked for."""
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            """
            WITH made AS (
                INSERT INTO ledger (workspace_id, conversation_id, crm, crm_account)
                SELECT 'many', n::text, 'hubspot', '42001' FROM generate_series(1, 30000) n
                RETURNING id, conversation_id::int AS n)
            INSERT INTO answers
            SELECT id, 'hubspot', 'many', CASE WHEN n % 300 = 0 THEN 'failed' ELSE 'delivered' END,
                   NULL, now() - n * interval '1 minute', NULL, NULL, '{}' FROM made
            """
        )
        await connection.execute("ANALYZE answers")
        given = ("many", list(APPS), list(Outcome), None, None, None, None, 0, "", 50)
        rare = ("many", list(APPS), ["failed"], *given[3:])
        for asked, most in ((given, 120), (rare, 60)):
            (answer,) = await connection.fetch(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {history._LIST}", *asked
            )
            scans = [
                node for node in nodes(json.loads(answer[0])[0]["Plan"]) if "answers" in str(node)
            ]
            assert [node.get("Index Name") for node in scans] == ["answers_found"]
            read = sum(node["Actual Rows"] * node["Actual Loops"] for node in scans)
            assert 50 <= read <= most
            assert scans[0].get("Rows Removed by Filter", 0) == 0
        await transaction.rollback()


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The plan's steps, each without those below it."""
    below = plan.pop("Plans", [])
    return [plan, *(node for step in below for node in nodes(step))]


async def test_what_was_known_before_is_taken_over_by_the_migration(postgres_dsn: str) -> None:
    dsn = empty_database(postgres_dsn)
    await SCHEMA.migrate(dsn, to="0005")
    connection = await asyncpg.connect(dsn)
    latest = {
        "hubspot": {
            "app": "hubspot",
            "outcome": "failed",
            "reason": "http_400",
            "triggers": ["quiet"],
            "updated_at": int(AT.timestamp()),
            "part_id": 9,
            "decided_at": "2026-11-22T12:30:00.5Z",
        },
        "pipedrive": {
            "app": "pipedrive",
            "outcome": "sync_off",
            "triggers": ["manual"],
            "decided_at": "2026-11-22T12:30:00Z",
        },
    }
    await connection.execute(
        "INSERT INTO ledger (workspace_id, conversation_id, crm, crm_account, latest) "
        "VALUES ('wk1', '1', 'hubspot', '42001', $1)",
        json.dumps(latest),
    )
    assert await SCHEMA.migrate(dsn) == ("0005", SCHEMA.head())
    first, second = await connection.fetch("SELECT * FROM answers ORDER BY app")
    await connection.close()
    assert (first["outcome"], first["reason"], first["through_part"]) == ("failed", "http_400", 9)
    assert first["decided_at"] == datetime(2026, 11, 22, 12, 30, 0, 500_000, UTC)
    asked = Request(0, Trigger.QUIET, "hubspot", first["decided_at"], Update(AT, 9))
    assert request_of(json.loads(first["request"])) == asked
    assert request_of(json.loads(second["request"])).trigger is Trigger.MANUAL
    assert (second["outcome"], second["through_at"]) == ("sync_off", None)
