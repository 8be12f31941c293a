"""Killed, frozen and cut off: nothing is lost, nothing is early; judged from the topics."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.faults]
NewLog = Callable[..., Awaitable[Any]]


def talk(conversations: int, replies: int) -> list[tuple[int, int, int]]:
    now = int(time.time())
    return [(c, now, part) for part in range(replies) for c in range(conversations)]


KILLS = {"quick": 3, "faults": 20, "long": 100}
RESTARTS = {"quick": "ab", "faults": "abab", "long": "ab" * 10}


async def test_killed_again_and_again_it_loses_nothing(new_log: NewLog, size: str) -> None:
    log = await new_log(quiet_s=0.7, partitions=2)
    await log.fill(talk(5_000, 3))
    for _ in range(KILLS[size]):
        replica = await log.start()

        async def at_work(replica: Any = replica) -> bool:
            return bool(await replica.metric("lull_debounce_settled_total"))

        while not await at_work():
            pass
        await replica.end(signal.SIGKILL)
        await log.fill(talk(2_000, 1))
    await log.started()

    verdict = await log.all_settled()

    assert verdict.right
    assert verdict.most_repeats_of_one <= KILLS[size]  # each between a publish and its commit


async def test_a_frozen_replica_that_wakes_after_its_partitions_went_harms_nothing(
    new_log: NewLog,
) -> None:
    log = await new_log(quiet_s=2.0, partitions=2)
    frozen = await log.started("frozen")
    other = await log.started("other")
    await frozen.until_answers("/readyz", 200)
    await log.fill(talk(2_000, 1))
    frozen.process.send_signal(signal.SIGSTOP)
    await log.fill(talk(2_000, 2))

    async def taken_over() -> bool:
        return not (await log.verdict()).missing and await other.ready()

    deadline = time.monotonic() + 30
    while not await taken_over():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    await log.fill(talk(2_000, 3))
    frozen.process.send_signal(signal.SIGCONT)

    verdict = await log.all_settled()

    assert verdict.right
    assert verdict.most_repeats_of_one <= 1
    await frozen.until_answers("/readyz", 200)


async def test_a_rolling_restart_repeats_nothing(new_log: NewLog, size: str) -> None:
    log = await new_log(quiet_s=1.0, partitions=2)
    running = {name: await log.started(name) for name in "ab"}
    for name in RESTARTS[size]:
        await log.fill(talk(1_000, 2))
        assert await running[name].end(signal.SIGTERM) == 0
        running[name] = await log.started(name)

    verdict = await log.all_settled()

    assert verdict.right
    assert verdict.repeats == 0


async def test_a_killed_broker_that_returns_is_survived_without_a_restart(
    new_log: NewLog, own_kafka: Any
) -> None:
    log = await new_log(quiet_s=1.0, partitions=2, bootstrap=own_kafka.bootstrap)
    replica = await log.started(LULL_DEBOUNCE_STALLED_AFTER_S="10")
    await log.fill(talk(3_000, 2))
    await replica.until_metric("lull_debounce_read_lag", 0)

    own_kafka.send(signal.SIGKILL)
    await replica.until_answers("/readyz", 503, "Kafka does not answer")
    assert (await replica.get("/healthz"))[0] == 200
    await own_kafka.restart()

    await replica.until_answers("/readyz", 200)
    await log.fill(talk(3_000, 1))
    verdict = await log.all_settled()
    assert verdict.right
    assert replica.process.returncode is None


async def test_while_a_broker_hangs_healthz_turns_red_and_sigterm_still_ends_it(
    new_log: NewLog, own_kafka: Any
) -> None:
    log = await new_log(quiet_s=1.0, partitions=2, bootstrap=own_kafka.bootstrap)
    replica = await log.started(LULL_DEBOUNCE_STALLED_AFTER_S="2")
    ending = await log.started("ending")
    await log.say(1)
    own_kafka.send(signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert await ending.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 5
        await replica.until_answers("/readyz", 503, "Kafka does not answer")
        await replica.until_answers("/healthz", 503, "no progress")
    finally:
        own_kafka.send(signal.SIGCONT)

    await replica.until_answers("/healthz", 200)
    verdict = await log.all_settled()
    assert verdict.right


async def test_started_while_kafka_is_down_it_waits_and_recovers(
    new_log: NewLog, own_kafka: Any
) -> None:
    log = await new_log(quiet_s=0.5, partitions=2, bootstrap=own_kafka.bootstrap)
    await log.say(1)
    own_kafka.stop()
    replica = await log.start()
    await replica.until_answers("/readyz", 503, "Kafka cannot be reached")
    assert (await replica.get("/healthz"))[0] == 200

    await own_kafka.start()

    await replica.until_answers("/readyz", 200)
    assert (await log.all_settled()).right
