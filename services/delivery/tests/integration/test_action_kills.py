"""Double-clicked submits while delivery is killed again and again: each is done once, none is lost.

Whoever pressed presses again until the answer is `done`, as a teammate would. Judged is what stands
in the simulated CRMs.
"""

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from common.catalog import ActionKind

pytestmark = [pytest.mark.integration, pytest.mark.faults]

# Submits, workspaces per app, kills, by the size of the run.
SIZES = {"quick": (20, 1, 3), "faults": (1_000, 10, 40), "long": (5_000, 25, 200)}
APPS = ("hubspot", "pipedrive", "dynamics365-sales")
KINDS = (ActionKind.PERSON, ActionKind.DEAL, ActionKind.TASK, ActionKind.NOTE)
AT_ONCE = 40
FAULTS = ("500_after", "reset_after", "500_before", "cut_body", "timeout_after")
# As in production. The simulators, on the cores of all the rest here, were seen to do what they
# were asked for 4 s after it had been given up; later than this, nobody can tell it from never.
VISIBLE_AFTER_S = "10"
WRITES = r"/(deals|tasks|notes|activities|contacts|persons|opportunities\(.*|annotations\(.*)$"


@dataclass(frozen=True)
class Submit:
    talk: Any
    kind: ActionKind
    person_id: str | None
    word: str  # typed, and nowhere else

    @property
    def form(self) -> dict[str, str]:
        match self.kind:
            case ActionKind.PERSON:
                return {"name": "Ada Example", "email": f"{self.word}@example.com"}
            case ActionKind.DEAL:
                return {"title": self.word}
            case ActionKind.TASK:
                return {"title": self.word, "due_at": "2026-12-24T09:30:00Z"}
        return {"text": self.word}

    async def press(self) -> str:
        """One press; how it stands, or `unreachable`."""
        try:
            end = await self.talk.press(
                self.kind, self.form, person_id=self.person_id, action_id=f"a.{self.word}",
                wait_ms=2_000,
            )  # fmt: skip
        except httpx.HTTPError:
            return "unreachable"
        assert end["state"] in ("done", "working", "unknown", "away"), end
        return str(end["state"])

    async def until_done(self) -> int:
        presses = 0
        async with asyncio.timeout(120):
            ends: Sequence[str] = ()
            while "done" not in ends:
                ends = await asyncio.gather(self.press(), self.press())
                presses += 2
                if "done" not in ends:
                    await asyncio.sleep(0.5)
        return presses


@pytest.fixture
async def patient(world: Any) -> AsyncIterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.delivery_env, "LULL_DELIVERY_VISIBLE_AFTER_S", VISIBLE_AFTER_S)
        await asyncio.to_thread(world.delivery.stop)
        await world.restart_delivery()
        yield
    await asyncio.to_thread(world.delivery.stop)
    await world.restart_delivery()


@pytest.mark.usefixtures("patient")
async def test_double_clicked_submits_under_kills_are_each_done_once(world: Any, size: str) -> None:
    seed = random.randrange(10_000)
    print("seed", seed)  # shown when it fails
    chance = random.Random(seed)
    many, each, kills = SIZES[size]
    places = await asyncio.gather(*(world.install(app, on=False) for app in APPS * each))
    submits = [await new_submit(chance, places[n % len(places)]) for n in range(many)]
    for place in places:
        for fault in FAULTS:
            skip = chance.randrange(max(1, 3 * many // len(places)))
            world.control.add_fault(place.crm, fault, account=place.account, path=WRITES, skip=skip)
    room, done = asyncio.Semaphore(AT_ONCE), Counter[str]()

    async def carry_out(submit: Submit) -> None:
        async with room:
            presses = await submit.until_done()
            done.update(submits=1, presses=presses)

    working = asyncio.gather(*(carry_out(submit) for submit in submits))
    for number in range(1, kills + 1):
        await some_are_done(done, working, number * many // (kills + 2))
        world.delivery.kill()
        await world.restart_delivery()
    await working
    world.control.clear_faults()
    await everything_is_answered(world, submits)
    print(f"{done['submits']} submits, {done['presses']} presses, {kills} kills")
    stands = {place.account: everything_in(place) for place in places}
    made = [
        (submit, [one for one in stands[submit.talk.installed.account] if submit.word in one])
        for submit in submits
    ]
    found = Counter(len(records) for _, records in made)
    wrong = [(submit, records) for submit, records in made if len(records) != 1]
    assert found == {1: many}, f"records by how often they are there: {wrong}"
    notes = Counter(len(s.talk.installed.transcripts(s.talk)) for s in submits)
    assert notes == {1: many}, "conversations by how many transcripts they have"


async def new_submit(chance: random.Random, place: Any) -> Submit:
    kind, contact = chance.choice(KINDS), place.contact()
    person_id = None if kind is ActionKind.PERSON else place.person(contact)
    return Submit(place.conversation(contact), kind, person_id, f"w{uuid.uuid4().hex}")


async def some_are_done(done: Counter[str], working: Any, wanted: int) -> None:
    """A kill should hit submits under way, at no step in particular."""
    async with asyncio.timeout(300):
        while done["submits"] < wanted and not working.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def everything_is_answered(world: Any, submits: list[Submit]) -> None:
    async with asyncio.timeout(180):
        for submit in submits:
            while not await answered(submit):  # noqa: ASYNC110
                await asyncio.sleep(0.2)


async def answered(submit: Submit) -> bool:
    explained = await submit.talk.explained()
    return bool(explained) and all(
        entry["last"] and not entry["open"] for entry in explained["deliveries"]
    )


def everything_in(place: Any) -> list[str]:
    """Each live record of the simulated account, as text."""
    account = place.world.control.account(place.crm, place.account)
    kinds = ("persons", "deals", "activities", "notes")
    return [json.dumps(one) for kind in kinds for one in account[kind] if not one["deleted"]]
