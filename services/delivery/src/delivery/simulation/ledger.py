"""The ledger in memory: the same decisions on rows, and leases as `adapters/postgres.py` has them.

Every method is one transaction, so claims never meet (SKIP LOCKED) and no lock is ever waited for.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.events import ConversationSettled, DeliveryOutcome

from delivery.domain.answer import Result, finished
from delivery.domain.fold import Folded, fold, take_over, without
from delivery.domain.ready import ready_at
from delivery.domain.row import Distrust, Key, Known, Row, Waiting
from delivery.ports import Claim, LeaseLost
from delivery.simulation.time import instant
from delivery.simulation.wire import Wire

LEASE = timedelta(seconds=120)


@dataclass(slots=True)
class Stored:
    row: Row
    ready_at: datetime | None = None
    token: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    taken_at: float
    rows: dict[Key, Stored]
    outcomes: list[DeliveryOutcome]
    accepted: Counter[tuple[str, str]]


class Database:
    """What PostgreSQL would hold, and what was seen of it by the judge."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic
        self.rows: dict[Key, Stored] = {}
        self.distrust: Distrust | None = None
        self.outcomes: list[DeliveryOutcome] = []
        self.accepted: Counter[tuple[str, str]] = Counter()  # by conversation and trigger
        self.changed = asyncio.Event()
        self._tokens = 0

    def now(self) -> datetime:
        return instant(self.monotonic())

    def backup(self) -> Backup:
        rows = {key: replace(stored) for key, stored in self.rows.items()}
        return Backup(self.monotonic(), rows, list(self.outcomes), Counter(self.accepted))

    def restore(self, backup: Backup) -> None:
        """All is as it was, and what came of it since is not counted; tokens are never reused."""
        self.rows = {key: replace(stored) for key, stored in backup.rows.items()}
        self.outcomes, self.accepted = list(backup.outcomes), Counter(backup.accepted)
        self.distrust = Distrust(self.now(), self.now())
        self.changed.set()

    def row(self, key: Key) -> tuple[Stored, Row]:
        stored = self.rows.setdefault(key, Stored(Row(key)))
        leased = stored.until is not None and stored.until > self.now()
        return stored, replace(stored.row, leased=leased, outcomes=(), distrust=self.distrust)

    def asks_itself(self, conversation_id: str) -> bool:
        """Whether a request of our own is open, which nobody hears of."""
        return any(
            request.is_our_own
            for key, stored in self.rows.items()
            if key.conversation_id == conversation_id
            for request in stored.row.requests
        )

    def put(self, stored: Stored, row: Row) -> None:
        self.outcomes += row.outcomes
        stored.row = replace(row, outcomes=())
        self.changed.set()

    def fold(self, key: Key, event: ConversationSettled, apps: tuple[str, ...]) -> Folded:
        stored, row = self.row(key)
        folded = fold(row, event, apps, self.now())
        if folded.accepted:
            if not folded.row.requests[-1].is_our_own:
                self.accepted[key.conversation_id, event.trigger] += folded.accepted
            self.put(stored, folded.row)
            if not row.leased:
                stored.ready_at = ready_at(folded.row, self.now())
        return folded

    def claim(self, limit: int) -> list[tuple[Row, str]]:
        now = self.now()
        due = [s for s in self.rows.values() if s.ready_at is not None and s.ready_at <= now]
        claimed = []
        for stored in sorted(due, key=lambda s: s.ready_at or now)[:limit]:
            self._tokens += 1
            abandoned = stored.token is not None
            stored.token, stored.until = f"t{self._tokens}", now + LEASE
            stored.ready_at = stored.until
            stored.row = replace(stored.row, taken=stored.row.wanted)
            row = replace(stored.row, leased=True, abandoned=abandoned, distrust=self.distrust)
            claimed.append((row, stored.token))
        return claimed

    def held(self, claim: Claim) -> Stored:
        stored = self.rows.get(claim.row.key)  # None: restored from before it was there
        if stored is None or stored.token != claim.token:
            raise LeaseLost
        return stored

    def finish(self, claim: Claim, result: Result) -> Row:
        stored, now = self.held(claim), self.now()
        answered = finished(self.row(claim.row.key)[1], result, now)
        self.put(stored, answered)
        stored.ready_at, stored.token, stored.until = ready_at(answered, now), None, None
        return answered

    def move(self, claim: Claim, to: Key, app: str, result: Result) -> None:
        kept, leaving = without(self.finish(claim, result), app)
        left = self.rows[claim.row.key]
        left.row, left.ready_at = replace(kept, outcomes=()), ready_at(kept, self.now())
        stored, row = self.row(to)
        taken = take_over(row, leaving)
        self.put(stored, taken)
        if not row.leased:
            stored.ready_at = ready_at(taken, self.now())

    def save(self, claim: Claim, known: Known) -> None:
        stored = self.held(claim)
        asked = [at for at in (stored.row.known.heal_at, known.heal_at) if at is not None]
        stored.row = replace(stored.row, known=replace(known, heal_at=max(asked, default=None)))

    def heal(self, key: Key, at: datetime) -> None:
        stored, row = self.row(key)
        stored.row = replace(stored.row, known=replace(row.known, heal_at=at))
        if not row.leased:
            # PostgreSQL's least() leaves nulls out.
            stored.ready_at = min(stored.ready_at or at, at)
        self.changed.set()

    def wake(self) -> int:
        woken = [
            (stored, row)
            for stored, row in (self.row(key) for key in list(self.rows))
            if row.waiting is Waiting.RECONNECT and not row.leased
        ]
        for stored, row in woken:
            stored.row = replace(row, not_before_retry=None)
            stored.ready_at = self.now()
        self.changed.set()
        return len(woken)

    def release(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            stored = self.rows[claim.row.key]
            if stored.token == claim.token:
                self._tokens += 1
                stored.token = f"nobody's {self._tokens}"
                stored.until, stored.ready_at = None, self.now()
        self.changed.set()


class SimLedger:
    """One replica's connection to it: the port `Ledger`."""

    def __init__(self, database: Database, wire: Wire) -> None:
        self._database = database
        self._wire = wire
        self._woken_on = -1.0

    async def fold(self, key: Key, event: ConversationSettled, apps: tuple[str, ...]) -> Folded:
        return await self._wire.ledger(lambda: self._database.fold(key, event, apps))

    async def claim(self, crm: str, limit: int, running: dict[str, int]) -> list[Claim]:
        claimed_on = self._database.monotonic()

        def work() -> tuple[list[tuple[Row, str]], datetime]:
            return self._database.claim(limit), self._database.now()

        rows, at = await self._wire.ledger(work)
        good_until = claimed_on + LEASE.total_seconds()
        return [Claim(row, token, at, claimed_on, good_until) for row, token in rows]

    async def save(self, claim: Claim, known: Known) -> None:
        await self._wire.ledger(lambda: self._database.save(claim, known))

    async def finish(self, claim: Claim, result: Result) -> None:
        def work() -> None:
            wait, kept = result.wait, result
            woken = self._woken_on > claim.claimed_on
            if wait is not None and wait.waiting is Waiting.RECONNECT and woken:
                kept = replace(result, wait=replace(wait, until=self._database.now()))
            self._database.finish(claim, kept)

        await self._wire.ledger(work)

    async def move(self, claim: Claim, to: Key, app: str, result: Result) -> None:
        await self._wire.ledger(lambda: self._database.move(claim, to, app, result))

    async def release(self, claims: Sequence[Claim]) -> None:
        await self._wire.ledger(lambda: self._database.release(claims))

    async def read(self, key: Key) -> Row | None:
        return await self._wire.ledger(
            lambda: self._database.row(key)[1] if key in self._database.rows else None
        )

    async def heal(self, key: Key, at: datetime) -> None:
        await self._wire.ledger(lambda: self._database.heal(key, at))

    async def wake(self, workspace_ids: Sequence[str], crm: str) -> int:
        self._woken_on = self._database.monotonic()
        return await self._wire.ledger(self._database.wake)
