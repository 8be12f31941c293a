"""One history: what led to the attempt, the attempt and its end, and the rest."""

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from crashing.judging import Case
from crashing.scenarios import Scenario
from crashing.stage import Stage
from crashing.tracing import ANY, Point
from crashing.victim import Ordeal, undergo

AIMED_AT_LEAST = 20  # times in a round, at a place that is missing few


@dataclass(frozen=True, slots=True)
class Way:
    """To die: in this history, at this point."""

    stage: Stage
    scenario: Scenario
    point: Point
    slowly: bool = False  # calls wait for their turns, bodies come after their heads


async def act(
    stage: Stage,
    scenario: Scenario,
    fatal: Point | None,
    plant: str | None = None,
    *,
    slowly: bool = False,
) -> tuple[Case, list[Point] | None]:
    talk = await stage.installed.talk()
    await scenario.prepare(stage, talk)
    await stage.pass_time()
    stage.new_creates()
    if slowly:
        await stage.spend()
    with stage.answering_in_two() if slowly else nullcontext():
        points = await undergo(
            Ordeal(stage.wiring, stage.place, fatal, scenario.loses_row, plant, slowly)
        )
    created = stage.new_creates() > 0
    unknown = points is None and created and (await stage.row(talk)).get("lease_token") is not None
    await stage.rest()
    return Case(scenario, talk, fatal, points is None, unknown), points


async def act_all(stage: Stage, ways: Sequence[Way], plant: str | None = None) -> list[Case]:
    return [
        (await act(stage, way.scenario, way.point, plant, slowly=way.slowly))[0] for way in ways
    ]


def choose(ways: Sequence[Way], chance: random.Random, *, each: int, in_all: int) -> list[Way]:
    """So many of them that each place is died at `each` times, and `in_all` times altogether."""
    by_place: dict[str, list[Way]] = {}
    for way in ways:
        by_place.setdefault(way.point.place, []).append(way)
    chosen = list[Way]()
    for there in by_place.values():
        missing = each
        while missing > 0:
            some = chance.sample(there, min(missing, len(there)))
            chosen += some
            missing -= len(some)
    return chosen + chance.choices(ways, k=max(0, in_all - len(chosen)))


def aim(
    ways: Sequence[Way], killed: Counter[str], chance: random.Random, *, each: int
) -> list[Way]:
    """At places that are seldom passed: whenever they are, every other time slowly.

    A body mostly comes together with its headers, and is not waited for then; nor is a turn. Others
    are passed only where nobody has to wait, such as the first count of an account's calls.
    """
    chosen = list[Way]()
    for place in dict.fromkeys(way.point.place for way in ways):
        there = [way for way in ways if way.point.place == place]
        missing = each - killed[place]
        tries = max(missing, min(each, AIMED_AT_LEAST)) if missing > 0 else 0
        chosen += [
            replace(way, point=way.point._replace(turn=ANY), slowly=bool(number % 2))
            for number, way in enumerate(chance.choices(there, k=tries))
        ]
    return chosen
