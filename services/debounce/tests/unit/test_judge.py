"""The judge finds what is wrong, and only that. Quiet period 100 ms, one partition."""

from debounce.judge import LoggedSettled, LoggedUpdate, judge

QUIET_MS = 100
T0 = 1_790_000_000_000


def said(offset: int, at: int, conversation: str = "w:1", second: int = 0, part: int = 1):  # type: ignore[no-untyped-def]
    return LoggedUpdate(0, offset, T0 + at, conversation, T0 // 1000 + second, part)


def tick(offset: int, at: int) -> LoggedUpdate:
    return LoggedUpdate(0, offset, T0 + at, None)


def settled(update: LoggedUpdate, at: int | None = None) -> LoggedSettled:
    assert update.conversation is not None
    appended_ms = None if at is None else T0 + at
    return LoggedSettled(
        0, update.offset, update.conversation, update.updated_at, update.part_id, appended_ms
    )


def test_one_event_for_one_quiet_conversation_is_right() -> None:
    one = said(0, 0)

    verdict = judge([one, tick(1, 100)], [settled(one, 100)], QUIET_MS)

    assert verdict.right
    assert (verdict.expected, verdict.repeats) == (1, 0)


def test_nothing_is_called_for_before_the_quiet_period_has_passed() -> None:
    one = said(0, 0)

    assert judge([one, tick(1, 99)], [], QUIET_MS).right
    assert judge([one, tick(1, 99)], [], QUIET_MS, at_rest=True).missing == (one,)


def test_a_missing_event_is_found() -> None:
    one = said(0, 0)

    assert judge([one, tick(1, 100)], [], QUIET_MS).missing == (one,)


def test_an_event_for_an_update_with_a_newer_one_too_close_behind_is_early() -> None:
    one, two = said(0, 0), said(1, 99, part=2)

    verdict = judge([one, two], [settled(one)], QUIET_MS)

    assert verdict.early == (settled(one),)


def test_an_event_by_a_clock_before_its_time_is_early() -> None:
    one = said(0, 0)

    assert judge([one, tick(1, 100)], [settled(one, 99)], QUIET_MS).early == (settled(one, 99),)


def test_an_event_that_names_a_superseded_update_is_unfounded() -> None:
    one, two = said(0, 0), said(1, 50, part=2)

    verdict = judge([one, two, tick(2, 300)], [settled(one), settled(two)], QUIET_MS)

    assert verdict.unfounded == (settled(one),)


def test_an_event_that_names_another_time_than_the_log_s_is_unfounded() -> None:
    one, otherwise = said(0, 0), said(0, 0, second=7)

    assert judge([one, tick(1, 100)], [settled(otherwise)], QUIET_MS).unfounded


def test_an_event_for_a_redelivered_update_is_neither_demanded_nor_refused() -> None:
    one, again = said(0, 0), said(1, 50)
    log = [one, again, tick(2, 300)]

    assert judge(log, [settled(one)], QUIET_MS).exact
    with_again = judge(log, [settled(one), settled(again)], QUIET_MS)
    assert with_again.right
    assert not with_again.exact


def test_repeats_are_counted_and_are_no_fault() -> None:
    one = said(0, 0)

    verdict = judge([one, tick(1, 100)], [settled(one)] * 3, QUIET_MS)

    assert verdict.right
    assert (verdict.repeats, verdict.most_repeats_of_one) == (2, 2)
