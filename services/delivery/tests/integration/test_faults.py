"""Whatever breaks on the way, nothing is lost and nothing is doubled: judged in the CRM's store."""

import asyncio
import signal
from typing import Any

import asyncpg
import pytest
from common.events import Trigger
from devstack.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

NOTE, ACTIVITY = r"/notes$", r"/activities$"


# What breaks, where, and how the conversation ends all the same.
UNKNOWN_ENDS = [
    ("hubspot", "500_after", NOTE, "already_there"),
    ("hubspot", "timeout_after", NOTE, "already_there"),
    ("hubspot", "reset_after", NOTE, "already_there"),
    ("hubspot", "cut_body", NOTE, "already_there"),
    ("hubspot", "500_before", NOTE, "delivered"),
    ("hubspot", "timeout", NOTE, "delivered"),
    ("pipedrive", "500_after", NOTE, "already_there"),
    ("pipedrive", "timeout_after", NOTE, "already_there"),
    ("pipedrive", "500_after", ACTIVITY, "already_there"),
    ("pipedrive", "500_before", ACTIVITY, "already_there"),
]


async def test_a_write_of_unknown_end_is_looked_for_and_never_doubled(world: Any) -> None:
    installed = await asyncio.gather(*(world.install(app) for app, *_ in UNKNOWN_ENDS))
    talks = []
    for (app, kind, path, _), place in zip(UNKNOWN_ENDS, installed, strict=True):
        world.control.add_fault(app, kind, account=place.account, method="POST", path=path)
        talks.append(await place.talk())
    for talk in talks:
        await talk.settle()
    for (app, kind, path, expected), talk in zip(UNKNOWN_ENDS, talks, strict=True):
        place = talk.installed
        found = (await talk.outcome())["outcome"]
        written = len(place.notes(talk, deleted=True))
        activities = len(place.activities(talk)) if app == "pipedrive" else 1
        assert (kind, path, found, written, activities) == (kind, path, expected, 1, 1)
    await _a_create_that_lands_after_all_is_healed(world, talks[4])


async def _a_create_that_lands_after_all_is_healed(world: Any, talk: Any) -> None:
    (note,) = talk.installed.notes(talk)
    person = note["person_ids"][0]
    late = world.control.write_note("hubspot", talk.installed.account, person, note["body_sent"])

    async def healed() -> bool:
        live = [found["id"] for found in talk.installed.notes(talk)]
        return live == [note["id"]] and late["id"] not in live

    assert not await healed()
    await until(healed)


async def test_killed_between_the_crms_answer_and_our_commit(world: Any) -> None:
    installed = await world.install("hubspot")
    # The note is written at once and the answer comes late: the process dies in between.
    world.control.add_fault(
        "hubspot", "slow", account=installed.account, method="POST", path=NOTE, ms=1800
    )
    talk = await installed.talk()
    await talk.settle()

    async def written() -> bool:
        return bool(world.control.faults()[-1]["hits"])

    await until(written)
    world.delivery.kill()
    await world.restart_delivery()
    await talk.outcome("already_there", "delivered", within_s=30)
    assert len(installed.notes(talk)) == 1


async def test_a_frozen_worker_that_lost_its_row_leaves_one_note(world: Any) -> None:
    """Frozen past its lease with a create under way, while another replica takes over."""
    installed = await world.install("hubspot")
    world.control.add_fault(
        "hubspot", "slow", account=installed.account, method="POST", path=NOTE, ms=1500
    )
    talk = await installed.talk()
    await talk.settle()

    async def sent() -> bool:
        return bool(world.control.faults()[-1]["hits"])

    await until(sent)
    frozen = world.delivery
    frozen.process.send(signal.SIGSTOP)
    try:
        await world.restart_delivery()
        await talk.outcome("already_there", "delivered", within_s=30)
    finally:
        frozen.process.send(signal.SIGCONT)
    assert len(installed.notes(talk)) == 1
    assert frozen.stop() in (0, 1)  # its group membership was taken over: it may end loudly
    assert len(installed.notes(talk)) == 1


async def test_retry_after_holds_the_connection_and_is_waited_for(world: Any) -> None:
    installed = await world.install("hubspot")
    world.control.add_fault(
        "hubspot", "429", account=installed.account, path="contacts", headers={"Retry-After": "3"}
    )
    first = await installed.talk()
    await first.settle()

    async def waiting() -> bool:
        said = await first.explained()
        return bool(said and (said["deliveries"][0]["waiting"] or {}).get("for") == "retry")

    await until(waiting)
    held_at = len(world.control.journal("hubspot", installed.account))
    second = await installed.talk()
    await second.settle(Trigger.MANUAL)
    await first.outcome("delivered")
    await second.outcome("delivered")
    calls = world.control.journal("hubspot", installed.account)
    refused = max(c["at"] for c in calls if c["status"] == 429)
    after = [c["at"] for c in calls[held_at:] if "oauth" not in c["path"]]
    assert min(after) - refused >= 3


