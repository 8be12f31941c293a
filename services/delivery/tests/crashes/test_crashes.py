"""SIGKILL at every await point of an attempt: one note, one activity, one outcome afterwards."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from crashing.acting import Way, act, act_all, aim, choose
from crashing.judging import Case, broken
from crashing.plants import PLANTS
from crashing.scenarios import SCENARIOS, Scenario
from crashing.stage import Stage
from delivering.talks import CANARY

pytestmark = [pytest.mark.integration, pytest.mark.faults]

# Kills at each point, and in all, per policy; the quick run spreads the points over both. What was
# not passed is tried again, so many times, and aimed at.
SIZES = {"quick": (1, 0, 2), "faults": (20, 1_000, 40), "long": (100, 5_000, 80)}
POINTS_OF_A_PLANT = 40  # those from the create on


async def test_wherever_an_attempt_is_killed_one_note_one_activity_and_one_outcome_are_left(
    stages: list[Stage], size: str
) -> None:
    seed = random.randrange(10_000)
    print("seed", seed)  # shown when it fails
    chance = random.Random(seed)
    histories = [
        (stage, scenario) for stage in stages for scenario in SCENARIOS if _fits(stage, scenario)
    ]
    if size == "quick":
        chance.shuffle(histories)
        histories = list(
            {scenario.name: (stage, scenario) for stage, scenario in histories}.values()
        )
    cases, ways = await _record(histories)
    each, in_all, rounds = SIZES[size]
    groups = (
        [ways]
        if size == "quick"
        else [[way for way in ways if way.stage.policy == policy] for policy in ("update", "new")]
    )
    missed = dict[str, int]()
    for group in groups:
        killed = Counter[str]()
        chosen = choose(group, chance, each=each, in_all=in_all)
        places = dict.fromkeys(way.point.place for way in group)
        for number in range(1, rounds + 1):
            more = await _act(chosen)
            killed.update(case.point.place for _, case in more if case.killed and case.point)
            cases += more
            few = {place: killed[place] for place in places if killed[place] < each}
            print(f"round {number}: {len(more)} attempts, {killed.total()} kills; seldom: {few}")
            chosen = aim(group, killed, chance, each=each)
            if not chosen:
                break
        missed |= few
        _print_table(cases)
        assert killed.total() >= in_all
    assert await _broken(cases) == []
    assert size == "quick" or missed == {}


@pytest.mark.parametrize("plant", PLANTS)
async def test_a_planted_bug_is_seen(stages: list[Stage], plant: str) -> None:
    stage = next(one for one in stages if one.place.crm == "hubspot")
    first = SCENARIOS[0]
    with pytest.MonkeyPatch.context() as patch:
        PLANTS[plant](patch)
        case, points = await act(stage, first, None, plant)
        assert await broken(stage, [case], CANARY) == []  # it takes a crash to show
        after = [
            p
            for p in points or []
            if "/sending.py" in p.place or "_finish" in p.place or "postgres" in p.place
        ]
        cases = await act_all(stage, [Way(stage, first, point) for point in after[-25:]], plant)
    assert await broken(stage, cases, CANARY) != []


def _fits(stage: Stage, scenario: Scenario) -> bool:
    return "activity" not in scenario.name or stage.place.crm == "pipedrive"


async def _record(
    histories: list[tuple[Stage, Scenario]],
) -> tuple[list[tuple[Stage, Case]], list[Way]]:
    """Each once without a crash, to find its points."""
    cases, ways = list[tuple[Stage, Case]](), list[Way]()

    async def record(stage: Stage, scenarios: list[Scenario]) -> None:
        for scenario in scenarios:
            case, points = await act(stage, scenario, None)
            cases.append((stage, case))
            ways.extend(Way(stage, scenario, point) for point in points or [])

    await _on_each(histories, record)
    return cases, ways


async def _act(ways: list[Way]) -> list[tuple[Stage, Case]]:
    cases = list[tuple[Stage, Case]]()

    async def act_there(stage: Stage, there: list[Way]) -> None:
        cases.extend((stage, case) for case in await act_all(stage, there))

    await _on_each([(way.stage, way) for way in ways], act_there)
    return cases


async def _on_each(pairs: list[tuple[Stage, Any]], do: Any) -> None:
    """All stages beside each other, on each one thing after the other."""
    by_stage: dict[str, tuple[Stage, list[Any]]] = {}
    for stage, thing in pairs:
        by_stage.setdefault(stage.place.workspace, (stage, []))[1].append(thing)
    await asyncio.gather(*(do(stage, things) for stage, things in by_stage.values()))


async def _broken(cases: list[tuple[Stage, Case]]) -> list[str]:
    found = list[str]()

    async def judge(stage: Stage, there: list[Case]) -> None:
        found.extend(await broken(stage, there, CANARY))

    await _on_each(list(cases), judge)
    return found


def _print_table(cases: list[tuple[Stage, Case]]) -> None:
    for policy in ("update", "new"):
        killed = [case for stage, case in cases if stage.policy == policy and case.killed]
        if not killed:
            continue
        unknown = sum(case.created_unknown for case in killed)
        places = Counter(case.point.place for case in killed if case.point)
        print(f"policy {policy}: {len(killed)} kills at {len(places)} points,", end=" ")
        print(f"{unknown} of them between the CRM's 201 and our commit")
        for place, kills in sorted(places.items()):
            print(f"{kills:6} {place}")
