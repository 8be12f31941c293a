"""Which of the records with our marker are one too many."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.updates import Update
from delivery.domain.heal import healed, periods_to_look_at, persons_to_look_at
from delivery.domain.note import StoredNote
from delivery.domain.row import Distrust, Kind, Known, Lost, UnknownWrite, Written

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OURS = [StoredNote(id_, "", "9", "501") for id_ in ("6", "7")]
THEIRS = StoredNote("5", "", "70", "501")


def surplus(known: Known, kind: Kind = "note", period: int | None = None) -> list[str]:
    return [note.id for note in healed(known, kind, period, [THEIRS, *OURS], "9").surplus]


@pytest.mark.parametrize("kind", ["note", "activity"])
def test_the_recorded_one_is_kept_and_peoples_copies_are_not_touched(kind: Kind) -> None:
    known = Known().with_record(kind, Written("7", None, None))
    assert surplus(known, kind) == ["6"]


@pytest.mark.parametrize("kind", ["note", "activity"])
def test_nothing_takes_the_place_of_a_recorded_one_that_people_took_over_or_deleted(
    kind: Kind,
) -> None:
    """The simulation's seeds 17545 and 18341 ended with two live activities."""
    known = Known().with_record(kind, Written("4", None, None))
    assert surplus(known, kind) == ["6", "7"]


@pytest.mark.parametrize("kind", ["note", "activity"])
def test_where_none_is_recorded_the_oldest_one_is_kept_and_recorded(kind: Kind) -> None:
    end = healed(Known(), kind, None, OURS, "9")
    assert [note.id for note in end.surplus] == ["7"]
    assert end.known.record(kind) == Written("6", None, None)


def test_a_lost_notes_late_twins_are_all_surplus() -> None:
    assert surplus(Known(lost=Lost.DELETED, lost_through=Update(NOW, 1))) == ["6", "7"]


@pytest.mark.parametrize("sure_at", [None, NOW - timedelta(hours=1), NOW])
def test_after_a_restore_the_record_may_be_older_than_what_is_found(sure_at: Any) -> None:
    """The simulation's seed 11243: the note made after the backup was deleted as surplus."""
    known = Known(note=Written("4", None, None), note_sure_at=sure_at)
    end = healed(known, "note", None, OURS, "9", Distrust(NOW - timedelta(hours=2), NOW))
    sure = sure_at == NOW
    assert [note.id for note in end.surplus] == (["6", "7"] if sure else ["7"])
    assert end.known.note == Written("4" if sure else "6", None, None)


def test_of_another_period_one_is_kept_beside_the_recorded_one() -> None:
    known = Known(note=Written("9", 8, None))
    end = healed(known, "note", 3, OURS, "9")
    assert [note.id for note in end.surplus] == ["7"]
    assert end.known == known


def test_it_is_looked_for_wherever_a_create_may_have_gone() -> None:
    unknown = UnknownWrite("502", 3, NOW)
    known = Known(
        "501",
        note=Written("9", 8, None),
        unknown_note=unknown,
        heal_persons=("501", "503"),
        heal_periods=(3, None),
    )
    assert persons_to_look_at(known) == ["501", "502", "503"]
    assert periods_to_look_at(known, "note") == [8, 3, None]
