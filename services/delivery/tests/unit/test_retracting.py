"""A message that was removed is taken out of every note that is still ours."""

from dataclasses import replace
from datetime import timedelta

import pytest
from attempting import INSTALLATION, NOW, SAID, World, asked, talk
from common.events import Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.domain.period import periods_of
from delivery.domain.row import ONCE_MORE, Request
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


@pytest.mark.parametrize("theirs", [None, "<p>All mine</p>"])  # deleted, and taken over
@pytest.mark.parametrize("known_before", [False, True])
async def test_it_is_taken_out_of_older_notes_though_the_latest_is_peoples(
    theirs: str | None, known_before: bool
) -> None:
    world = await with_a_note_of_each_period()
    del world.notes["78"]
    if theirs is not None:
        world.notes["78"] = theirs
    if known_before:
        world.conversation = talk(FIRST, BESIDE, SAID, Update(SAID.updated_at, 8))
        await ask(world, Trigger.MANUAL)
        assert world.outcomes()[0] in (Outcome.LEFT_DELETED, Outcome.HANDED_OVER)
    remove(world, FIRST.part_id)
    await ask(world, Trigger.REMOVED)
    assert world.outcomes() == [Outcome.UPDATED]
    assert f"said {FIRST.part_id}" not in world.notes["77"]
    assert world.notes.get("78") == theirs
    await ask(world, Trigger.REMOVED)
    assert world.outcomes()[0] in (Outcome.LEFT_DELETED, Outcome.HANDED_OVER)


async def test_what_is_asked_beside_a_removal_is_not_said_to_be_written_by_it() -> None:
    world = await with_a_note_of_each_period()
    world.notes["78"] = "<p>All mine</p>"
    remove(world, FIRST.part_id)
    await ask(world, Trigger.REMOVED, Trigger.MANUAL)
    assert set(world.outcomes()) == {Outcome.SUPERSEDED, Outcome.HANDED_OVER}
    assert f"said {FIRST.part_id}" not in world.notes["77"]


async def test_it_is_taken_out_of_the_one_note_that_another_policy_left() -> None:
    world = asked()
    for updates, policy in (((FIRST,), "update"), ((FIRST, SAID), "new")):
        world.installation = INSTALLATION.model_copy(update={"note_policy": policy})
        said = (replace(m, text=f"said {m.part_id}") for m in talk(*updates).messages)
        world.conversation = replace(talk(*updates), messages=tuple(said))
        await ask(world, Trigger.MANUAL)
    assert list(world.notes) == ["77", "78"]
    remove(world, FIRST.part_id)
    await ask(world, Trigger.REMOVED)
    assert [body for body in world.notes.values() if f"said {FIRST.part_id}" in body] == []


async def test_everybody_we_wrote_for_is_looked_at() -> None:
    world = await with_a_note_of_each_period()
    world.persons, known = ["501", "502"], world.row.known
    world.row = replace(world.row, known=replace(known, persons=("501", "502")))
    remove(world, FIRST.part_id)
    await ask(world, Trigger.REMOVED)
    assert set(world.listed) == {"501", "502"}


async def test_our_own_text_is_written_once_more_in_the_one_note_alone() -> None:
    world = asked()
    await world.attempt()
    own = Request(2, Trigger.REMOVED, "hubspot", NOW, action_id=f"{ONCE_MORE}t")
    world.row = replace(world.row, wanted=2, requests=(own,), outcomes=())
    await world.attempt()
    assert "notes_marked" not in world.log


@pytest.mark.parametrize("policy", ["update", "new"])
@pytest.mark.parametrize("spoken_since", [False, True])
async def test_it_is_taken_out_of_a_note_from_before_anybody_spoke(
    policy: str, *, spoken_since: bool
) -> None:
    world = asked()
    world.installation = INSTALLATION.model_copy(update={"note_policy": policy})
    spoken = talk(BESIDE)
    bot = replace(spoken.messages[0], part_id=2, sent_at=FIRST.updated_at, update=None)
    bot = replace(bot, author_kind="bot", text="said 2")
    world.conversation = replace(spoken, messages=(bot,))
    await ask(world, Trigger.ACTION)
    assert "said 2" in world.notes["77"]
    if spoken_since:
        world.conversation = replace(spoken, messages=(bot, *spoken.messages))
        await ask(world, Trigger.MANUAL)
    remove(world, 2)
    await ask(world, Trigger.REMOVED)
    assert world.outcomes() == [Outcome.UPDATED]
    assert len(world.notes) == (2 if spoken_since and policy == "new" else 1)
    assert [body for body in world.notes.values() if "said 2" in body] == []
