"""How long to wait before trying again: exponential with full jitter, three days in all."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

RETRY_AFTER_MAX = timedelta(hours=24)  # longer ones are cut to this: we ask again once a day


@dataclass(frozen=True, slots=True)
class Schedule:
    """After the n-th failure in a row: a random time up to min(longest, first * 2^n)."""

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(hours=3)
    in_all: timedelta = timedelta(days=3)


def next_try(
    schedule: Schedule,
    *,
    failures: int,
    failing_since: datetime | None,
    retry_after: timedelta | None,
    now: datetime,
    random: Callable[[], float],
) -> datetime | None:
    """When to try again, or None once the schedule is used up.

    Args:
        failures: failed attempts in a row, this one not counted.
        failing_since: when the first of them failed; None: this is the first.
        retry_after: what the other side asked for. It sets the least wait, jitter comes on top,
            so that rows which were told the same do not come back together.
        random: uniform in [0, 1).

    """
    if failing_since is not None and now - failing_since >= schedule.in_all:
        return None
    # 2^40 times anything is past every cap, and far from overflowing a timedelta's seconds.
    doubled = schedule.first.total_seconds() * 2.0 ** min(failures, 40)
    pause = timedelta(seconds=min(schedule.longest.total_seconds(), doubled) * random())
    if retry_after is not None:
        asked = min(max(retry_after, timedelta(0)), RETRY_AFTER_MAX)
        pause = asked + min(pause, asked / 10 + schedule.first)
    return now + pause
