"""Two replicas killed again and again under load, the CRMs faulty: one note, one outcome each."""

import asyncio
import json
import random
from collections import Counter
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.faults]

# Conversations per app, and kills, by the size of the run.
SIZES = {"quick": (12, 3), "faults": (200, 30), "long": (1_000, 200)}
FAULTS = ("500_after", "reset_after", "500_before", "cut_body", "timeout_after")
WRITES = r"/(notes|activities)$"


async def test_kills_under_load_lose_nothing_and_double_nothing(world: Any, size: str) -> None:
    seed = random.randrange(10_000)
    print("seed", seed)  # shown when it fails
    chance = random.Random(seed)
    many, kills = SIZES[size]
    places = await asyncio.gather(world.install("hubspot"), world.install("pipedrive"))
    talks = [await place.talk() for place in places for _ in range(many)]
    for place in places:
        for kind in FAULTS:
            world.control.add_fault(
                place.app,
                kind,
                account=place.account,
                method="POST",
                path=WRITES,
                skip=chance.randrange(many),
            )
    other = await world.start_delivery(LULL_DELIVERY_INSTANCE_ID="delivery-1")
    for number in range(kills):
        for talk in talks[number::kills]:
            await talk.settle()
            await world.publish(talk.event())  # and once more, as after a crash of debounce
        await _some_attempts_have_begun(world, chance)
        if number % 2:
            other.kill()
            other = await world.start_delivery(LULL_DELIVERY_INSTANCE_ID="delivery-1")
        else:
            world.delivery.kill()
            await world.restart_delivery()
    outcomes = await _outcomes(world, {talk.id for talk in talks})
    assert other.stop() == 0
    assert Counter(len(ids) for ids in outcomes.values()) == {1: len(talks)}
    assert Counter(len(talk.installed.notes(talk)) for talk in talks) == {1: len(talks)}
    pipedrive = [talk for talk in talks if talk.installed.app == "pipedrive"]
    assert Counter(len(talk.installed.activities(talk)) for talk in pipedrive) == {1: many}


async def _some_attempts_have_begun(world: Any, chance: random.Random) -> None:
    """A kill should hit attempts under way, at no step in particular."""
    calls = len(world.control.journal("intercom")) + chance.randrange(1, 6)
    async with asyncio.timeout(20):
        while len(world.control.journal("intercom")) < calls:  # noqa: ASYNC110 - it looks at a process
            await asyncio.sleep(0.01)


async def _outcomes(world: Any, conversations: set[str]) -> dict[str, set[str]]:
    """Distinct outcome ids per conversation, until each has one."""
    found: dict[str, set[str]] = {}
    async with asyncio.timeout(60):
        while conversations - set(found):
            outcome = json.loads((await world.outcomes.getone()).value)
            if outcome["conversation_id"] in conversations:
                ids = found.setdefault(outcome["conversation_id"], set())
                ids.add(outcome["outcome_id"])
    return found
