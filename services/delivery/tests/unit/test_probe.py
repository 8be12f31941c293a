"""What a look for a create of unknown end tells, and when a restored ledger must look first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from common.updates import Update
from delivery.domain.note import StoredNote
from delivery.domain.probe import Probed, doubted, is_doubtful, probed, visible_at
from delivery.domain.row import Distrust, Kind, Known, Lost, UnknownWrite, Written

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SAID = Update(NOW - timedelta(hours=1), 7)
UNKNOWN = UnknownWrite("501", 3, NOW, SAID)
TEN = timedelta(seconds=10)
KINDS: list[Kind] = ["note", "activity"]


def look(known: Known, kind: Kind, *found: str) -> Probed:
    listed = [StoredNote(id_, "", "9", "502") for id_ in found]
    heal_after = timedelta(minutes=10)
    return probed(
        known,
        kind,
        listed,
        person_id="502",
        now=NOW,
        visible_after=TEN,
        heal_after=heal_after,
    )


def test_a_write_is_looked_for_no_sooner_than_it_must_be_listed() -> None:
    assert visible_at(UNKNOWN, timedelta(seconds=20), TEN) == NOW + timedelta(seconds=30)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_found_is_adopted_at_the_person_where_it_is(kind: Kind) -> None:
    end = look(Known("501").with_unknown(kind, UNKNOWN), kind, "8", "9")
    assert end.again_at is None
    assert end.known.record(kind) == Written("8", 3, SAID)
    assert (end.known.person_id, end.known.unknown(kind)) == ("502", None)
    assert end.known.heal_at == NOW + timedelta(minutes=10)


def test_a_note_that_replaced_a_lost_one_is_no_longer_lost_once_it_is_found() -> None:
    """The simulation's seed 203504: it was adopted, and another one created all the same."""
    known = Known(lost=Lost.HANDED_OVER, lost_through=SAID, handed_over=1, unknown_note=UNKNOWN)
    end = look(known, "note", "8").known
    assert (end.note, end.lost, end.handed_over) == (Written("8", 3, SAID), None, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_second_look_that_finds_nothing_settles_it_and_healing_remembers_where(
    kind: Kind,
) -> None:
    first = look(Known().with_unknown(kind, UNKNOWN), kind)
    assert first.again_at == NOW + TEN
    assert first.known.unknown(kind) == replace(UNKNOWN, probes=1)
    second = look(first.known, kind)
    assert (second.again_at, second.known.unknown(kind)) == (None, None)
    assert (second.known.heal_persons, second.known.heal_periods) == (("501",), (3,))


DISTRUST = Distrust(before=NOW, declared_at=NOW + timedelta(minutes=5))
LONG_AGO = NOW - timedelta(days=9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("distrust", "began_at", "sure_at", "doubtful"),
    [
        (None, LONG_AGO, None, False),
        (DISTRUST, LONG_AGO, None, True),
        # Nothing can have been made of a conversation that began afterwards.
        (DISTRUST, NOW, None, False),
        (DISTRUST, LONG_AGO, NOW + timedelta(minutes=6), False),
        # Looked over after an earlier restore only; or in time that the restore took back.
        (DISTRUST, LONG_AGO, NOW + timedelta(minutes=4), True),
    ],
)
def test_a_restored_ledger_is_doubted_until_it_was_looked_over(
    kind: Kind,
    distrust: Distrust | None,
    began_at: datetime,
    sure_at: datetime | None,
    doubtful: bool,
) -> None:
    known = Known() if sure_at is None else Known().with_sure_at(kind, sure_at)
    assert is_doubtful(known, kind, distrust, began_at) is doubtful


def test_a_doubt_is_a_create_whose_end_is_unknown_since_the_conversation_began() -> None:
    later = NOW + timedelta(minutes=6)
    known = doubted(
        Known(),
        "note",
        person_id="501",
        candidates=["501", "502"],
        period=3,
        periods=[1, 3],
        began_at=LONG_AGO,
        now=later,
    )
    assert known.unknown_note == UnknownWrite("501", 3, LONG_AGO)
    assert (known.heal_periods, known.heal_persons) == ((None, 1, 3), ("501", "502"))
    assert not is_doubtful(known, "note", DISTRUST, LONG_AGO)
    assert is_doubtful(known, "activity", DISTRUST, LONG_AGO)
