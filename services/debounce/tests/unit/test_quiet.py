"""The rule and its boundaries. Times are log time in milliseconds; the quiet period is 15:00."""

from collections.abc import Sequence

import pytest
from debounce.domain.quiet import FUTURE_TOLERANCE_MS, Quiet, Settled

QUIET_MS = 15 * 60 * 1000
T0 = 1_790_000_000_000  # append time of the first record
S0 = T0 // 1000
A, B, C = b"w1:1", b"w1:2", b"w1:3"


@pytest.fixture
def quiet() -> Quiet:
    return Quiet(QUIET_MS)


def update(
    quiet: Quiet, offset: int, appended_ms: int, conversation: bytes, updated_at: int, part_id: int
) -> Sequence[Settled]:
    of_one = [(offset, conversation, updated_at, part_id)]
    return quiet.read(offset + 1, appended_ms, of_one)


def pass_time(quiet: Quiet, offset: int, appended_ms: int) -> Sequence[Settled]:
    """A tick."""
    return quiet.read(offset + 1, appended_ms)


def set_aside(quiet: Quiet, offset: int, appended_ms: int) -> Sequence[Settled]:
    return quiet.read(offset + 1, appended_ms, (), [offset])


def named(settled: object) -> list[tuple[bytes, int]]:
    return [(one.conversation, one.offset) for one in settled]  # type: ignore[attr-defined]


def test_due_inclusively_at_exactly_the_quiet_period(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)

    assert pass_time(quiet, 1, T0 + QUIET_MS) == [Settled(0, A, S0, 1, T0 + QUIET_MS)]


def test_not_due_a_millisecond_before(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)

    assert not pass_time(quiet, 1, T0 + QUIET_MS - 1)


def test_settled_before_a_record_of_the_same_conversation_at_that_very_time(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)

    assert named(update(quiet, 1, T0 + QUIET_MS, A, S0 + 900, 2)) == [(A, 0)]
    assert quiet.pending(A) == (1, T0 + QUIET_MS, S0 + 900, 2)


def test_a_newer_update_moves_the_deadline(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0 + QUIET_MS - 1, A, S0 + 899, 2)

    assert not pass_time(quiet, 2, T0 + QUIET_MS)
    assert named(pass_time(quiet, 3, T0 + 2 * QUIET_MS - 1)) == [(A, 1)]


def test_a_late_update_does_not_move_the_deadline(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0 + 60_000, A, S0 - 5, 9)

    assert named(pass_time(quiet, 2, T0 + QUIET_MS)) == [(A, 0)]
    assert quiet.repeats == 1


def test_of_two_replies_in_one_second_the_later_part_is_newer(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0, A, S0, 2)
    update(quiet, 2, T0, A, S0, 1)

    assert named(pass_time(quiet, 3, T0 + QUIET_MS)) == [(A, 1)]


def test_the_opening_message_is_older_than_a_part_of_the_same_second(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 7)
    update(quiet, 1, T0, A, S0, 0)

    assert named(pass_time(quiet, 2, T0 + QUIET_MS)) == [(A, 0)]


def test_the_same_update_again_changes_nothing(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0 + 1000, A, S0, 1)

    assert named(pass_time(quiet, 2, T0 + QUIET_MS)) == [(A, 0)]


def test_a_redelivered_update_after_settling_opens_the_conversation_once_more(
    quiet: Quiet,
) -> None:
    update(quiet, 0, T0, A, S0, 1)
    pass_time(quiet, 1, T0 + QUIET_MS)
    update(quiet, 2, T0 + QUIET_MS, A, S0, 1)

    assert named(pass_time(quiet, 3, T0 + 2 * QUIET_MS)) == [(A, 2)]


def test_what_is_due_is_a_prefix_by_the_offset_of_the_newest_update(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0 + 1, B, S0, 1)
    update(quiet, 2, T0 + 2, A, S0, 2)
    update(quiet, 3, T0 + 3, C, S0, 1)

    assert named(pass_time(quiet, 4, T0 + QUIET_MS + 2)) == [(B, 1), (A, 2)]
    assert quiet.pending_count == 1


def test_log_time_never_runs_backwards(quiet: Quiet) -> None:
    """After a change of leader the new one's clock may be behind."""
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0 - 60_000, B, S0 - 60, 1)

    assert quiet.log_time_ms == T0
    assert quiet.pending(B) == (1, T0, S0 - 60, 1)
    assert named(pass_time(quiet, 2, T0 + QUIET_MS)) == [(A, 0), (B, 1)]


