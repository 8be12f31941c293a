"""What settles, and when, on the real Kafka; judged from the two topics alone."""

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
    assert await replica.metric("lull_debounce_ticks_asked_total") >= 1
