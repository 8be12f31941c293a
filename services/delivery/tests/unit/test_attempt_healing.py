"""Attempts that lost their row, healing within an attempt, and ledgers that were restored."""

from dataclasses import replace
from datetime import timedelta

import pytest
from attempting import INSTALLATION, NOW, SAID, asked, noted
from common.outcomes import Outcome
from delivery.domain.note import Marker
from delivery.domain.row import (
    Distrust,
    Known,
    UnknownWrite,
    Waiting,
    Written,
)
from delivery.ports import (
    GiveUp,
    RetryLater,
    UnknownEnd,
)


async def test_an_attempt_that_lost_its_row_deletes_what_it_created() -> None:
    world = asked()
    world.when["create_note"] = lambda: setattr(world, "lease_lost", True)

    def another_owner_cleared_it() -> None:
        world.row = replace(world.row, known=Known(note=Written("99", None, SAID)))

    world.when["finish"] = another_owner_cleared_it
    assert await world.attempt() is None
    assert (world.notes, "heal" in world.log) == ({}, True)


async def test_an_attempt_that_lost_its_row_leaves_a_note_that_is_still_sought() -> None:
    world = asked()
    world.when["create_note"] = lambda: setattr(world, "lease_lost", True)
    assert await world.attempt() is None
    assert "77" in world.notes


async def test_a_note_whose_id_is_ours_is_left_and_asked_to_be_written_again() -> None:
    """The present owner's create met it: deleted, it would be gone from under them."""
    world = asked()
    world.note_id_is_ours = True
    world.when["create_note"] = lambda: setattr(world, "lease_lost", True)
    assert await world.attempt() is None
    assert set(world.notes) == {"77"}
    assert "heal" not in world.log
    assert world.log[-1] == "fold removed"


async def test_a_lost_lease_stops_before_anything_is_sent() -> None:
    world = asked()
    world.lease_lost = True
    assert await world.attempt() is None
    assert world.notes == {}


async def test_healing_deletes_surplus_notes_and_keeps_the_recorded_one() -> None:
    world = asked()
    await world.attempt()
    world.notes |= {"66": world.notes["77"], "88": world.notes["77"], "1": "by hand"}
    world.row = replace(world.row, known=replace(world.row.known, heal_at=NOW))
    await world.attempt()
    assert set(world.notes) == {"77", "1"}
    assert world.row.known.heal_at is None


@pytest.mark.parametrize("end", [UnknownEnd("timeout"), GiveUp("http_400")])
async def test_healing_looks_where_a_create_was_tried_though_no_person_is_recorded(
    end: Exception,
) -> None:
    world = asked(known=Known(unknown_note=UnknownWrite("501", None, NOW, SAID, probes=1)))
    world.monotonic += 31
    world.fails["create_note"] = [end]
    await world.attempt()
    assert (world.row.known.person_id, world.row.known.note) == (None, None)
    body = f"<p>{Marker('wk1', '1')} x</p><p>{Marker('wk1', '1')}</p>"
    world.notes |= {"66": body, "88": body}
    world.installation = INSTALLATION.model_copy(update={"transcript_sync": False})
    world.monotonic += 700
    await world.attempt()
    assert set(world.notes) == {"66"}


async def test_an_adopted_note_of_an_earlier_create_is_brought_up_to_date() -> None:
    unknown = UnknownWrite("501", None, NOW, SAID)
    world = asked(known=Known(unknown_note=unknown, heal_persons=("501",)))
    other = asked()
    await other.attempt()
    world.notes["70"] = other.notes["77"].replace("hello", "older")
    world.monotonic += 31
    await world.attempt()
    assert world.outcomes() == [Outcome.UPDATED]
    assert "hello" in world.notes["70"]


async def test_healing_that_fails_is_done_later() -> None:
    world = asked()
    await world.attempt()
    world.row = replace(world.row, known=replace(world.row.known, heal_at=NOW))
    world.fails["notes_marked"] = [RetryLater("http_500")]
    await world.attempt()
    assert world.row.known.heal_at == NOW + timedelta(minutes=10)


async def test_what_a_restored_ledger_forgot_is_looked_for_and_adopted() -> None:
    world = asked()
    world.row = replace(world.row, distrust=Distrust(NOW, NOW))
    other = asked()
    await other.attempt()
    world.notes["70"] = other.notes["77"].replace("hello", "older")
    await world.attempt()
    assert (world.outcomes(), set(world.notes)) == ([Outcome.UPDATED], {"70"})
    assert "hello" in world.notes["70"]


async def test_a_restored_ledger_that_forgot_nothing_creates_after_two_looks() -> None:
    world = asked()
    world.row = replace(world.row, distrust=Distrust(NOW, NOW))
    await world.attempt()
    assert (world.row.waiting, world.notes) == (Waiting.PROBE, {})
    world.monotonic += 11
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.log.count("notes_marked") == 2


async def test_of_a_conversation_that_began_after_a_restore_nothing_is_looked_for() -> None:
    world = asked()
    before = SAID.updated_at - timedelta(minutes=1)
    world.row = replace(world.row, distrust=Distrust(before, NOW))
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert "notes_marked" not in world.log


@pytest.mark.parametrize("end", ["an unknown end", "a killed attempt"])
async def test_an_update_that_may_land_late_is_written_over_once_that_is_past(end: str) -> None:
    world = asked()
    other = asked()
    await other.attempt()
    world.notes["77"] = other.notes["77"].replace("hello", "older")
    world.row = replace(world.row, known=noted(world))
    if end == "an unknown end":
        world.fails["update_note"] = [UnknownEnd("timeout")]
        await world.attempt()
        world.monotonic += 31
    else:
        world.row = replace(world.row, abandoned=True)
    await world.attempt()
    assert world.outcomes() == [Outcome.UPDATED]
    assert world.row.known.heal_text
    world.log.clear()
    world.row = replace(world.row, abandoned=False)
    world.monotonic += 601
    await world.attempt()
    assert "fold removed" in world.log
    assert (world.row.known.heal_text, world.row.known.heal_at) == (False, None)


async def test_an_attempt_that_lost_its_row_undoes_nothing_in_another_account() -> None:
    world = asked()
    adopted = Known(note=Written("70", None, SAID))

    def lost() -> None:
        world.lease_lost, world.leads_to = True, "42002"
        world.row = replace(world.row, known=adopted)

    world.when["create_note"] = lost
    assert await world.attempt() is None
    assert "77" in world.notes
