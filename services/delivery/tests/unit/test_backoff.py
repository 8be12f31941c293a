"""How long to wait before the next attempt."""

from datetime import UTC, datetime, timedelta

import pytest
from delivery.domain.backoff import RETRY_AFTER_MAX, Schedule, next_try
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCHEDULE = Schedule()


def pause(
    failures: int = 0,
    *,
    since: timedelta | None = None,
    retry_after: timedelta | None = None,
    random: float = 0.999999,
) -> timedelta | None:
    at = next_try(
        SCHEDULE,
        failures=failures,
        failing_since=None if since is None else NOW - since,
        retry_after=retry_after,
        now=NOW,
        random=lambda: random,
    )
    return None if at is None else at - NOW


@pytest.mark.parametrize(
    ("failures", "longest_s"), [(0, 5), (1, 10), (2, 20), (11, 10_240), (12, 10_800), (900, 10_800)]
)
def test_the_longest_wait_doubles_up_to_three_hours(failures: int, longest_s: int) -> None:
    found = pause(failures)
    assert found is not None
    assert found.total_seconds() == pytest.approx(longest_s, rel=0.001)


@given(st.integers(0, 5_000), st.floats(0, 1, exclude_max=True))
def test_jitter_is_full_and_nothing_overflows(failures: int, random: float) -> None:
    found = pause(failures, random=random)
    assert found is not None
    assert timedelta(0) <= found <= SCHEDULE.longest


def test_after_three_days_it_is_given_up() -> None:
    assert pause(50, since=timedelta(days=3) - timedelta(seconds=1)) is not None
    assert pause(50, since=timedelta(days=3)) is None


@pytest.mark.parametrize("random", [0.0, 0.999])
@pytest.mark.parametrize("seconds", [0, 1, 30, 3_600, 86_400])
def test_retry_after_is_honoured_up_to_a_day_with_jitter_on_top(
    seconds: int, random: float
) -> None:
    asked = timedelta(seconds=seconds)
    found = pause(20, retry_after=asked, random=random)
    assert found is not None
    assert asked <= found <= asked * 1.1 + SCHEDULE.first


def test_a_retry_after_of_more_than_a_day_or_below_zero_is_cut() -> None:
    long = pause(retry_after=timedelta(days=30), random=0)
    assert long == RETRY_AFTER_MAX
    assert pause(retry_after=timedelta(seconds=-1), random=0) == timedelta(0)
