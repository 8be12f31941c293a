"""What is kept of a workspace or of a contact's conversations is deleted, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import pytest
from common.catalog import APPS
from common.events import ConversationSettled, SettingsChanged, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivering.tables import database, ledger_on
from delivery.adapters.forgetting import PostgresForgetting
from delivery.adapters.postgres import PostgresLedger
from delivery.domain.answer import Result, Verdict
from delivery.domain.row import Key, Known
from delivery.forgetting import forget_routes
from delivery.handlers import Delivery
from delivery.leftovers import Leftovers
from delivery.ports import LeaseLost
from pydantic import SecretStr
from starlette.applications import Starlette

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOKEN = "token-of-settings"
ADA, KIM = "501", "502"
ROWS = [
    # workspace, conversation, app, the record in the CRM
    ("wk1", "1", "hubspot", ADA),
    ("wk1", "1", "pipedrive", "9"),  # the same conversation in another CRM
    ("wk1", "2", "hubspot", ADA),
    ("wk1", "3", "hubspot", KIM),
    ("wk1", "4", "pipedrive", ADA),  # the same number is somebody else there
    ("wk2", "1", "hubspot", ADA),
]


@pytest.fixture(scope="module")
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await database(postgres_dsn), min_size=0, max_size=4) as pool:
        yield pool


@pytest.fixture(scope="module")
def ledger(pool: asyncpg.Pool) -> PostgresLedger:
    return ledger_on(pool)


@pytest.fixture
async def kept(pool: asyncpg.Pool, ledger: PostgresLedger) -> None:
    """Answered rows, and an action of each conversation."""
    for table in ("actions", "ledger"):
        await pool.execute(f"DELETE FROM {table}")  # noqa: S608
    for workspace, conversation, app, person in ROWS:
        event = ConversationSettled(
            workspace_id=workspace,
            conversation_id=conversation,
            trigger=Trigger.QUIET,
            updated_at=AT,
            part_id=4,
        )
        key = Key(workspace, conversation, APPS[app].crm, "42001")
        await ledger.fold(key, event, (app,))
        (claim,) = await ledger.claim(key.crm, 1, {})
        verdict = Verdict(Outcome.DELIVERED, None, Update(AT, 4))
        done = {request.number: verdict for request in claim.row.requests}
        await ledger.finish(claim, Result(Known(person_id=person), done))
        await pool.execute(
            "INSERT INTO actions (workspace_id, conversation_id, action_id, app, kind, crm_account,"
            " actor_id, lease_token, lease_until) VALUES ($1, $2, $3, $3, 'note', '42001', '5001',"
            " gen_random_uuid(), now())",
            workspace,
            conversation,
            app,
        )


@pytest.fixture
async def client(pool: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    routes = forget_routes(PostgresForgetting(pool), SecretStr(TOKEN))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=routes)),
        base_url="http://delivery",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as client:
        yield client


async def left(pool: asyncpg.Pool) -> set[tuple[str, str, str]]:
    """Workspace, conversation and app of what is there, in every table alike."""
    tables = [
        await pool.fetch(f"SELECT workspace_id, conversation_id, {app} AS app FROM {table}")  # noqa: S608
        for table, app in (("ledger", "crm"), ("actions", "app"))
    ]
    answers = await pool.fetch(
        "SELECT a.workspace_id, conversation_id, app FROM answers a"
        " JOIN ledger l ON l.id = ledger_id"
    )
    assert await pool.fetchval("SELECT count(*) FROM answers") == len(answers)
    found = [{tuple(row) for row in rows} for rows in (*tables, answers)]
    assert found[0] == found[1] == found[2]
    return found[0]


async def test_a_workspace_is_forgotten_and_no_other(
    client: httpx.AsyncClient, pool: asyncpg.Pool, kept: None
) -> None:
    answer = await client.delete("/v1/deliveries/wk1")
    assert answer.json() == {"deleted": {"ledger": 5, "actions": 5}}
    assert await left(pool) == {("wk2", "1", "hubspot")}
    assert (await client.delete("/v1/deliveries/wk1")).json()["deleted"]["ledger"] == 0


@pytest.mark.parametrize(
    ("asked", "conversations", "gone"),
    [
        ({"record": {"crm": "hubspot", "person_id": ADA}}, ["1", "2"], {0, 1, 2}),
        ({"conversation_ids": ["3", "77"]}, ["3", "77"], {3}),
        (
            {"conversation_ids": ["3"], "record": {"crm": "pipedrive", "person_id": ADA}},
            ["3", "4"],
            {3, 4},
        ),
        ({"record": {"crm": "hubspot", "person_id": "777"}}, [], set()),
    ],
)
async def test_a_contacts_conversations_are_forgotten_whole(
    client: httpx.AsyncClient,
    pool: asyncpg.Pool,
    kept: None,
    asked: Any,
    conversations: list[str],
    gone: set[int],
) -> None:
    answer = await client.post("/v1/deliveries/wk1/forget", json=asked)
    assert answer.json() == {
        "deleted": {"ledger": len(gone), "actions": len(gone)},
        "conversation_ids": conversations,
    }
    assert await left(pool) == {row[:3] for n, row in enumerate(ROWS) if n not in gone}


async def test_an_attempt_under_way_finds_that_it_lost_its_row(
    client: httpx.AsyncClient, ledger: PostgresLedger, kept: None
) -> None:
    event = ConversationSettled(
        workspace_id="wk1", conversation_id="1", trigger=Trigger.MANUAL, action_id="m-1"
    )
    await ledger.fold(Key("wk1", "1", "hubspot", "42001"), event, ("hubspot",))
    (claim,) = await ledger.claim("hubspot", 1, {})
    await client.delete("/v1/deliveries/wk1")
    done = {request.number: Verdict(Outcome.FAILED, "x") for request in claim.row.requests}
    with pytest.raises(LeaseLost):
        await ledger.finish(claim, Result(Known(), done))


async def test_only_settings_may_and_a_wrong_question_deletes_nothing(
    client: httpx.AsyncClient, pool: asyncpg.Pool, kept: None
) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer x"}):
        assert (await client.delete("/v1/deliveries/wk1", headers=headers)).status_code == 401
        answer = await client.post("/v1/deliveries/wk1/forget", json={}, headers=headers)
        assert answer.status_code == 401
    wrongs: list[Any] = [
        {"conversation_ids": ["x"]},
        {"record": {"crm": "fax", "person_id": "1"}},
        {"record": {"crm": "hubspot"}},
        {"everything": True},
        [],
    ]
    for wrong in wrongs:
        answer = await client.post("/v1/deliveries/wk1/forget", json=wrong)
        assert answer.status_code == 400
    routes = forget_routes(PostgresForgetting(pool), None)
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://delivery") as nobody:
        assert (await nobody.delete("/v1/deliveries/wk1")).status_code == 403
    assert len(await left(pool)) == len(ROWS)


class SettingsOfThen:
    """Has an answer on its way until it is let go, from before the workspace was forgotten."""

    def __init__(self) -> None:
        self.installed = True
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def installation(self, _: str, app: str, *, fresh: bool = False) -> Any:
        found = (
            SimpleNamespace(crm_account="42001") if self.installed and app == "hubspot" else None
        )
        if not fresh:
            self.asked.set()
            await self.may_answer.wait()
        return found


def forgotten(workspace: str = "wk1") -> SettingsChanged:
    return SettingsChanged(
        workspace_id=workspace, app="hubspot", version=3, changed_at=AT, forgotten=True
    )


async def test_what_settles_while_its_workspace_is_forgotten_goes_as_well(
    client: httpx.AsyncClient, pool: asyncpg.Pool, ledger: PostgresLedger, kept: None
) -> None:
    settings: Any = SettingsOfThen()
    delivery = Delivery("hubspot", ledger, settings, lambda _: None, lambda: None)
    leftovers = Leftovers(("hubspot",), settings, PostgresForgetting(pool), late_s=0)
    event = ConversationSettled(
        workspace_id="wk1", conversation_id="9", trigger=Trigger.QUIET, updated_at=AT, part_id=4
    )
    taking_in = asyncio.create_task(delivery.enqueue(event))
    await settings.asked.wait()  # it is let in, and its row not yet written
    settings.installed = False
    await client.delete("/v1/deliveries/wk1")
    leftovers.heard([forgotten()])
    await leftovers.sweep()
    settings.may_answer.set()
    await taking_in
    assert await pool.fetchval("SELECT conversation_id FROM ledger WHERE workspace_id = 'wk1'")
    await leftovers.sweep()  # late, when nothing can be under way
    assert await left(pool) == {("wk2", "1", "hubspot")}
    await ledger.fold(Key("wk1", "9", "hubspot", "42001"), event, ("hubspot",))
    await leftovers.sweep()  # it looks no third time
    assert await pool.fetchval("SELECT count(*) FROM ledger WHERE workspace_id = 'wk1'") == 1


async def test_what_is_installed_again_by_now_is_no_leftover(
    pool: asyncpg.Pool, kept: None
) -> None:
    settings: Any = SettingsOfThen()
    leftovers = Leftovers(("hubspot",), settings, PostgresForgetting(pool))
    leftovers.heard([forgotten(), forgotten("wk2")])
    await leftovers.sweep()
    assert len(await left(pool)) == len(ROWS)
    settings.installed = False
    changed = forgotten().model_copy(update={"forgotten": False})
    leftovers.heard([changed])  # merely uninstalled
    await leftovers.sweep()
    assert len(await left(pool)) == len(ROWS)
    leftovers.heard([forgotten()])
    await leftovers.sweep()
    assert await left(pool) == {row[:3] for row in ROWS if (row[0], row[2]) != ("wk1", "hubspot")}
