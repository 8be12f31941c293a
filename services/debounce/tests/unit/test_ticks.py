"""When the log is asked for its time. Elapsed times in seconds, clocks in milliseconds."""

import pytest
from debounce.domain.ticks import LOST_AFTER_S, SILENT_FOR_S, Ticks

T0 = 1_790_000_000_000
DUE = T0 + 10_000


@pytest.fixture
def ticks() -> Ticks:
    """The last record was read at 100 s, just after it was appended at T0."""
    ticks = Ticks()
    ticks.record_read(100.0, T0)
    return ticks


def test_asked_as_soon_as_due_by_the_service_s_clock(ticks: Ticks) -> None:
    assert not ticks.wanted(DUE, at_end=True, now_ms=DUE - 1, elapsed_s=109.9)
    assert ticks.wanted(DUE, at_end=True, now_ms=DUE, elapsed_s=109.9)


def test_never_asked_while_nothing_is_pending(ticks: Ticks) -> None:
    assert not ticks.wanted(None, at_end=True, now_ms=DUE, elapsed_s=200)


def test_never_asked_before_the_end_of_the_log_is_reached(ticks: Ticks) -> None:
    assert not ticks.wanted(DUE, at_end=False, now_ms=DUE, elapsed_s=200)


def test_not_asked_while_records_flow(ticks: Ticks) -> None:
    assert not ticks.wanted(DUE, at_end=True, now_ms=DUE, elapsed_s=100 + SILENT_FOR_S / 2)


def test_one_at_a_time_and_again_when_it_got_lost(ticks: Ticks) -> None:
    ticks.asked(110)

    assert not ticks.wanted(DUE, at_end=True, now_ms=DUE, elapsed_s=110 + LOST_AFTER_S - 0.1)
    assert ticks.wanted(DUE, at_end=True, now_ms=DUE, elapsed_s=110 + LOST_AFTER_S)


def test_a_clock_far_ahead_asks_once_and_then_waits_for_the_time_to_pass(ticks: Ticks) -> None:
    ahead = DUE + 300_000
    assert ticks.wanted(DUE, at_end=True, now_ms=ahead, elapsed_s=101)
    ticks.asked(101)
    ticks.tick_read(101.1, T0 + 1_100)

    assert not ticks.wanted(DUE, at_end=True, now_ms=ahead, elapsed_s=109.9)
    assert ticks.wanted(DUE, at_end=True, now_ms=ahead, elapsed_s=110)


def test_a_clock_far_behind_asks_no_later_than_the_time_that_has_passed(ticks: Ticks) -> None:
    behind = T0 - 300_000
    assert not ticks.wanted(DUE, at_end=True, now_ms=behind, elapsed_s=109.9)
    assert ticks.wanted(DUE, at_end=True, now_ms=behind, elapsed_s=110)


def test_after_a_backlog_the_service_s_clock_tells(ticks: Ticks) -> None:
    """The log's last record is hours old but was read just now."""
    assert ticks.wanted(DUE, at_end=True, now_ms=DUE + 3_600_000, elapsed_s=101)
