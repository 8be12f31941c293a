"""The worker shares itself among workspaces, and leaves alone what others found held back."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from delivery.domain.answer import Result, Wait
from delivery.domain.row import Key, Known, Row, Waiting
from delivery.ports import Claim
from delivery.worker import Worker
from devstack.waiting import until

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
SHARE, CONCURRENCY = 4, 32
DONE = Result(Known())


@dataclass
class Vendor:
    waits_s: float = 0.0
    closed: bool = True

    def vendor_waits_s(self) -> float:
        return self.waits_s

    def vendor_is_closed(self) -> bool:
        return self.closed


@dataclass
class Rig:
    """A ledger with ready rows of each workspace, and attempts that end when told to."""

    ready: dict[str, int]
    vendor: Vendor = field(default_factory=Vendor)
    running: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    ends: dict[str, asyncio.Future[Result]] = field(default_factory=dict)
    claims: int = 0
    turns: int = 0

    def __post_init__(self) -> None:
        fakes: Any = (self, self)
        ledger, attempts = fakes
        self.worker = Worker("hubspot", ledger, attempts, CONCURRENCY, SHARE, self.vendor)

    async def claim(self, _crm: str, limit: int, running: dict[str, int]) -> list[Claim]:
        self.claims += 1
        claimed: list[Claim] = []
        for space in self.ready:
            room = SHARE - running.get(space, 0)
            for _ in range(min(room, self.ready[space], limit - len(claimed))):
                self.ready[space] -= 1
                now = time.monotonic()
                row = Row(Key(space, str(self.claims), "hubspot", "1"))
                claimed.append(Claim(row, "token", NOW, now, now + 60))
        return claimed

    async def run(self, claim: Claim) -> Result:
        space = claim.row.key.workspace_id
        self.running[space] += 1
        self.most[space] = max(self.most[space], self.running[space])
        end = self.ends.setdefault(space, asyncio.get_running_loop().create_future())
        try:
            await asyncio.sleep(0)  # so that others start before this one ends
            return await asyncio.shield(end)
        finally:
            self.running[space] -= 1

    def end(self, space: str, result: Result = DONE) -> None:
        """All that run, and all that come later."""
        end = self.ends.setdefault(space, asyncio.get_running_loop().create_future())
        end.set_result(result)

    async def until(self, holds: Callable[[], bool]) -> None:
        await until(holds, 5, each_s=0.005)

    def beat(self) -> None:
        self.turns += 1

    async def some_turns(self) -> None:
        """The worker has looked for work several times."""
        for _ in range(3):
            turns = self.turns
            self.worker.wake()
            await self.until(lambda turns=turns: self.turns > turns)  # type: ignore[misc]

    async def work(self, *steps: Any) -> None:
        stop = asyncio.Event()
        beats: Any = self
        working = asyncio.create_task(self.worker.run(stop, beats, timedelta(seconds=1)))
        for step in steps:
            await step(self)
        stop.set()
        for end in self.ends.values():
            if not end.done():
                end.set_result(DONE)
        await working


async def test_a_workspace_that_hangs_gets_its_first_share_and_the_others_all_the_rest() -> None:
    rig = Rig({"hung": 1_000, "well": 200})

    async def well_is_done(rig: Rig) -> None:
        await rig.until(lambda: rig.running["hung"] == SHARE)
        rig.end("well")
        await rig.until(lambda: rig.ready["well"] == 0)

    await rig.work(well_is_done)
    assert rig.most["hung"] == SHARE


async def test_a_workspace_that_is_alone_and_quick_grows_to_half_of_the_workers() -> None:
    rig = Rig({"busy": 400})
    rig.end("busy")

    async def worked_off(rig: Rig) -> None:
        await rig.until(lambda: rig.ready["busy"] == 0)

    await rig.work(worked_off)
    assert SHARE < rig.most["busy"] <= CONCURRENCY / 2 + 1


async def test_a_workspace_whose_calls_are_held_back_is_not_tried_by_the_next_row() -> None:
    rig = Rig({"held": 100, "well": 20})
    until = NOW + timedelta(hours=1)
    wait = Wait(Waiting.PAUSED, until, "rate_limit.daily", holds_connection=True)
    rig.end("held", Result(Known(), wait=wait))
    rig.end("well")

    async def well_is_done(rig: Rig) -> None:
        await rig.until(lambda: rig.ready["well"] == 0)
        await rig.until(lambda: rig.worker.held("held") is not None)
        await rig.some_turns()

    await rig.work(well_is_done)
    assert rig.ready["held"] >= 100 - SHARE
    held = rig.worker.held("held")
    assert held is not None
    assert held[0] == "rate_limit.daily"
    assert rig.worker.held("well") is None
    rig.worker.forget("held")  # its settings changed
    assert rig.worker.held("held") is None


async def test_a_limit_of_our_own_key_holds_every_workspace() -> None:
    rig = Rig({"one": 1, "other": 0})
    wait = Wait(
        Waiting.PAUSED,
        NOW + timedelta(hours=1),
        "rate_limit.day",
        holds_connection=True,
        holds_vendor=True,
    )
    rig.end("one", Result(Known(), wait=wait))

    async def nobody_is_tried(rig: Rig) -> None:
        await rig.until(lambda: rig.worker.held("other") is not None)
        rig.ready["other"] = 5
        claims = rig.claims
        await rig.some_turns()
        assert rig.claims == claims

    await rig.work(nobody_is_tried)
    assert rig.ready["other"] == 5


async def test_while_the_vendors_circuit_is_open_nothing_is_claimed_and_then_one_row() -> None:
    rig = Rig({"one": 10, "other": 10}, Vendor(waits_s=60, closed=False))

    async def one_probes(rig: Rig) -> None:
        await rig.some_turns()
        assert rig.claims == 0
        assert rig.worker.held("one") is not None
        rig.vendor.waits_s = 0
        rig.worker.wake()
        await rig.until(lambda: rig.running.total() == 1)
        await rig.some_turns()
        assert rig.running.total() == 1
        rig.vendor.closed = True
        rig.worker.wake()
        await rig.until(lambda: rig.running.total() == 2 * SHARE)

    await rig.work(one_probes)
