"""One history: what is said, what people and admins do, what breaks, and what must hold."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from common.eligibility import Installation
from common.events import ConversationSettled
from common.updates import Update

from delivery.ports import LedgerAway, RetryLater
from delivery.simulation.judge import SAMPLED_EVERY_S, Track
from delivery.simulation.ledger import Backup
from delivery.simulation.meddling import Meddling
from delivery.simulation.peers import ADMIN, WORKSPACE, Connection, Talk, Truth
from delivery.simulation.replica import Replica, Scene
from delivery.simulation.store import Account
from delivery.simulation.talking import ACTIVE_S, Talking
from delivery.simulation.time import EPOCH, VirtualLoop, until
from delivery.simulation.wire import LATE_S

REST_WITHIN_S = 6 * 3600.0
# Somebody else takes an event over whose consumer does not come to an end with it.
SESSION_S = 45.0


@dataclass(slots=True)
class Report:
    seed: int
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class World:
    def __init__(self, seed: int) -> None:
        self.report = Report(seed)
        dice = self.dice = random.Random(seed)  # noqa: S311 - a history, not a secret
        self._loop = asyncio.get_running_loop()
        crm = dice.choice(["hubspot", "pipedrive", "pipedrive", "dynamics365"])
        self.scene = scene = Scene(dice, crm, activity=crm == "pipedrive")
        for name in ("a", "b"):
            scene.accounts[name] = Account(name, tells_merges=crm == "hubspot")
        scene.truth = Truth({app: Connection(app, self._installed(app), "a") for app in scene.apps})
        for app in scene.apps:
            scene.judge.toggle[app] = Track(value=True)
            scene.judge.installed[app] = Track(value=True)
        self._queue: asyncio.Queue[ConversationSettled] = asyncio.Queue()
        self._fed: list[tuple[float, ConversationSettled]] = []
        self._unfed = 0
        self._over = False
        self.talking = Talking(self)
        self.replicas: list[Replica] = []
        self._begin_talks()

    def _installed(self, app: str) -> Installation:
        return Installation(
            workspace_id=WORKSPACE,
            app=app,
            version=1,
            installed_at=EPOCH - timedelta(days=1),
            transcript_sync=True,
            active_app_users=frozenset({ADMIN}),
            all_conversations=False,
            note_policy=self.dice.choice(["update", "update", "new"]),
            time_zone="UTC",
            crm_account="a",
            reconnect_needed=False,
        )

    def _begin_talks(self) -> None:
        """Ids of which one begins with the other, often of one person."""
        scene, dice = self.scene, self.dice
        emails = dice.choice([("ada",), ("ada", "ada"), ("ada", "bob")])
        for id_, email in zip(("1", "12"), emails, strict=False):
            scene.talks[id_] = Talk(id_, email)
            scene.judge.assigned[id_] = Track(value=True)
        for account in scene.accounts.values():
            for email in sorted(set(emails)):
                if dice.random() < 0.9:
                    account.add_person(email, dice.choice([0.0, 0.0, 0.0, 1800.0]))
        for account in scene.accounts.values():
            for talk in scene.talks.values():
                scene.judge.matches[account.id, talk.id] = Track(value=0)

    async def run(self) -> Report:
        weather = self._weather()
        self.scene.weather.__init__(**weather)  # type: ignore[misc]
        late = ("late", "listed_late", "freeze")
        self.scene.judge.writes_land_late = bool(weather["late"])
        self.scene.judge.strict = not any(weather[kind] for kind in late)
        self.replicas = [self._replica(place) for place in range(self.dice.randint(1, 3))]
        meddling = Meddling(self)
        jobs = [
            self._loop.create_task(job)
            for job in (
                *(self.talking.hold(talk) for talk in self.scene.talks.values()),
                self._misfortune(meddling),
            )
        ]
        keepers = [self._loop.create_task(job) for job in (self._feed(), self._count_matches())]
        await asyncio.gather(*jobs)
        self.scene.weather.__init__()  # type: ignore[misc]
        await meddling.connect()
        await self._until_at_rest()
        self._over = True
        for task in keepers:
            task.cancel()
        for replica in self.replicas:
            replica.die()
        await asyncio.sleep(1)
        self._judge()
        return self.report

    def _weather(self) -> dict[str, int]:
        dice = self.dice
        return {
            "refused": dice.choice([0, 0, 30, 150]),
            "broken": dice.choice([0, 0, 50, 200]),
            "silent": dice.choice([0, 0, 50, 200]),
            "late": dice.choice([0, 0, 200, 500]),
            "listed_late": dice.choice([0, 0, 0, 300]),
            "ledger_away": dice.choice([0, 0, 0, 30]),
            "settings_away": dice.choice([0, 0, 0, 30]),
            "crash": dice.choice([0, 0, 5, 20]),
            "freeze": dice.choice([0, 0, 5, 20]),
        }

    # --- what is handed to the replicas

    def put(self, event: ConversationSettled) -> None:
        self._unfed += 1
        self.report.counts["events"] += 1
        self._queue.put_nowait(event)

    async def _feed(self) -> None:
        """The consumer group: an event is handed out again until somebody has taken it in."""
        while True:
            event = await self._queue.get()
            while True:
                replica = self.dice.choice(self.replicas)
                task = replica.spawn(replica.delivery.enqueue(event))
                await asyncio.wait([task], timeout=SESSION_S)
                error = task.exception() if task.done() and not task.cancelled() else None
                if error is not None and not isinstance(error, LedgerAway | RetryLater):
                    raise error
                if task.done() and not task.cancelled() and error is None:
                    break
                await asyncio.sleep(1)
            self._unfed -= 1
            self._fed.append((self._loop.time(), event))

    async def restore(self, backup: Backup) -> None:
        """All replicas end, the ledger is as it was, and what was read since then comes again."""
        for replica in self.replicas:
            if not replica.dead:
                replica.die()
        for key, stored in self.scene.database.rows.items():
            if stored.row.known.heal_at is not None:
                place = key.crm_account, key.conversation_id
                self.scene.judge.unhealed[place] = self._loop.time()
        self.scene.database.restore(backup)
        for at, event in self._fed:
            if at >= backup.taken_at - SESSION_S:
                self.put(event)

    def _replica(self, place: int) -> Replica:
        """One that ends comes back."""
        return Replica(self.scene, lambda: self._comes_back(place))

    def _comes_back(self, place: int) -> None:
        if not self._over:
            self.report.counts["ends of replicas"] += 1
            self._loop.call_later(5 * self.dice.random(), self._come_back, place)

    def _come_back(self, place: int) -> None:
        if self.replicas[place].dead:
            self.replicas[place] = self._replica(place)

    # --- what else happens

    async def _misfortune(self, meddling: Meddling) -> None:
        dice = self.dice
        times = []
        for _ in range(dice.choice([0, 2, 5, 9])):
            near = dice.choice(self.talking.due) + dice.choice([-5, 1, 20, 50]) * dice.random()
            times.append(near if dice.random() < 0.7 else dice.random() * ACTIVE_S)
        for at in sorted(times):
            await until(at)
            self.report.counts[await meddling.once()] += 1

    async def _count_matches(self) -> None:
        """What a search would find, for the judge."""
        while True:
            self.note_matches()
            await asyncio.sleep(SAMPLED_EVERY_S)

    def note_matches(self) -> None:
        now = self._loop.time()
        for (account, talk), track in self.scene.judge.matches.items():
            email = self.scene.talks[talk].email
            persons = self.scene.accounts[account].persons.values()
            found = sum(p.alive and p.email == email and p.found_at <= now for p in persons)
            if track.now != found:
                track.set(now, found)

    # --- the end

    async def _until_at_rest(self) -> None:
        deadline = self._loop.time() + REST_WITHIN_S
        await asyncio.sleep(LATE_S + 60)
        while self._unfed or any(
            stored.row.requests or (stored.ready_at and self.scene.truth.connected(key.crm_account))
            for key, stored in self.scene.database.rows.items()
        ):
            if self._loop.time() > deadline:
                self.scene.judge.violation("not at rest hours after the last trouble")
                return
            await asyncio.sleep(30)

    def _judge(self) -> None:
        scene, judge = self.scene, self.scene.judge
        # Another account's surplus is looked for once the connection leads there again.
        for account in scene.accounts.values():
            if scene.truth.connected(account.id):
                judge.surplus(account)
        judge.answered()
        for talk in scene.talks.values():
            for at, text in talk.removed:
                for account in scene.accounts.values():
                    judge.taken_out(account, talk.id, text, at)
            counted = [message for message in talk.messages if message.update]
            if not counted:
                continue
            last = max(counted, key=lambda message: message.update or Update(EPOCH, 0))
            if last.text:
                said_at = (last.sent_at - EPOCH).total_seconds()
                for app in scene.apps:
                    judge.stands(
                        app,
                        talk.id,
                        last.text,
                        scene.accounts,
                        said_at,
                        activity=scene.activity,
                    )
        self.report.violations = judge.violations
        self.report.counts["creates"] += judge.creates
        for outcome in scene.database.outcomes:
            self.report.counts[str(outcome.outcome)] += 1


def simulate(seed: int) -> Report:
    async def history() -> Report:
        return await World(seed).run()

    loop = VirtualLoop()
    try:
        return loop.run_until_complete(history())
    finally:
        loop.close()
