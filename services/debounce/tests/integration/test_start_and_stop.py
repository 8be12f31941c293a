"""How it starts, waits and ends."""

import signal
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration
NewLog = Callable[..., Awaitable[Any]]


async def test_it_waits_for_its_topics_and_says_how_to_make_them(new_log: NewLog) -> None:
    log = await new_log(quiet_s=0.5, create=False)
    replica = await log.start()
    await replica.until_answers("/readyz", 503, "run `lull topics create`")
    assert (await replica.get("/healthz"))[0] == 200

    await log.create()

    await replica.until_answers("/readyz", 200)
    await log.say(1)
    assert (await log.all_settled(within_s=10)).right


async def test_unequal_partition_counts_end_it_with_a_clear_error(new_log: NewLog) -> None:
    log = await new_log(create=False)
    await log.create_topic(log.updated, 2, **{"message.timestamp.type": "LogAppendTime"})
    await log.create_topic(f"{log.updated}.dlt", 2)
    await log.create_topic(log.settled, 3)

    replica = await log.start()

    assert await replica.process.wait() != 0
    await replica.end()
    assert replica.says("has 2 partitions and ")


async def test_a_record_without_append_time_ends_it_with_a_clear_error(new_log: NewLog) -> None:
    log = await new_log(create=False, partitions=1)
    for name in (log.updated, f"{log.updated}.dlt", log.settled):
        await log.create_topic(name, 1)
    replica = await log.started()

    await log.say(1)

    assert await replica.process.wait() != 0
    await replica.end()
    assert replica.says("set message.timestamp.type=LogAppendTime")
    assert (await log.committed())[0] is None


async def test_it_ends_within_5_s_with_code_0_and_leaves_the_pending_to_the_next_start(
    new_log: NewLog,
) -> None:
    log = await new_log(quiet_s=3.0)
    replica = await log.started()
    await log.fill([(c, int(time.time()), 1) for c in range(500)])
    await replica.until_metric("lull_debounce_pending", 500)
    began = time.monotonic()

    assert await replica.end(signal.SIGTERM) == 0

    assert time.monotonic() - began < 5
    await log.started()
    verdict = await log.all_settled()
    assert verdict.right
    assert verdict.expected == 500
    assert verdict.repeats == 0


async def test_ending_it_while_events_are_in_flight_repeats_none(new_log: NewLog) -> None:
    log = await new_log(quiet_s=1.0, partitions=2)
    await log.fill([(c, int(time.time()), 1) for c in range(12_000)])
    replica = await log.started()

    async def some_settled() -> bool:
        return bool(await replica.metric("lull_debounce_settled_total"))

    while not await some_settled():
        pass
    assert await replica.end(signal.SIGTERM) == 0
    await log.started()

    verdict = await log.all_settled()
    assert verdict.right
    assert verdict.expected == 12_000
    assert verdict.repeats == 0


async def test_asked_to_end_while_kafka_is_away_it_ends(new_log: NewLog) -> None:
    log = await new_log(bootstrap="127.0.0.1:1", create=False)
    replica = await log.start()
    await replica.until_answers("/readyz", 503, "Kafka cannot be reached")
    began = time.monotonic()

    assert await replica.end(signal.SIGTERM) == 0

    assert time.monotonic() - began < 5
