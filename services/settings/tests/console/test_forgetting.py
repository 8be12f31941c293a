"""What is forgotten is gone, here and in the ledger, and stays gone whatever is read afterwards."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from common.clock import SystemClock
from devstack.waiting import until
from settings.adapters.postgres.history import add_outcomes

pytestmark = pytest.mark.integration

KIM = "215470000000002"


async def test_a_workspace_is_forgotten_whole_and_no_other_is_touched(
    site: Any,
    admin: Any,
    world: Any,
    new_world: Callable[[], Any],
    new_visitor: Callable[[], Any],
    reporter: Any,
    changes: Any,
    database: Any,
    ledger: Any,
) -> None:
    other, neighbour = new_world(), new_visitor()
    await neighbour.sign_in(other.workspace, other.admin, "install")
    await neighbour.connect(other.workspace, "hubspot", other.hubspot)
    await reporter.outcome(world, "215470000000001", "delivered")
    await reporter.outcome(other, "215470000000001", "delivered")
    plain = new_visitor()
    await plain.sign_in(world.workspace, world.other)

    async def kept(workspace: str) -> dict[str, int]:
        columns = await database.fetch(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'workspace_id'"
            " AND table_schema = 'public'"
        )
        return {
            table: count
            for (table,) in columns
            if (
                count := await database.fetchval(
                    f"SELECT count(*) FROM {table} WHERE workspace_id = $1",  # noqa: S608
                    workspace,
                )
            )
        }

    forget, before = f"/w/{world.workspace}/forget", await kept(other.workspace)
    assert (await admin.post(forget, confirm="yes")).status_code == 400
    assert (await kept(world.workspace))["history"] == 1
    ledger.away = True
    try:
        half = await admin.post(forget, confirm=world.workspace)
    finally:
        ledger.away = False
    assert (half.status_code, (await kept(world.workspace))["workspaces"]) == (503, 1)
    answer = await admin.post(forget, confirm=world.workspace)
    assert (answer.status_code, "is forgotten" in answer.text) == (200, True)
    assert re.search(r"delivery ledger</td><td[^>]*>1<", answer.text)
    assert {key[0] for key in ledger.answers} & {world.workspace, other.workspace} == {
        other.workspace
    }
    assert set(await kept(world.workspace)) == {"audit"}
    assert await kept(other.workspace) == before
    installed = await site.ask("GET", f"/installations/{world.workspace}/hubspot")
    assert installed.status_code == 404
    told = await changes.of(world.workspace, "hubspot", version=2)
    assert not told["forgotten"]
    told = await changes.of(world.workspace, "hubspot", version=3)
    assert told["forgotten"]  # so that delivery looks once more for what came in meanwhile
    assert world.name not in (await admin.get("/")).text
    assert (await plain.get(f"/w/{world.workspace}/history")).status_code in (401, 404)
    # Whoever comes next installs it as for the first time.
    came = await plain.sign_in(world.workspace, world.other)
    assert f"Lull is not in <bdi>{world.name}</bdi> yet" in came.text
    path = f"/v1/workspaces/{other.workspace}"
    gone = (await site.operator("DELETE", path)).json()["deleted"]
    tables = ("workspaces", "history", "connections", "app_users", "ledger")
    assert [gone[table] for table in tables] == [1] * len(tables)
    again = await site.operator("DELETE", path)
    assert (again.status_code, again.json()["code"]) == (404, "unknown_workspace")


async def test_a_contact_is_forgotten_by_their_record_or_a_conversation_and_nobody_else_is(
    site: Any, admin: Any, world: Any, reporter: Any, database: Any, ledger: Any
) -> None:
    ada, kim, lost = "215470000000001", KIM, "215470000000003"
    await reporter.outcome(world, ada, "delivered", person_id="501")
    await reporter.outcome(world, ada, "delivered", person_id="9", app="pipedrive")
    await reporter.outcome(world, kim, "delivered", person_id="502")
    await reporter.outcome(world, lost, "delivered", person_id="501")
    del ledger.answers[world.workspace, lost, "hubspot"]  # known to the history alone
    forget = f"/w/{world.workspace}/forget-contact"

    async def left() -> tuple[set[str], set[str]]:
        rows = await database.fetch(
            "SELECT conversation_id FROM history WHERE workspace_id = $1", world.workspace
        )
        there = {key[1] for key in ledger.answers if key[0] == world.workspace}
        return {row[0] for row in rows}, there

    for wrong in (
        {"app": "", "person": "501", "conversation": ""},
        {"app": "hubspot", "person": "5 1", "conversation": ""},
        {"app": "hubspot", "person": "", "conversation": ""},
        {"app": "hubspot", "person": "", "conversation": "hello"},
    ):
        assert (await admin.post(forget, **wrong)).status_code == 400
    assert await left() == ({ada, kim, lost}, {ada, kim})
    answer = await admin.post(forget, app="hubspot", person="501", conversation="")
    assert (answer.status_code, "The contact is forgotten" in answer.text) == (200, True)
    for what, count in (("Conversations", 2), ("sync history", 3), ("delivery ledger", 2)):
        assert re.search(rf"{what}</td><td[^>]*>{count}<", answer.text), what
    assert await left() == ({kim}, {kim})
    nobody = await site.operator("POST", path_of(world), {})
    assert nobody.status_code == 422
    answer = await site.operator("POST", path_of(world), {"conversation_id": kim})
    assert answer.json()["deleted"]["conversations"] == 1
    assert await left() == (set(), set())
    audit = (await admin.get(f"/w/{world.workspace}/audit")).text
    assert "Had a contact forgotten: 2 conversations" in audit


def path_of(world: Any) -> str:
    return f"/v1/workspaces/{world.workspace}/forget-contact"


async def lines_of(database: Any, world: Any, conversation: str) -> list[str]:
    rows = await database.fetch(
        "SELECT outcome FROM history WHERE workspace_id = $1 AND conversation_id = $2",
        world.workspace,
        conversation,
    )
    return [row["outcome"] for row in rows]


async def test_what_was_decided_before_is_not_kept_when_it_is_read_later(
    site: Any, admin: Any, world: Any, reporter: Any, database: Any
) -> None:
    decided_at = SystemClock().now()
    await reporter.outcome(world, KIM, "delivered", decided_at=decided_at)
    await site.operator("POST", path_of(world), {"conversation_id": KIM})
    again = {"outcome_id": f"{world.workspace}-late", "decided_at": decided_at}
    await reporter.report(world, KIM, "updated", **again)
    # Read in order, of one key: once this is there, the one before was read.
    later = SystemClock().now() + timedelta(seconds=1)
    await reporter.outcome(world, KIM, "up_to_date", decided_at=later)
    assert await lines_of(database, world, KIM) == ["up_to_date"]


async def test_what_is_being_added_in_that_moment_is_forgotten_too(
    site: Any, admin: Any, world: Any, reporter: Any, database: Any
) -> None:
    async with database.transaction():
        await add_outcomes(database, [reporter.event(world, KIM, "delivered")])
        forgetting = asyncio.ensure_future(
            site.operator("POST", path_of(world), {"conversation_id": KIM})
        )

        async def waits() -> Any:
            assert not forgetting.done()
            return await database.fetchval(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"
            )

        await until(waits, 10)
    assert (await forgetting).json()["deleted"]["history"] == 1
    assert await lines_of(database, world, KIM) == []
