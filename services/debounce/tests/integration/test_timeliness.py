"""Settled hardly late: judged from the two topics, both stamped by the broker's clock."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration
NewLog = Callable[..., Awaitable[Any]]

# updates a second, for so many seconds; conversations
STEADY = {"quick": (500, 5, 600), "faults": (2_000, 60, 20_000), "long": (2_000, 600, 20_000)}
SILENT = 3  # this partition has one update, and no newer record ever comes


async def test_settled_within_2_s_of_due_at_a_steady_load_and_in_a_silent_partition(
    new_log: NewLog, size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rate, seconds, conversations = STEADY[size]
    log = await new_log(quiet_s=2.0, partitions=4, create=False)
    await log.create_topic(log.settled, 4, **{"message.timestamp.type": "LogAppendTime"})
    await log.create()
    await asyncio.gather(log.started("a"), log.started("b"))
    dice = random.Random(4)
    began, said = time.monotonic(), 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = [dice.randrange(conversations) for _ in range(int(elapsed * rate) - said)]
        now = int(time.time())
        parts = range(said, said + len(due))
        await log.fill(
            [(c, now, part) for c, part in zip(due, parts, strict=True)], partitions=SILENT
        )
        if said < seconds * rate // 2 <= said + len(due):
            alone = await log.say(conversations, partition=SILENT)
        said += len(due)
        await asyncio.sleep(0.02)

    verdict = await log.all_settled()

    assert verdict.right
    delays = sorted(await log.settle_delays_ms())
    p99, worst = delays[len(delays) * 99 // 100], delays[-1]
    with capsys.disabled():
        print(
            f"\nsettled after due: {len(delays)} events of {said} updates at {rate}/s: "
            f"p50 {delays[len(delays) // 2]} ms, p99 {p99} ms, worst {worst} ms"
        )
    assert delays[0] >= 0
    assert p99 <= 2_000
    assert worst <= 5_000
    (silent,) = [one for one in await log.settled_events() if one.partition == SILENT]
    assert silent.named_offset == alone.offset
