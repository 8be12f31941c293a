"""What settles, and when, on the real Kafka; judged from the two topics alone."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration
NewLog = Callable[..., Awaitable[Any]]


async def test_a_silent_conversation_settles_with_no_newer_record_coming(new_log: NewLog) -> None:
    log = await new_log(quiet_s=1.0)
    replica = await log.started()
    said = await log.say(1, part_id=7)

    verdict = await log.all_settled(within_s=10)

    assert verdict.right
    assert verdict.expected == 1
    (settled,) = await log.settled_events()
    assert (settled.conversation, settled.updated_at, settled.part_id) == (
        "w1:1",
        said.updated_at,
        7,
    )
    assert 0 <= settled.appended_ms - (said.appended_ms + 1000) < 2000
    assert await replica.metric("lull_debounce_ticks_asked_total") == 1


async def test_nothing_is_appended_while_nothing_is_pending(new_log: NewLog) -> None:
    log = await new_log(quiet_s=0.3)
    await log.started()
    await log.say(1)
    await log.all_settled(within_s=10)
    before = len(await log.read(log.updated))

    await asyncio.sleep(1.0)  # several looks of the service at its clock

    assert len(await log.read(log.updated)) == before


async def test_the_commit_follows_what_is_handed_over_and_waits_for_what_is_pending(
    new_log: NewLog,
) -> None:
    log = await new_log(quiet_s=2.0, partitions=1)
    replica = await log.started()
    await log.say(1)
    await log.say(2)
    await replica.until_metric("lull_debounce_pending", 2)
    await asyncio.sleep(1.2)  # past a commit
    assert (await log.committed())[0] in (None, 0)

    await log.all_settled(within_s=10)

    await log.until_committed(await log.end_offsets())


async def test_redelivered_and_shuffled_updates_settle_once_and_name_the_newest(
    new_log: NewLog,
) -> None:
    log = await new_log(quiet_s=1.5)
    replica = await log.started()
    now, dice = int(time.time()), random.Random(5)
    said = [
        (conversation, now - dice.randrange(60), part)
        for conversation in range(40)
        for part in range(5)
    ] * 3
    dice.shuffle(said)
    await log.fill(said)

    verdict = await log.all_settled()

    assert verdict.right
    assert verdict.expected == 40
    assert verdict.repeats == 0
    newest = {
        f"w1:{c}": max((at, part) for other, at, part in said if other == c) for c in range(40)
    }
    settled = await log.settled_events()
    assert {one.conversation: (one.updated_at, one.part_id) for one in settled} == newest
    assert await replica.metric("lull_debounce_repeats_total") > 0


async def test_a_reply_from_the_future_counts_as_of_its_append_time(new_log: NewLog) -> None:
    log = await new_log(quiet_s=1.0, partitions=1)
    await log.started()
    said = await log.say(1, updated_at=int(time.time()) + 3600, part_id=1)
    later = await log.say(1, updated_at=said.appended_ms // 1000 + 5, part_id=2)

    verdict = await log.all_settled(within_s=10)

    assert verdict.right
    (settled,) = await log.settled_events()
    assert (settled.named_offset, settled.updated_at) == (later.offset, later.updated_at)


async def test_a_backlog_gives_the_same_events_as_reading_along_would_have(
    new_log: NewLog,
) -> None:
    """The service starts when the log is done: lag and batch size change nothing."""
    log = await new_log(quiet_s=1.0, partitions=2)
    await log.say(1, part_id=1)
    await log.fill([(c, int(time.time()), 1) for c in range(100, 3000)])
    await asyncio.sleep(1.3)  # a quiet period passes within the log
    second = await log.say(1, updated_at=int(time.time()) + 3, part_id=2)
    await log.say(2)
    await asyncio.sleep(1.3)

    await log.started()
    verdict = await log.all_settled()

    assert verdict.right
    assert verdict.repeats == 0
    of_one = [one for one in await log.settled_events() if one.conversation == "w1:1"]
    assert len(of_one) == 2
    assert of_one[1].updated_at == second.updated_at
