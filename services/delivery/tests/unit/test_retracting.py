"""A message that was removed is taken out of the notes of earlier periods too (policy `new`)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from attempting import INSTALLATION, NOW, SAID, World, asked, talk
from common.events import Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.domain.period import periods_of
from delivery.domain.row import Request
from delivery.ports import UnknownEnd

FIRST = Update(NOW - timedelta(hours=3), 3)
BESIDE = Update(FIRST.updated_at + timedelta(minutes=1), 4)
QUIET = timedelta(minutes=15)


async def ask(world: World, *triggers: Trigger) -> None:
    requests = tuple(
        Request(number, trigger, "hubspot", NOW, actor_id="5001")
        for number, trigger in enumerate(triggers, start=world.row.wanted + 1)
    )
    wanted = world.row.wanted + len(requests)
    world.row = replace(world.row, wanted=wanted, requests=requests, outcomes=())
    await world.attempt()


async def with_a_note_of_each_period() -> World:
    world = asked()
    world.installation = INSTALLATION.model_copy(update={"note_policy": "new"})
    for updates in ((FIRST, BESIDE), (FIRST, BESIDE, SAID)):
        world.conversation = talk(*updates)
        said = (replace(m, text=f"said {m.part_id}") for m in world.conversation.messages)
        world.conversation = replace(world.conversation, messages=tuple(said))
        await ask(world, Trigger.MANUAL)
    assert list(world.notes) == ["77", "78"]
    return world


def remove(world: World, part_id: int) -> None:
    """As Intercom shows it: no body, so that R9 no longer counts it."""
    messages = tuple(
        replace(m, text="", redacted=True, update=None) if m.part_id == part_id else m
        for m in world.conversation.messages
    )
    world.conversation = replace(world.conversation, messages=messages)


@pytest.mark.parametrize("part", [FIRST, BESIDE])  # one that its period begins with, one that not
@pytest.mark.parametrize("beside", [(), (Trigger.MANUAL,)])
async def test_it_is_taken_out_of_every_note_that_shows_it(
    part: Update, beside: tuple[Trigger, ...]
) -> None:
    world = await with_a_note_of_each_period()
    world.notes["77"] = f"<p>Called back.</p>{world.notes['77']}"
    remove(world, part.part_id)
    await ask(world, Trigger.REMOVED, *beside)
    assert set(world.outcomes()) <= {Outcome.UPDATED, Outcome.SUPERSEDED}
    assert list(world.notes) == ["77", "78"]
    for body in world.notes.values():
        assert f"said {part.part_id}" not in body
        assert "(message removed)" in body
    assert world.notes["77"].startswith("<p>Called back.</p>")
    assert f"said {SAID.part_id}" not in world.notes["77"]  # it shows its own period's end


async def test_a_note_that_does_not_show_it_is_left_as_it_is() -> None:
    world = await with_a_note_of_each_period()
    before = world.notes["77"]
    remove(world, SAID.part_id)
    await ask(world, Trigger.REMOVED)
    assert world.notes["77"] == before
    assert "(message removed)" in world.notes["78"]
    assert world.log.count("update_note") == 1


async def test_an_update_of_unknown_end_is_made_good_by_the_next_attempt() -> None:
    world = await with_a_note_of_each_period()
    remove(world, FIRST.part_id)
    world.fails["update_note"] = [None, UnknownEnd("timeout")]
    await ask(world, Trigger.REMOVED)
    assert world.outcomes() == []
    assert world.row.known.heal_text
    await world.attempt()
    assert world.outcomes() == [Outcome.UPDATED]
    assert f"said {FIRST.part_id}" not in world.notes["77"]


async def test_what_somebody_else_wrote_with_our_marker_is_not_touched() -> None:
    world = await with_a_note_of_each_period()
    world.author = "70"
    before = world.notes["77"]
    remove(world, FIRST.part_id)
    await ask(world, Trigger.REMOVED)
    assert world.notes["77"] == before


async def test_a_period_stays_the_one_it_was_when_its_first_reply_is_removed() -> None:
    world = await with_a_note_of_each_period()
    before = periods_of(world.conversation, QUIET)
    for part in (FIRST, SAID):
        remove(world, part.part_id)
    assert periods_of(world.conversation, QUIET) == before == [FIRST.part_id, SAID.part_id]


async def test_under_policy_update_no_other_note_is_looked_for() -> None:
    world = asked()
    await world.attempt()
    await ask(world, Trigger.REMOVED)
    assert "notes_marked" not in world.log
