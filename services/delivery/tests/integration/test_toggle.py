"""Off means off, and nothing is written on a guess: the toggle, on real processes (promise 7)."""

import asyncio
import signal
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import pytest
from devstack.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

# Conversations in flight when the toggle is switched, by the size of the run.
SIZES = {"quick": 60, "faults": 1_000, "long": 5_000}
NOTES = "/notes"


def writes(installed: Any) -> list[float]:
    """When each request to create or change a note reached the CRM, by its clock."""
    calls = installed.world.control.journal("hubspot", installed.account)
    return [
        call["at"]
        for call in calls
        if call["method"] in ("POST", "PATCH") and call["path"].partition("2026-09")[2] == NOTES
    ]


async def test_off_with_many_in_flight_ends_them_off_and_on_again_delivers(
    world: Any, size: str
) -> None:
    installed = await world.install("hubspot")
    contact = await installed.customer()
    talks = [installed.conversation(contact) for _ in range(SIZES[size])]
    # Each attempt takes a while, so that many are under way or wait when the toggle is switched.
    world.control.add_fault(
        "hubspot", "slow", account=installed.account, path="contacts", times=None, ms=200
    )
    await asyncio.gather(*(talk.settle() for talk in talks))

    async def some_are_written() -> bool:
        return len(writes(installed)) >= 3

    await until(some_are_written, within_s=60)
    await installed.switch(on=False)
    off_at = time.time()
    outcomes = [(await talk.outcome(within_s=120))["outcome"] for talk in talks]
    counted = Counter(outcomes)
    assert set(counted) == {"delivered", "sync_off"}
    assert counted["sync_off"] > len(talks) / 2
    # What was on its way may still land: a request within a second of settings' answer.
    assert max(writes(installed)) <= off_at + 1.0
    bodies = "".join(note["body"] for note in world.control.notes("hubspot", installed.account))
    for talk, outcome in zip(talks, outcomes, strict=True):
        assert (f"/{talk.id}]" in bodies) is (outcome == "delivered")

    # On again: what ended off stays so until somebody speaks, and then comes whole.
    world.control.clear_faults()
    await installed.switch(on=True)
    ended_off = [t for t, outcome in zip(talks, outcomes, strict=True) if outcome == "sync_off"]
    again, still_off = ended_off[0], ended_off[1]
    await world.publish(still_off.event())

    async def speaking_delivers() -> bool:
        """Within a second delivery has heard of the switch; until then it may still say off."""
        again.reply("<p>is anybody there?</p>")
        await again.settle()
        return bool((await again.outcome("delivered", "sync_off"))["outcome"] == "delivered")

    await until(speaking_delivers)
    (note,) = installed.notes(again)
    assert "Hello" in note["body"]
    assert "is anybody there?" in note["body"]
    assert installed.notes(still_off) == []

    # And off once more.
    await installed.switch(on=False)
    again.reply("<p>never mind</p>")
    await again.settle()
    await again.outcome("sync_off")
    assert "never mind" not in installed.notes(again)[0]["body"]


async def test_a_switch_in_the_middle_of_an_attempt_still_counts(world: Any) -> None:
    installed = await world.install("hubspot")
    talk = await installed.talk()
    # The attempt is held up between its first look at the toggle and its write.
    world.control.add_fault(
        "hubspot", "slow", account=installed.account, path="contacts", times=1, ms=1500
    )
    await talk.settle()

    async def held_up() -> bool:
        return bool(world.control.faults()[-1]["hits"])

    await until(held_up)
    await installed.switch(on=False)
    await talk.outcome("sync_off")
    assert installed.notes(talk, deleted=True) == []


@pytest.mark.parametrize("how", ["frozen", "killed"])
@pytest.mark.parametrize("switched_off", [False, True])
async def test_settings_away_means_waiting_not_guessing(
    world: Any, how: str, switched_off: bool
) -> None:
    """Although its last answer, that sync is on, is still held."""
    installed = await world.install("hubspot")
    first, later = await installed.talk(), await installed.talk()
    await first.settle()
    await first.outcome("delivered")
    if switched_off:
        await installed.switch(on=False)
    if how == "frozen":
        world.settings.process.send(signal.SIGSTOP)
    else:
        world.settings.kill()
    held = _held_back(world, later)
    try:
        await later.settle()

        async def held_or_waiting() -> bool:
            said = await later.explained()
            waits = said and (said["deliveries"][0]["waiting"] or {}).get("for") == "settings"
            return bool(waits) or _held_back(world, later) > held

        await until(held_or_waiting)
        assert installed.notes(later) == []
        assert len(writes(installed)) == 1
    finally:
        if how == "frozen":
            world.settings.process.send(signal.SIGCONT)
        else:
            await _start_again(world)
    await later.outcome("sync_off" if switched_off else "delivered", within_s=40)
    assert len(installed.notes(later)) == (0 if switched_off else 1)
    assert len(writes(installed)) == (1 if switched_off else 2)


def _held_back(world: Any, talk: Any) -> int:
    """How often a record was held, or an attempt at this conversation ended without an answer.

    A frozen settings answers nothing within the short leases of these tests.
    """
    lines = world.delivery.log.read_text().splitlines()
    return sum(
        '"records.held"' in line or ("lease_ran_out" in line and f'"{talk.id}"' in line)
        for line in lines
    )


async def _start_again(world: Any) -> None:
    """At the addresses that delivery knows."""
    ports = {name: str(urlsplit(url).port) for name, url in world.settings.addresses.items()}
    world.settings = await world.launcher.start(
        "settings",
        world.settings_env
        | {
            "LULL_SETTINGS_PORT": ports["public"],
            "LULL_SETTINGS_INTERNAL_PORT": ports["internal"],
            "LULL_SETTINGS_HEALTH_PORT": ports["health"],
        },
    )
