"""Create, update, probe first, or leave it be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.updates import Update
from delivery.domain.conversation import Conversation, Message
from delivery.domain.heal import is_ours_to_undo
from delivery.domain.note import Marker, StoredNote
from delivery.domain.period import period_of
from delivery.domain.probe import is_by_us
from delivery.domain.row import Known, Lost, UnknownWrite, Written
from delivery.domain.transcript import render
from delivery.domain.write import (
    Step,
    is_up_to_date,
    lose,
    next_step,
    rewritten,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OLD, NEW = Update(NOW - timedelta(hours=1), 1), Update(NOW, 2)
NOTE = Written("77", None, OLD)
UNKNOWN = UnknownWrite("501", None, NOW)
DELETED = Known(lost=Lost.DELETED, lost_through=OLD)
TAKEN = Known(lost=Lost.HANDED_OVER, lost_through=OLD, handed_over=1)
TAKEN_TWICE = Known(lost=Lost.HANDED_OVER, lost_through=OLD, handed_over=2)


@pytest.mark.parametrize(
    ("known", "period", "newest", "by_quiet", "may_create", "step"),
    [
        (Known(), None, NEW, True, True, Step.CREATE),
        (Known(), None, NEW, False, False, Step.LEAVE),
        (Known(note=NOTE), None, NEW, True, True, Step.UPDATE),
        (Known(note=NOTE), None, NEW, False, False, Step.UPDATE),
        # Policy `new`: another period makes another note, the same period the same one.
        (Known(note=Written("77", 1, OLD)), 2, NEW, True, True, Step.CREATE),
        (Known(note=Written("77", 2, OLD)), 2, NEW, False, True, Step.UPDATE),
        # What was removed is taken out of the last note there is, whatever period it is of.
        (Known(note=Written("77", 1, OLD)), 2, NEW, False, False, Step.UPDATE),
        (Known(note=NOTE), 2, NEW, False, False, Step.UPDATE),
        # Back to policy `update`: the note there is goes on.
        (Known(note=Written("77", 2, OLD)), None, NEW, True, True, Step.UPDATE),
        # While a create's end is unknown nothing is created, whatever else is known.
        (Known(unknown_note=UNKNOWN), None, NEW, True, True, Step.PROBE),
        (Known(note=Written("77", 1, OLD), unknown_note=UNKNOWN), 2, NEW, True, True, Step.PROBE),
        # A lost note is made again by quiet alone, and only for a newer reply.
        (DELETED, None, NEW, True, True, Step.CREATE),
        (DELETED, None, OLD, True, True, Step.LEFT_DELETED),
        (DELETED, None, NEW, False, True, Step.LEFT_DELETED),
        (TAKEN, None, NEW, True, True, Step.CREATE),
        (TAKEN, None, OLD, True, True, Step.HANDED_OVER),
        (TAKEN, None, NEW, False, True, Step.HANDED_OVER),
        (TAKEN_TWICE, None, NEW, True, True, Step.HANDED_OVER),
    ],
)
def test_the_next_step(
    known: Known, period: Any, newest: Any, by_quiet: bool, may_create: bool, step: Step
) -> None:
    found = next_step(known, period, newest=newest, by_quiet=by_quiet, may_create=may_create)
    assert found is step


def test_losing_a_note_forgets_its_id_and_counts_those_taken_over() -> None:
    once = lose(Known(note=NOTE), Lost.HANDED_OVER, NEW)
    assert (once.note, once.handed_over, once.lost_through) == (None, 1, NEW)
    assert lose(once, Lost.DELETED, NEW).handed_over == 1


@pytest.mark.parametrize(
    ("known", "period", "activity", "expected"),
    [
        (Known(), None, False, False),
        (Known(note=NOTE), None, False, False),
        (Known(note=Written("77", None, NEW)), None, False, True),
        (Known(note=Written("77", None, None)), None, False, False),
        (Known(note=Written("77", 1, NEW)), 2, False, False),
        (Known(note=Written("77", None, NEW)), None, True, False),
        (
            Known(note=Written("77", None, NEW), activity=Written("8", None, NEW)),
            None,
            True,
            True,
        ),
        (Known(note=Written("77", None, NEW), unknown_activity=UNKNOWN), None, False, False),
    ],
)
def test_up_to_date(known: Known, period: Any, activity: bool, expected: bool) -> None:
    assert is_up_to_date(known, period, NEW, activity) is expected


def test_only_a_note_of_our_own_user_is_adopted() -> None:
    for author, user, ours in [("9", "9", True), ("8", "9", False), (None, "9", True)]:
        assert is_by_us(StoredNote("1", "", author, None), Known(), user) is ours


def test_a_note_is_still_ours_when_somebody_else_has_connected_since_it_was_created() -> None:
    known = Known().created_as("9", "5").created_as(None, "6").created_as("9", "5")
    assert known.users == ("9",)
    assert is_by_us(StoredNote("1", "", "9", None), known, "8")
    assert not is_by_us(StoredNote("1", "", "7", None), known, "8")


def test_what_a_lost_attempt_created_is_undone_unless_it_was_adopted_or_is_still_sought() -> None:
    adopted = Known(note=Written("77", None, OLD))
    sought = Known(unknown_note=UNKNOWN)
    sought_by_another = Known(unknown_note=UnknownWrite("501", None, NOW + timedelta(seconds=9)))
    assert not is_ours_to_undo(adopted, "note", "77", NOW)
    assert not is_ours_to_undo(sought, "note", "77", NOW)
    assert is_ours_to_undo(sought_by_another, "note", "77", NOW)
    assert is_ours_to_undo(Known(note=Written("78", None, OLD)), "note", "77", NOW)
    assert is_ours_to_undo(adopted, "activity", "77", NOW)


def conversation(*seconds: int) -> Conversation:
    messages = tuple(
        Message(
            part_id=number,
            sent_at=NOW + timedelta(seconds=second),
            author_kind="user",
            author_name="Ada",
            text="hello",
            attachments=(),
            redacted=False,
            update=Update(NOW + timedelta(seconds=second), number),
        )
        for number, second in enumerate(seconds)
    )
    return Conversation("wk1", "1", "conversation", messages, 0, "5", False, ("c",), NOW)


@pytest.mark.parametrize(
    ("seconds", "period"),
    [((), 0), ((0,), 0), ((0, 899), 0), ((0, 900), 1), ((0, 10, 910, 920), 2), ((0, 900, 1800), 2)],
)
def test_a_period_starts_with_the_first_reply_after_a_quiet_period(
    seconds: tuple[int, ...], period: int
) -> None:
    assert period_of(conversation(*seconds), timedelta(minutes=15)) == period


def test_a_note_is_rewritten_within_peoples_text_and_left_without_its_markers() -> None:
    marker = Marker("wk1", "1")

    def note(talk: Conversation, copied_at: Any = NOW) -> Any:
        return render(
            talk,
            marker=marker,
            link="https://app.intercom.com/x",
            time_zone="UTC",
            copied_at=copied_at,
            html=True,
            max_chars=10_000,
        )

    before, after = note(conversation(0)), note(conversation(0, 10))
    rewrite = rewritten(f"<p>Mine</p>{before.body}", marker, after)
    assert rewrite is not None
    assert rewrite.changes
    assert "Mine" in rewrite.body
    same = rewritten(before.body, marker, note(conversation(0), NOW + timedelta(days=1)))
    assert same is not None
    assert not same.changes
    assert rewritten("<p>All mine</p>", marker, after) is None
    assert rewritten(before.body, Marker("wk1", "11"), after) is None
