"""One history: what people say, what goes wrong, and what must hold in the end."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from debounce.domain.update import Update
from debounce.judge import judge
from debounce.simulation.kafka import EPOCH_MS, POISON, SimKafka
from debounce.simulation.replica import QUIET_MS, Replica

ACTIVE_S = 12.0
REST_WITHIN_S = 90.0
SESSION_S = 3.0


@dataclass(slots=True)
class Report:
    seed: int
    violations: list[str] = field(default_factory=list)
    updates: int = 0
    settled: int = 0
    repeats: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class World:
    def __init__(self, seed: int, loop: asyncio.AbstractEventLoop) -> None:
        self.report = Report(seed)
        self.dice = random.Random(seed)  # noqa: S311 - a history, not a secret
        self._loop = loop
        began = loop.time()
        partitions = self.dice.randint(1, 3)
        self.kafka = SimKafka(self.dice, lambda: loop.time() - began, partitions)
        # In some histories nothing is read twice, whatever clocks do: then all must be exact.
        self._read_once = self.dice.random() < 0.3
        self._assignments = 0
        self._replicas: list[Replica] = []
        self._names = [f"r{number}" for number in range(self.dice.randint(1, 3))]
        self._rebalancing = asyncio.Lock()
        self._part_id = 0
        self._said: list[tuple[int, Update]] = []

    async def run(self) -> Report:
        self._replicas = [self._new(name) for name in self._names]
        await self._rebalance()
        jobs = [asyncio.create_task(job) for job in (self._people(), self._misfortune())]
        try:
            await asyncio.gather(*jobs)
            await self._heal()
            await self._until_at_rest()
        finally:
            for job in jobs:
                job.cancel()
            for replica in self._replicas:
                await replica.crash()
        self._judge()
        return self.report

    def _new(self, name: str) -> Replica:
        replica = Replica(name, self.kafka, self._loop)
        replica.clock.ahead_ms = self.dice.choice([0, 0, 300_000, -300_000, 3_600_000])
        if not self._read_once:
            replica.faults_in_a_hundred = self.dice.choice([0, 0, 5, 20])
            replica.publish_s = self.dice.choice([0.1, 0.1, 3.0])
            replica.letters_after_s = self.dice.choice([0.0, 20.0])
        return replica

    async def _rebalance(self) -> None:
        """Eager, as aiokafka does it. Who is frozen is not asked, and does not know."""
        async with self._rebalancing:
            awake = [replica for replica in self._replicas if not replica.frozen]
            for replica in awake:
                await self._revoke(replica)
            for replica in self._replicas:
                replica.member = False
            if not awake:
                return
            self.dice.shuffle(awake)
            owned = {
                replica.name: [
                    partition.number
                    for partition in self.kafka.partitions
                    if partition.number % len(awake) == place
                ]
                for place, replica in enumerate(awake)
            }
            for replica in awake:
                await self._assign(replica, owned[replica.name])

    async def _revoke(self, replica: Replica) -> None:
        was_member, acknowledged = replica.member, dict(replica.acknowledged)
        await replica.revoked()
        if not was_member or not replica.member or replica.last_commit_failed:
            return
        for number, offset in acknowledged.items():
            partition = self.kafka.partitions[number]
            committed = partition.committed or 0
            held_by_a_letter = partition.records[committed : committed + 1]
            if any(record.value == POISON for record in held_by_a_letter):
                continue
            if committed <= offset:
                self._violation(f"handed over {number} at {committed}, {offset} was acknowledged")

    async def _assign(self, replica: Replica, numbers: list[int]) -> None:
        self._assignments += 1
        await replica.assigned(dict.fromkeys(numbers, (replica.name, self._assignments)))

    # --- what people say

    async def _people(self) -> None:
        for _ in range(self.dice.randint(5, 50)):
            await self._until(self.dice.random() * ACTIVE_S)
            number, value = self._something_said()
            await self._append(number, value)

    def _something_said(self) -> tuple[int, Update | str]:
        dice, now_s = self.dice, self.kafka.now_ms() // 1000
        kind = dice.randrange(100)
        if kind < 4:
            return dice.randrange(len(self.kafka.partitions)), POISON
        if kind < 25 and self._said:  # redelivered, or a second notification
            return dice.choice(self._said)
        number = dice.randrange(len(self.kafka.partitions))
        conversation = b"w:%d" % (number * 100 + dice.randrange(4))
        self._part_id += 1
        updated_at, part_id = now_s, self._part_id
        if kind < 35:
            updated_at -= dice.choice([1, 2, 60, 7200])  # late
        elif kind < 40:
            updated_at += dice.choice([30, 60, 61, 7200])  # from the future
        elif kind < 55:
            part_id = dice.randrange(3)  # several in one second, in any order
        update = Update(conversation, updated_at, part_id)
        self._said.append((number, update))
        return number, update

    async def _append(self, number: int, value: Update | str) -> None:
        record = self.kafka.append(number, value)
        self.report.updates += 1
        self._loop.call_later(
            self.dice.choice([0, 0, 0.02, 1.0]), self.kafka.replicate, number, record.offset + 1
        )
        if isinstance(value, Update) and self.dice.random() < 0.2:
            # At the very millisecond at which it is due, or the one before.
            due_s = (record.timestamp - EPOCH_MS + QUIET_MS - self.dice.randint(0, 1)) / 1000
            due_s -= self.kafka.partitions[number].leader_ahead_ms / 1000
            self._part_id += 1
            again = Update(value.conversation, value.updated_at + 1, self._part_id)
            self._loop.call_at(
                self._loop.time() + due_s - self._elapsed(), self._at_due, number, again
            )

    def _at_due(self, number: int, update: Update) -> None:
        record = self.kafka.append(number, update)
        self.report.updates += 1
        self.kafka.replicate(number, record.offset + 1)

    # --- what goes wrong

    async def _misfortune(self) -> None:
        kinds: dict[str, Callable[[], Awaitable[None]]] = {
            "service clock jumped": self._jump,
            "leader changed": self._change_leader,
        }
        if not self._read_once:
            kinds |= {
                "killed": self._kill,
                "restarted": self._restart,
                "frozen past its session": self._freeze,
                "rebalanced": self._rebalance,
                "partition added": self._add_partition,
            }
        most = 12 if self._read_once else 6
        for _ in range(self.dice.randint(0, most)):
            await asyncio.sleep(self.dice.random() * 24 / most)
            kind = self.dice.choice(list(kinds))
            self.report.faults[kind] += 1
            await kinds[kind]()

    async def _kill(self) -> None:
        await self._replace(Replica.crash)

    async def _restart(self) -> None:
        await self._replace(Replica.end)

    async def _replace(self, ending: Callable[[Replica], Awaitable[None]]) -> None:
        """Ended, and back within its session: its partitions wait for it. Or not back in time."""
        async with self._rebalancing:
            victim = self.dice.choice(self._replicas)
            if victim.frozen:
                return
            owned = list(victim.debounce.partitions)
            was_member = victim.member
            await ending(victim)
            self._replicas.remove(victim)
            await asyncio.sleep(self.dice.random() * SESSION_S)
            back = self._new(victim.name)
            self._replicas.append(back)
            if was_member and self.dice.random() < 0.7:
                await self._assign(back, owned)
                return
        await self._rebalance()

    async def _freeze(self) -> None:
        victim = self.dice.choice(self._replicas)
        victim.freeze()
        await asyncio.sleep(self.dice.random() * 2 * SESSION_S)
        if self.dice.random() < 0.7:  # its session ran out meanwhile
            victim.member = False
            await self._rebalance()
            await asyncio.sleep(self.dice.random() * SESSION_S)
        victim.thaw()
        await asyncio.sleep(self.dice.random())  # goes on as if nothing had been
        if not victim.member:
            await victim.revoked()
            await self._rebalance()

    async def _jump(self) -> None:
        clock = self.dice.choice(self._replicas).clock
        clock.ahead_ms = self.dice.choice([0, 1000, -1000, 300_000, -300_000, 3_600_000])

    async def _change_leader(self) -> None:
        number = self.dice.randrange(len(self.kafka.partitions))
        self.kafka.change_leader(number, self.dice.choice([0, -500, 500, -4_000, 4_000]))

    async def _add_partition(self) -> None:
        self.kafka.partitions.append(type(self.kafka.partitions[0])(len(self.kafka.partitions)))
        await self._rebalance()

    # --- the end

    async def _heal(self) -> None:
        for replica in self._replicas:
            replica.thaw()
            replica.faults_in_a_hundred = 0
            replica.publish_s, replica.letters_after_s = 0.1, 0.0
        if not self._read_once:
            await self._rebalance()

    async def _until_at_rest(self) -> None:
        deadline = self._loop.time() + REST_WITHIN_S
        while not self._at_rest():
            for replica in self._replicas:
                replica.check()
            if self._loop.time() > deadline:
                self._violation(f"not at rest {REST_WITHIN_S} s after the last fault")
                return
            await asyncio.sleep(0.5)

    def _at_rest(self) -> bool:
        return self._elapsed() > ACTIVE_S + QUIET_MS / 1000 and all(
            partition.high == len(partition.records) == (partition.committed or 0)
            and all(replica.at_rest(partition) for replica in self._replicas)
            for partition in self.kafka.partitions
        )

    def _judge(self) -> None:
        settled = self.kafka.settled()
        verdict = judge(self.kafka.updates(), settled, QUIET_MS, at_rest=True)
        self.report.settled, self.report.repeats = len(settled), verdict.repeats
        for update in verdict.missing:
            self._violation(f"missing: {update}")
        for one in verdict.early:
            self._violation(f"early: {one}")
        # After a step back a restart cannot know how far the clock had been; nothing is early.
        if not self.kafka.stepped_back:
            for one in verdict.unfounded:
                self._violation(f"unfounded: {one}")
        for partition in self.kafka.partitions:
            times = Counter((one.offset, epoch) for epoch, one in partition.settled)
            for (offset, epoch), count in times.items():
                allowed = 1 + self.kafka.unknown_ends[partition.number, offset, epoch]
                if count > allowed:
                    self._violation(f"{count} times in one assignment: {offset} of {epoch}")
            poison = {record.offset for record in partition.records if record.value == POISON}
            if poison - partition.letters:
                self._violation(f"no dead letter: {sorted(poison - partition.letters)}")
            ticks = sum(record.value is None for record in partition.records)
            if ticks > 4 * (len(partition.records) - ticks) + 20:
                self._violation(f"{ticks} ticks in {len(partition.records)} records")
        if self._read_once and not verdict.exact:
            self._violation("all was read once, and yet not just the events called for came of it")

    def _violation(self, what: str) -> None:
        self.report.violations.append(what)

    def _elapsed(self) -> float:
        return (self.kafka.now_ms() - EPOCH_MS) / 1000

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._elapsed()))


def simulate(seed: int, loop: asyncio.AbstractEventLoop) -> Report:
    """One history, on a virtual loop that others may have used before."""

    async def history() -> Report:
        return await World(seed, loop).run()

    return loop.run_until_complete(history())
