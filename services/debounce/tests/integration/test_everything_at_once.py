"""All faults in one run: two replicas, their clocks 10 minutes apart, one log, one verdict."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.faults]
NewLog = Callable[..., Awaitable[Any]]

CLOCKS_AHEAD_S = {"a": 300.0, "b": -300.0}
STALLED = {"LULL_DEBOUNCE_STALLED_AFTER_S": "12"}
SESSION_S = 6.0  # as the fixture sets it
WRITTEN_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Size:
    conversations: int
    updates: int
    seconds: float  # that the updates are spread over
    kills: int
    kill_every_s: float  # about


SIZES = {
    "quick": Size(2_000, 20_000, 10, 3, 1.0),
    "faults": Size(20_000, 200_000, 150, 24, 4.0),
    "long": Size(20_000, 2_000_000, 1_500, 300, 4.0),
}


class Traffic:
    """Updates of random conversations, evenly, also while brokers and replicas are down."""

    def __init__(self, log: Any, size: Size, dice: random.Random) -> None:
        self._log = log
        self._size = size
        self._dice = dice
        self.said = 0

    async def flow(self) -> None:
        began = time.monotonic()
        while self.said < self._size.updates:
            due = (time.monotonic() - began) * self._size.updates / self._size.seconds
            while self.said < min(due, self._size.updates):
                now, dice = int(time.time()), self._dice
                count = min(WRITTEN_AT_ONCE, self._size.updates - self.said)
                await self._log.fill(
                    [
                        # Some redelivered late, some of a second that had others.
                        (dice.randrange(self._size.conversations), now - dice.choice((0, 0, 1)), n)
                        for n in range(self.said, self.said + count)
                    ]
                )
                self.said += count
            await asyncio.sleep(0.05)


async def test_two_replicas_under_every_fault_lose_nothing_and_are_never_early(
    new_log: NewLog, own_kafka: Any, size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, seed = SIZES[size], random.randrange(10**6)
    dice = random.Random(seed)
    log = await new_log(quiet_s=1.5, partitions=4, bootstrap=own_kafka.bootstrap)

    async def up(name: str) -> Any:
        return await log.started(name, ahead_s=CLOCKS_AHEAD_S[name], **STALLED)

    async def says_so_and_lives(replica: Any) -> None:
        await replica.until_answers("/readyz", 503, "Kafka does not answer")
        assert (await replica.get("/healthz"))[0] == 200

    running = dict(zip("ab", await asyncio.gather(up("a"), up("b")), strict=True))
    traffic = Traffic(log, plan, random.Random(seed))
    flowing = asyncio.create_task(traffic.flow())
    try:
        for _ in range(plan.kills):
            await asyncio.sleep(dice.uniform(0.1, 2 * plan.kill_every_s))
            victim = dice.choice("ab")
            await running[victim].end(signal.SIGKILL)
            running[victim] = await log.start(victim, ahead_s=CLOCKS_AHEAD_S[victim], **STALLED)
        for name in running:
            await running[name].until_answers("/readyz", 200)
            assert await running[name].end(signal.SIGTERM) == 0
            running[name] = await up(name)

        running["a"].process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(SESSION_S * 1.3)
        await running["b"].until_partitions(log.partitions)
        running["a"].process.send_signal(signal.SIGCONT)

        own_kafka.send(signal.SIGKILL)
        await asyncio.gather(*(says_so_and_lives(replica) for replica in running.values()))
        await own_kafka.restart()
        for replica in running.values():
            await replica.until_answers("/readyz", 200)
            assert replica.process.returncode is None
        await flowing
    finally:
        flowing.cancel()

    verdict = await log.all_settled(within_s=120, trust_clock=False)

    with capsys.disabled():
        print(
            f"\nseed {seed}: {traffic.said} updates of {plan.conversations} conversations, "
            f"{plan.kills} kills; {verdict.expected} to settle, missing {len(verdict.missing)}, "
            f"early {len(verdict.early)}; {verdict.repeats} repeats (published, not committed yet "
            f"when it was killed, frozen or cut off), of one event {verdict.most_repeats_of_one}"
        )
    assert not verdict.missing
    assert not verdict.early
    assert not verdict.unfounded
    # An owner commits each second, so what is published since then the next owner publishes again:
    # one for each kill, one for the frozen replica that wakes up, one for the broker.
    assert verdict.most_repeats_of_one <= plan.kills + 2
