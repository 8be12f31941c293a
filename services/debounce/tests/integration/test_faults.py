"""Restarted and cut off, one fault at a time; all of them at once: test_everything_at_once.py."""

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


RESTARTS = {"quick": "ab", "faults": "abab", "long": "ab" * 10}


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
