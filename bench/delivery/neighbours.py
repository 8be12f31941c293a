"""One pair of runs of `noise`: the others' times alone, and beside somebody in trouble."""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench.delivery.measuring import (
    START_S,
    Row,
    now_and_then,
    quantile,
    start,
    until,
    vendors,
    waits_of,
    warm_up,
)
from bench.delivery.world import Settling, World, workspace
from devstack import Stack

OTHERS = 50
ANSWER_MS = 20  # where nobody is in trouble
# The trouble has begun before the others' first conversation is settled.
AHEAD_S = 2
SLOW = ("--sick-ms", "30000")
ONE = ("--sick", workspace(OTHERS))


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is settled for those in trouble is as much as for all others together."""

    at: str = "hubspot"  # where the others are; all of another CRM is in trouble
    workspaces: int = 1
    told: tuple[str, ...] = ()  # to the vendors


TROUBLES = {
    "busy": Trouble(),
    "slow": Trouble(told=(*ONE, *SLOW)),
    "hung": Trouble(told=ONE),
    "crm-slow": Trouble("pipedrive", OTHERS, told=SLOW),
    "crm-hung": Trouble("pipedrive", OTHERS),
}


@dataclass(frozen=True, slots=True)
class Neighbours:
    stack: Stack  # shared by all runs; services, workspaces and vendors are each run's own
    folder: Path  # for logs
    per_s: float  # conversations settled per second, of all others together
    seconds: float  # of each run

    async def noise(self, kind: str, *, trouble_first: bool) -> Row:
        """The others' time from settled to note, in one run alone, in another beside the trouble.

        Args:
            kind: `busy`: one workspace has 50 times the load of each other; `slow`: as many, and
                its CRM account answers after 30 s; `hung`: it never answers; `crm-slow` and
                `crm-hung`: another CRM does that to all of its 50 workspaces.
            trouble_first: which of the two runs is made first, so that both orders can be had.

        """
        p95, sick = {}, {}
        for trouble in (trouble_first, not trouble_first):
            waits, sick[trouble] = await self._waits(TROUBLES[kind], trouble=trouble)
            p95[trouble] = quantile(waits, 0.95)
        return {
            "scenario": "noise",
            "kind": kind,
            "workspaces": OTHERS,
            "per_s": self.per_s,
            "seconds": self.seconds,
            "first": "with" if trouble_first else "without",
            "sick_calls": sick[True],
            "p95_without_s": p95[False],
            "p95_with_s": p95[True],
            "grown": p95[True] / p95[False] - 1,
        }

    async def _waits(self, kind: Trouble, *, trouble: bool) -> tuple[list[float], int]:
        """In seconds, sorted; and how many calls were answered late or never."""
        with vendors(ANSWER_MS, *kind.told) as answering:
            workspaces = Counter(hubspot=OTHERS) + Counter({kind.at: kind.workspaces})
            world = World(self.stack, self.folder, answering.url, crms=list(workspaces))
            try:
                await world.prepare(*workspaces.values())
                await start(world, self.stack, answering, 1)
                async with world.settling() as settling:
                    await warm_up(settling, answering, OTHERS)
                    noise = asyncio.create_task(self._trouble(settling, kind)) if trouble else None
                    await asyncio.sleep(AHEAD_S)
                    settled = await now_and_then(settling, OTHERS, self.per_s, self.seconds)
                    if noise:
                        noise.cancel()

                def seen() -> int:
                    return len(settled.keys() & answering.figures()["made"].keys())

                await until(seen, len(settled), START_S)
                figures = answering.figures()
                return waits_of(figures["made"], settled), figures["sick"]
            finally:
                world.close()

    async def _trouble(self, settling: Settling, kind: Trouble) -> None:
        for number in itertools.count():
            in_trouble = OTHERS + number % kind.workspaces
            await settling.settle(1_000_000 + number, in_trouble)
            await asyncio.sleep(1 / self.per_s)