async def test_a_revoked_connection_waits_and_resumes_after_the_reconnect(world: Any) -> None:
    installed = await world.install("hubspot")
    first = await installed.talk()
    await first.settle()
    await first.outcome("delivered")
    world.control.revoke_crm_tokens("hubspot", installed.account)
    talk = await installed.talk()
    await talk.settle()

    async def waiting() -> bool:
        said = await talk.explained()
        return bool(said and (said["deliveries"][0]["waiting"] or {}).get("for") == "reconnect")

    await until(waiting)
    await world.connect(installed, installed.account)
    await talk.outcome("delivered")


async def test_a_refused_access_token_is_renewed_once_and_the_note_written(world: Any) -> None:
    installed = await world.install("hubspot")
    first = await installed.talk()
    await first.settle()
    await first.outcome("delivered")
    world.control.add_fault("hubspot", "401", account=installed.account, method="POST", path=NOTE)
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("delivered")
    assert len(installed.notes(talk, deleted=True)) == 1


async def test_another_crm_account_on_the_connection_starts_afresh(world: Any) -> None:
    installed = await world.install("hubspot")
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("delivered")
    other = f"9{installed.account}"
    world.control.create_account("hubspot", other)
    await world.connect(installed, other)
    talk.reply()
    await talk.settle()
    assert (await talk.outcome("no_person"))["crm_account"] == other


async def test_a_start_with_everything_down_waits_and_says_what_for(world: Any) -> None:
    lonely = await world.start_delivery(
        LULL_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9",
        LULL_DELIVERY_DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:9/nowhere",
        LULL_DELIVERY_SETTINGS_URL="http://127.0.0.1:9",
        LULL_DELIVERY_INSTANCE_ID="lonely",
    )

    async def told() -> bool:
        answer = await world.client.get(f"{lonely.addresses['health']}/readyz")
        needs = answer.json()["needs"]
        assert answer.status_code == 503
        faults = (needs["postgres"], needs["kafka"])
        return faults == ("PostgreSQL cannot be reached", "Kafka cannot be reached")

    await until(told)
    assert (await world.client.get(f"{lonely.addresses['health']}/healthz")).status_code == 200
    assert lonely.stop() == 0


async def test_a_stop_lets_a_write_under_way_finish_and_the_next_start_goes_on(world: Any) -> None:
    installed = await world.install("hubspot")
    world.control.add_fault(
        "hubspot", "slow", account=installed.account, method="POST", path=NOTE, ms=1000
    )
    talk, later = await installed.talk(), await installed.talk()
    await talk.settle()

    async def sent() -> bool:
        return bool(world.control.faults()[-1]["hits"])

    await until(sent)
    assert world.delivery.stop() == 0
    await later.settle()
    await world.restart_delivery()
    await talk.outcome("delivered")  # not `already_there`: its attempt was not cut off
    await later.outcome("delivered")
    assert len(installed.notes(talk, deleted=True)) == 1


async def test_what_arrives_while_postgresql_is_away_is_held_and_delivered(
    world: Any, postgres_dsn: str, database_dsn: str
) -> None:
    installed = await world.install("hubspot")
    talk = await installed.talk()
    database = database_dsn.rpartition("/")[2]
    superuser = await asyncpg.connect(postgres_dsn)
    try:
        await superuser.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database
        )
        await talk.settle()

        async def told() -> bool:
            needs = (await world.ready(ready=False))["needs"]
            return bool(needs["postgres"] == "PostgreSQL cannot be reached")

        await until(told)
        assert installed.notes(talk) == []
    finally:
        await superuser.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        await superuser.close()
    await talk.outcome("delivered")
    await world.ready()


async def test_no_word_of_a_conversation_is_kept_anywhere(world: Any, database_dsn: str) -> None:
    connection = await asyncpg.connect(database_dsn)
    rows = await connection.fetch("SELECT ledger::text AS row FROM ledger")
    await connection.close()
    said = "".join(record["row"] for record in rows)
    said += "".join(service.log.read_text() for service in world.launcher.services)
    assert len(rows) > 5
    for word in ("canary", "@example.com", "Ada"):
        assert word not in said
