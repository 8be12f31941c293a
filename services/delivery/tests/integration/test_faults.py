"""Whatever breaks on the way: nothing is lost, and nothing is doubled. Judged in the CRM's store."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from common.events import Trigger

pytestmark = [pytest.mark.integration, pytest.mark.faults]

NOTE = r"/notes$"


async def _until(look: Callable[[], Awaitable[Any]], within_s: float = 20) -> Any:
    async with asyncio.timeout(within_s):
        while not (found := await look()):
            await asyncio.sleep(0.03)
    return found


@pytest.mark.parametrize("kind", ["500_after", "timeout_after", "reset_after", "cut_body"])
async def test_a_write_of_unknown_end_is_found_again_not_repeated(world: Any, kind: str) -> None:
    for app in ("hubspot", "pipedrive"):
        installed = await world.install(app)
        world.control.add_fault(app, kind, account=installed.account, method="POST", path=NOTE)
        talk = await installed.talk()
        await talk.settle()
        await talk.outcome("already_there")
        assert len(installed.notes(talk, deleted=True)) == 1
        if app == "pipedrive":
            assert len(installed.activities(talk)) == 1


async def test_a_write_that_never_happened_is_made_after_two_probes(world: Any) -> None:
    installed = await world.install("hubspot")
    world.control.add_fault(
        "hubspot", "500_before", account=installed.account, method="POST", path=NOTE
    )
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("delivered")
    assert len(installed.notes(talk, deleted=True)) == 1


async def test_an_activity_of_unknown_end_is_found_again(world: Any) -> None:
    installed = await world.install("pipedrive")
    world.control.add_fault(
        "pipedrive", "500_after", account=installed.account, method="POST", path="activities$"
    )
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("already_there")
    assert (len(installed.notes(talk)), len(installed.activities(talk))) == (1, 1)


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

    await _until(written)
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

    await _until(sent)
    frozen = world.delivery
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        await world.restart_delivery()
        await talk.outcome("already_there", "delivered", within_s=30)
    finally:
        frozen.process.send_signal(signal.SIGCONT)
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

    await _until(waiting)
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

    await _until(waiting)
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


async def test_settings_away_means_waiting_not_guessing(world: Any) -> None:
    installed = await world.install("hubspot")
    talk, later = await installed.talk(), await installed.talk()
    await talk.settle()
    await talk.outcome("delivered")
    world.settings.process.send_signal(signal.SIGSTOP)
    try:
        calls = len(world.control.journal("hubspot", installed.account))
        await later.settle()

        async def asked() -> bool:
            return later.id in world.delivery.log.read_text()

        await _until(asked)
        assert installed.notes(later) == []
        writes = world.control.journal("hubspot", installed.account)[calls:]
        assert [call for call in writes if call["path"].endswith("/notes")] == []
    finally:
        world.settings.process.send_signal(signal.SIGCONT)
    await later.outcome("delivered", within_s=40)
    assert len(installed.notes(later)) == 1


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
        return (
            answer.status_code == 503
            and needs["postgres"] == "PostgreSQL cannot be reached"
            and needs["kafka"] == "Kafka cannot be reached"
        )

    await _until(told)
    assert (await world.client.get(f"{lonely.addresses['health']}/healthz")).status_code == 200
    assert lonely.stop() == 0


async def test_a_stop_ends_cleanly_and_leaves_nothing_behind(world: Any) -> None:
    installed = await world.install("hubspot")
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("delivered")
    assert world.delivery.stop() == 0
    talk.reply()
    await talk.settle()
    await world.restart_delivery()
    await talk.outcome("updated")


async def test_no_word_of_a_conversation_is_kept_anywhere(world: Any, database_dsn: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(database_dsn)
    rows = await connection.fetch("SELECT ledger::text AS row FROM ledger")
    await connection.close()
    said = "".join(record["row"] for record in rows)
    said += "".join(service.log.read_text() for service in world.launcher.services)
    assert len(rows) > 5
    for word in ("canary", "@example.com", "Ada"):
        assert word not in said