def test_a_time_just_within_the_tolerance_is_believed(quiet: Quiet) -> None:
    ahead_s = FUTURE_TOLERANCE_MS // 1000
    update(quiet, 0, T0, A, S0 + ahead_s, 1)

    assert quiet.pending(A) == (0, T0, S0 + ahead_s, 1)
    assert quiet.clamped == 0


def test_a_time_from_further_ahead_counts_as_the_append_time(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0 + FUTURE_TOLERANCE_MS // 1000 + 1, 1)

    assert quiet.pending(A) == (0, T0, S0, 1)
    assert quiet.clamped == 1


def test_the_commit_is_the_position_when_nothing_is_held(quiet: Quiet) -> None:
    assert quiet.commit_offset() is None
    pass_time(quiet, 7, T0)

    assert quiet.commit_offset() == 8


def test_the_commit_stays_at_the_oldest_pending_update(quiet: Quiet) -> None:
    update(quiet, 3, T0, A, S0, 1)
    update(quiet, 4, T0, B, S0, 1)

    assert quiet.commit_offset() == 3
    update(quiet, 5, T0, A, S0, 2)
    assert quiet.commit_offset() == 4


def test_the_commit_waits_for_the_acknowledgement_of_what_is_in_flight(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0, B, S0, 1)
    pass_time(quiet, 2, T0 + QUIET_MS)

    assert quiet.commit_offset() == 0
    quiet.acknowledge([0])
    assert quiet.commit_offset() == 1
    quiet.acknowledge([1])
    assert quiet.commit_offset() == 3


def test_an_acknowledgement_is_of_the_update_and_not_of_the_conversation(quiet: Quiet) -> None:
    """A newer update came while the settled event was in flight: that one is still pending."""
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0 + QUIET_MS, A, S0 + 900, 2)
    quiet.acknowledge([0])

    assert quiet.pending(A) is not None
    assert quiet.commit_offset() == 1


def test_the_commit_waits_for_a_dead_letter(quiet: Quiet) -> None:
    set_aside(quiet, 0, T0)
    pass_time(quiet, 1, T0)

    assert quiet.commit_offset() == 0
    quiet.acknowledge([0])
    assert quiet.commit_offset() == 2


def test_an_unusable_record_tells_the_time_all_the_same(quiet: Quiet) -> None:
    update(quiet, 0, T0, A, S0, 1)

    assert named(set_aside(quiet, 1, T0 + QUIET_MS)) == [(A, 0)]


def test_a_message_every_14_minutes_keeps_a_conversation_open_all_day(quiet: Quiet) -> None:
    step_ms = 14 * 60 * 1000
    for number in range(24 * 60 // 14):
        assert not update(quiet, number, T0 + number * step_ms, A, S0 + number * 840, number)


def test_the_next_due_time_is_that_of_the_oldest(quiet: Quiet) -> None:
    assert quiet.next_due_ms() is None
    update(quiet, 0, T0, A, S0, 1)
    update(quiet, 1, T0 + 5, B, S0, 1)

    assert quiet.next_due_ms() == T0 + QUIET_MS


def test_records_of_one_append_time_may_be_read_at_once_or_one_by_one() -> None:
    """How the broker and the reader cut the log into batches changes nothing."""
    log = [(T0, A, 1), (T0, B, 1), (T0, A, 2), (T0 + QUIET_MS, A, 3), (T0 + QUIET_MS, B, 0)]
    one_by_one, at_once = Quiet(QUIET_MS), Quiet(QUIET_MS)
    settled = [
        one
        for offset, (at_ms, conversation, part) in enumerate(log)
        for one in update(one_by_one, offset, at_ms, conversation, at_ms // 1000, part)
    ]

    both = [*at_once.read(3, T0, [(0, A, S0, 1), (1, B, S0, 1), (2, A, S0, 2)])]
    later = (T0 + QUIET_MS) // 1000
    both += at_once.read(5, T0 + QUIET_MS, [(3, A, later, 3), (4, B, later, 0)])

    assert both == settled
    assert named(settled) == [(B, 1), (A, 2)]
    assert [at_once.pending(one) for one in (A, B)] == [one_by_one.pending(one) for one in (A, B)]
