"""Rate limits, refusals and failing CRMs, on real replicas against simulators that enforce them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import asyncpg
import pytest
from delivery.config import DeliveryConfig
from devstack.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

LIMITS = {"hubspot": 110 / 10, "keap": 25}  # calls a second
SHARE = DeliveryConfig.model_fields["delivery_workspace_share"].default
CONTACTS, NOTE = "contacts", r"/notes$"


@pytest.fixture
async def replicas(world: Any) -> AsyncIterator[list[Any]]:
    other = await world.start_delivery(LULL_DELIVERY_INSTANCE_ID="delivery-1")
    await world.ready(other)
    yield [world.delivery, other]
    assert other.stop() == 0


def calls_of(world: Any, crm: str, accounts: list[Any]) -> list[dict[str, Any]]:
    calls = [call for one in accounts for call in world.control.journal(crm, one.account)]
    return sorted((c for c in calls if "oauth" not in c["path"]), key=lambda call: call["at"])


def assert_none_refused(calls: list[dict[str, Any]]) -> None:
    assert [call["path"] for call in calls if call["status"] == 429] == []


async def settle_all(talks: list[Any], *, delivered_within_s: float) -> None:
    for talk in talks:
        await talk.settle()
    ends = await asyncio.gather(*(talk.outcome(within_s=delivered_within_s) for talk in talks))
    assert {end["outcome"] for end in ends} == {"delivered"}


async def test_an_accounts_limit_holds_over_two_replicas_and_is_made_use_of(
    world: Any, replicas: list[Any]
) -> None:
    installed = await world.install("hubspot")
    talks = [await installed.talk() for _ in range(40)]
    await settle_all(talks, delivered_within_s=60)
    calls = calls_of(world, "hubspot", [installed])
    assert_none_refused(calls)
    assert len(calls) >= 2 * len(talks)
    seconds = calls[-1]["at"] - calls[0]["at"]
    assert len(calls) / seconds >= 0.5 * LIMITS["hubspot"]
    # Else it would be one replica's limit that held.
    assert all(installed.workspace in replica.log.read_text() for replica in replicas)


async def test_a_client_keys_limit_holds_over_all_customers_and_replicas(
    world: Any, replicas: list[Any]
) -> None:
    customers = await asyncio.gather(*(world.install("keap") for _ in range(4)))
    talks = [await customer.talk() for customer in customers for _ in range(10)]
    await settle_all(talks, delivered_within_s=60)
    calls = calls_of(world, "keap", customers)
    assert_none_refused(calls)
    assert len(calls) >= 2 * len(talks) > 3 * LIMITS["keap"]


# What a refusal says about when to come back, and the seconds that are waited at least.
RETRY_AFTER = [
    ("hubspot", "3", 3),
    ("hubspot", "date", 3),
    ("pipedrive", "0", 2),  # as good as nothing said: Pipedrive's window, the shortest
    ("pipedrive", "-1", 2),
    ("pipedrive", "soon", 2),
]


async def test_no_call_comes_before_the_time_that_a_refusal_named(world: Any) -> None:
    installed = await asyncio.gather(*(world.install(app) for app, _, _ in RETRY_AFTER))
    day = await world.install("hubspot")
    for (app, said, _), place in zip(RETRY_AFTER, installed, strict=True):
        at = datetime.fromtimestamp(world.control.advance_clock(0) + 4, UTC)
        header = format_datetime(at, usegmt=True) if said == "date" else said
        world.control.add_fault(app, "429", account=place.account, headers={"Retry-After": header})
    world.control.add_fault("hubspot", "429", account=day.account, headers={"Retry-After": "86400"})
    talks = [await place.talk() for place in (*installed, day)]
    for talk in talks:
        await talk.settle()
    others = [await place.talk() for place in installed]
    for other in others:  # of the same connections: a refusal seen once is enough
        await other.settle()
    await asyncio.gather(*(talk.outcome("delivered", within_s=40) for talk in talks[:-1]))
    await asyncio.gather(*(other.outcome("delivered", within_s=40) for other in others))
    for (app, said, seconds), place in zip(RETRY_AFTER, installed, strict=True):
        calls = calls_of(world, app, [place])
        refused = [call for call in calls if call["status"] == 429]
        later = [call["at"] for call in calls if call["at"] > refused[0]["at"]]
        # Those that were on their way already when it was refused do not count.
        first_after = min(at for at in later if at > refused[0]["at"] + 1)
        assert (said, len(refused)) == (said, 1)
        assert first_after - refused[0]["at"] >= seconds - 0.1, said
    said = (await talks[-1].explained())["deliveries"][0]["waiting"]
    until = datetime.fromisoformat(said["until"]).timestamp()
    assert said["for"] in ("retry", "paused")
    assert until - world.control.advance_clock(0) > 23 * 3600
    assert len(calls_of(world, "hubspot", [day])) == 1


async def test_a_crm_that_fails_for_long_is_left_alone_and_all_is_delivered_afterwards(
    world: Any,
) -> None:
    sick, well = await asyncio.gather(world.install("hubspot"), world.install("hubspot"))
    world.control.add_fault(
        "hubspot", "500_before", account=sick.account, path=CONTACTS, times=None
    )
    talks = [await sick.talk() for _ in range(25)]
    for talk in talks:
        await talk.settle()

    async def open_circuit() -> Any:
        for talk in talks:
            told = (await talk.explained() or {"deliveries": [{}]})["deliveries"][0]
            waiting = told.get("waiting") or {}
            if waiting.get("reason") == "circuit_open":
                return waiting
        return None

    waiting = await until(open_circuit)
    assert waiting["for"] == "paused"
    failed = len(calls_of(world, "hubspot", [sick]))
    assert failed < 25  # by far not every row found out for itself
    healthy = await well.talk()
    await healthy.settle()
    await healthy.outcome("delivered", within_s=10)
    world.control.clear_faults()
    ends = await asyncio.gather(*(talk.outcome(within_s=60) for talk in talks))
    assert {end["outcome"] for end in ends} == {"delivered"}
    assert [len(sick.notes(talk)) for talk in talks] == [1] * len(talks)


async def test_a_vendor_that_fails_everybody_is_said_so_and_probed_by_one_call(
    world: Any,
) -> None:
    everybody = await asyncio.gather(*(world.install("hubspot") for _ in range(5)))
    talks = [await place.talk() for place in everybody for _ in range(4)]
    world.control.add_fault("hubspot", "500_before", path=CONTACTS, times=None)
    for talk in talks:
        await talk.settle()
    health = world.delivery.addresses["health"]

    async def told() -> bool:
        peers = (await world.client.get(f"{health}/readyz")).json()["peers"]
        return "circuit open" in (peers["hubspot"] or "")

    await until(told)
    metrics = (await world.client.get(f"{health}/metrics")).text
    assert 'lull_delivery_circuit_state{vendor="hubspot"} 2.0' in metrics
    assert (await world.client.get(f"{health}/readyz")).status_code == 200  # peers never count
    seen = len(calls_of(world, "hubspot", everybody))

    async def probed() -> bool:
        return len(calls_of(world, "hubspot", everybody)) > seen

    await until(probed)
    assert len(calls_of(world, "hubspot", everybody)) - seen <= 2
    world.control.clear_faults()
    ends = await asyncio.gather(*(talk.outcome(within_s=60) for talk in talks))
    assert {end["outcome"] for end in ends} == {"delivered"}


async def test_an_account_that_never_answers_takes_no_worker_from_the_others(world: Any) -> None:
    hung, well = await asyncio.gather(world.install("hubspot"), world.install("hubspot"))
    world.control.add_fault("hubspot", "timeout", account=hung.account, path=CONTACTS, times=None)
    stuck = [await hung.talk() for _ in range(40)]
    for talk in stuck:
        await talk.settle()

    async def hanging() -> bool:
        return bool(world.control.faults()[-1]["hits"])

    await until(hanging)
    talks = [await well.talk() for _ in range(5)]
    for talk in talks:
        await talk.settle()
    for talk in talks:
        await talk.outcome("delivered", within_s=2 * 2)  # twice what one call may take
    # None of the others had to wait for one of theirs to end: no more run than its share.
    connection = await asyncpg.connect(world.delivery_env["LULL_DELIVERY_DATABASE_URL"])
    try:
        running = await connection.fetchval(
            "SELECT count(*) FROM ledger WHERE workspace_id = $1 AND lease_until > now()",
            hung.workspace,
        )
    finally:
        await connection.close()
    assert running <= SHARE
    world.control.clear_faults()
    ends = await asyncio.gather(*(talk.outcome(within_s=60) for talk in stuck))
    assert {end["outcome"] for end in ends} == {"delivered"}
