"""Replay: what was not written is looked at again, as the world is now, and nothing else is."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from common.catalog import APPS
from common.events import ConversationSettled, CrmPerson, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivering.tables import database, ledger_on
from delivery.adapters.postgres import PostgresLedger
from delivery.adapters.replays import PostgresReplays
from delivery.domain.answer import Result, Verdict
from delivery.domain.row import Key, Known
from delivery.domain.selection import UNWRITTEN, Selection
from devstack.waiting import until

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOTES = r"/notes$"


async def test_a_failed_delivery_is_written_once_its_cause_is_gone(world: Any) -> None:
    installed = await world.install("hubspot")
    world.control.add_fault(
        "hubspot", "echo", account=installed.account, method="POST", path=NOTES, times=1
    )
    talk = await installed.talk()
    await talk.settle()
    assert (await talk.outcome("failed"))["reason"] == "http_400"
    event = talk.event()

    meant = {"workspace_id": installed.workspace}
    counted = await world.replay(**meant)
    assert (counted["count"], counted["by"][0]["reason"]) == (1, "http_400")
    assert installed.notes(talk) == []
    done = await world.replay(**meant, dry_run=False)
    assert (done["asked"], done["already_open"], done["after"]) == (1, 0, None)
    await talk.outcome("delivered")
    (note,) = installed.notes(talk)

    # Delivered now, and a settled event that comes again is a repeat as before.
    assert (await world.replay(**meant))["count"] == 0
    await world.publish(event)
    talk.reply()
    await talk.settle()
    await talk.outcome("updated")
    assert [found["id"] for found in installed.notes(talk, deleted=True)] == [note["id"]]


async def test_a_replay_asks_the_toggle_and_reads_intercom_afresh(world: Any) -> None:
    installed = await world.install("hubspot", on=False)
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("sync_off")
    one = {"workspace_id": installed.workspace, "conversation_id": talk.id, "dry_run": False}
    assert (await world.replay(**one))["asked"] == 1
    await talk.outcome("sync_off")
    assert installed.notes(talk) == []

    await installed.switch(on=True)
    talk.reply("<p>said after it was refused</p>")
    assert (await world.replay(**one, outcomes=["failed"]))["asked"] == 0
    assert (await world.replay(**one, outcomes=["sync_off"]))["asked"] == 1
    await talk.outcome("delivered")
    (note,) = installed.notes(talk)
    assert "said after it was refused" in note["body"]
    assert (await world.replay(**one))["asked"] == 0


async def test_an_action_is_replayed_with_its_own_actor_and_person(world: Any) -> None:
    installed = await world.install("hubspot", on=False)
    talk = await installed.talk()
    person = world.control.add_person("hubspot", installed.account, name="New", email="n@x.org")
    actor = {"type": "admin", "id": "5999", "name": "Kim", "email": "kim@example.org"}
    await talk.settle(
        Trigger.ACTION,
        app="hubspot",
        actor_id=actor["id"],
        person=CrmPerson(kind="contact", id=person["id"]),
    )
    await talk.outcome("actor_not_app_user")
    world.control.add_admin(
        installed.workspace, id=actor["id"], name=actor["name"], email=actor["email"]
    )
    users = {"users": [{"id": i, "paused": False} for i in (installed.admin, actor["id"])]}
    answer = await installed.operator("PUT", "/app-users", users)
    assert answer.status_code == 200, answer.text

    async def replaying_delivers() -> bool:
        """Within a second delivery has heard of the new app user; until then it refuses again."""
        asked = await world.replay(outcomes=["actor_not_app_user"], dry_run=False)
        assert asked["asked"] >= 1
        found = await talk.outcome("delivered", "actor_not_app_user")
        return bool(found["outcome"] == "delivered")

    await until(replaying_delivers, 30)
    (note,) = installed.notes(talk)
    assert note["person_ids"] == [person["id"]]


async def test_the_command_counts_asks_again_and_tells_what_became_of_it(world: Any) -> None:
    installed = await world.install("hubspot", on=False)
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("sync_off")
    await installed.switch(on=True)

    async def lull(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "LULL_DELIVERY_URL": world.delivery.addresses["api"],
            "LULL_DELIVERY_OPERATOR_TOKEN": world.delivery_env["LULL_DELIVERY_OPERATOR_TOKEN"],
        }
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "lull", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    meant = ("replay", "--workspace", installed.workspace)
    dry = await lull(*meant, "--dry-run")
    assert (dry.returncode, dry.stderr) == (0, "")
    assert "1  hubspot  sync_off  Transcript sync is switched off for this app." in dry.stdout
    unconfirmed = await lull(*meant)
    assert (unconfirmed.returncode, "say --yes" in unconfirmed.stderr) == (2, True)
    assert installed.notes(talk) == []
    done = await lull(*meant, "--yes")
    assert (done.returncode, "Asked again for 1." in done.stdout) == (0, True)
    await talk.outcome("delivered")
    listed = await lull("history", installed.workspace, "--outcome", "delivered")
    assert f"{talk.id}  hubspot  delivered" in listed.stdout
    assert (await lull(*meant, "--yes")).stdout == "Nothing to replay.\n"


# What a selection means, on the ledger alone.


@pytest.fixture(scope="module")
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(await database(postgres_dsn), min_size=0, max_size=4) as pool:
        yield pool


@pytest.fixture(scope="module")
def ledger(pool: asyncpg.Pool) -> PostgresLedger:
    return ledger_on(pool)


PLACES = [
    # workspace, conversation, app, how it ended, with which reason
    ("wk1", "1", "hubspot", Outcome.FAILED, "http_400"),
    ("wk1", "1", "pipedrive", Outcome.FAILED, "http_403"),
    ("wk1", "2", "hubspot", Outcome.DELIVERED, None),
    ("wk1", "3", "hubspot", Outcome.SYNC_OFF, None),
    ("wk2", "1", "hubspot", Outcome.FAILED, "http_400"),
    ("wk2", "2", "hubspot", Outcome.UPDATED, None),
    ("wk2", "3", "hubspot", Outcome.UP_TO_DATE, None),
    ("wk2", "4", "pipedrive", Outcome.NO_PERSON, None),
]


async def end(ledger: PostgresLedger, place: tuple[str, str, str, Outcome, str | None]) -> None:
    workspace, conversation, app, outcome, reason = place
    event = ConversationSettled(
        workspace_id=workspace,
        conversation_id=conversation,
        trigger=Trigger.QUIET,
        updated_at=AT,
        part_id=4,
    )
    key = Key(workspace, conversation, APPS[app].crm, "42001")
    await ledger.fold(key, event, (app,))
    await answer(ledger, key.crm, outcome, reason)


async def answer(
    ledger: PostgresLedger, crm: str, outcome: Outcome, reason: str | None = None
) -> None:
    (claim,) = await ledger.claim(crm, 1, {})
    verdict = Verdict(outcome, reason, Update(AT, 4))
    await ledger.finish(claim, Result(Known(), {r.number: verdict for r in claim.row.requests}))


@pytest.fixture(scope="module")
async def ended(ledger: PostgresLedger) -> None:
    for place in PLACES:
        await end(ledger, place)


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(outcomes=tuple(UNWRITTEN)), {0, 1, 3, 4, 7}),
        (Selection("wk1", outcomes=tuple(UNWRITTEN)), {0, 1, 3}),
        (Selection("wk1", ("1",), outcomes=tuple(UNWRITTEN)), {0, 1}),
        (Selection("wk2", ("4", "1"), outcomes=tuple(UNWRITTEN)), {4, 7}),
        (Selection("wk1", ("1", "3"), outcomes=tuple(UNWRITTEN)), {0, 1, 3}),
        (Selection(apps=("pipedrive",), outcomes=tuple(UNWRITTEN)), {1, 7}),
        (Selection(outcomes=(Outcome.FAILED,)), {0, 1, 4}),
        (Selection(outcomes=(Outcome.UPDATED,)), {5}),
        (Selection(reason="http_400", outcomes=tuple(UNWRITTEN)), {0, 4}),
        (Selection(since=AT - timedelta(days=9_000), outcomes=(Outcome.SYNC_OFF,)), {3}),
        (Selection(until=AT - timedelta(days=9_000), outcomes=tuple(UNWRITTEN)), set()),
        (Selection("wk9", outcomes=tuple(UNWRITTEN)), set()),
    ],
)
async def test_a_selection_is_counted_and_asked_again_alike(
    pool: asyncpg.Pool, ended: None, selection: Selection, meant: set[int]
) -> None:
    replays = PostgresReplays(pool)
    assert sum(line["count"] for line in await replays.counted(selection)) == len(meant)
    async with pool.acquire() as connection:  # and take it back again
        before = await connection.fetch("SELECT * FROM ledger ORDER BY id")
        asked, after, calls = 0, None, 0
        while True:
            done = await replays.ask_again(selection, after, 2)
            asked, after, calls = asked + done.asked, done.after, calls + 1
            if after is None:
                break
        rows = await connection.fetch("SELECT * FROM ledger ORDER BY id")
        opened = {
            (row["workspace_id"], row["conversation_id"], row["crm"])
            for row in rows
            if json.loads(row["open_requests"])
        }
        assert opened == {(PLACES[n][0], PLACES[n][1], PLACES[n][2]) for n in meant}
        assert (asked, calls) == (len(meant), len(meant) // 2 + 1)
        for old, new in zip(before, rows, strict=True):
            if json.loads(new["open_requests"]):
                assert (old["answered_through_part"], new["answered_through_part"]) == (4, 3)
                assert new["ready_at"] is not None
            else:
                assert dict(old) == dict(new)
        # Asked for already: once more changes nothing.
        again = await replays.ask_again(selection, None, 100)
        assert (again.asked, again.already_open) == (0, len(meant))
        for row in before:
            await connection.execute(
                "UPDATE ledger SET open_requests = '[]', ready_at = NULL, wanted = $2, "
                "answered_through_part = 4 WHERE id = $1",
                row["id"],
                row["wanted"],
            )


async def test_what_is_answered_anew_after_the_count_is_not_replayed(
    pool: asyncpg.Pool, ledger: PostgresLedger, ended: None
) -> None:
    replays = PostgresReplays(pool)
    counted_at = await replays.now()
    selection = Selection("wk2", outcomes=(Outcome.FAILED,), until=counted_at)
    assert (await replays.ask_again(selection, None, 100)).asked == 1
    await answer(ledger, "hubspot", Outcome.FAILED, "http_400")  # and it failed again
    assert (await replays.ask_again(selection, None, 100)).asked == 0
    assert await replays.counted(selection) == []


async def test_a_replay_during_an_attempt_is_attempted_after_it(
    pool: asyncpg.Pool, ledger: PostgresLedger
) -> None:
    place = ("wk5", "1", "hubspot", Outcome.FAILED, "http_400")
    await end(ledger, place)
    key = Key("wk5", "1", "hubspot", "42001")
    manual = ConversationSettled(
        workspace_id="wk5", conversation_id="1", trigger=Trigger.MANUAL, action_id="m-1"
    )
    await ledger.fold(key, manual, ("hubspot",))
    (claim,) = await ledger.claim("hubspot", 1, {})
    replays = PostgresReplays(pool)
    selection = Selection("wk5", outcomes=(Outcome.FAILED,))
    assert (await replays.ask_again(selection, None, 100)).asked == 1
    verdict = Verdict(Outcome.NO_PERSON)
    await ledger.finish(claim, Result(Known(), {r.number: verdict for r in claim.row.requests}))
    row = await ledger.read(key)
    assert row is not None
    assert [request.trigger for request in row.requests] == [Trigger.QUIET]
    assert (row.wanted, row.done) == (3, 2)
    await answer(ledger, "hubspot", Outcome.DELIVERED)
