"""Where the histories happen: a workspace connected to a CRM, its ledger rows, and the time."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from common.events import ConversationSettled, Trigger
from delivery.domain.row import Key

from crashing.replica import Place, Replica, Wiring

Policy = Literal["update", "new"]

_CREATES = re.compile(r"/(notes|activities)$")
_ROUNDS_MAX = 20
# An hour passes: leases end, what waits is due, what was created is listed, permits are earned.
_AN_HOUR_LATER = """
UPDATE ledger SET
    ready_at = ready_at - h, lease_until = lease_until - h, heal_at = heal_at - h,
    not_before_quiet = not_before_quiet - h, not_before_retry = not_before_retry - h,
    failing_since = failing_since - h,
    unknown_write = jsonb_set(unknown_write, '{started_at}',
        to_jsonb((unknown_write ->> 'started_at')::timestamptz - h)),
    unknown_activity = jsonb_set(unknown_activity, '{started_at}',
        to_jsonb((unknown_activity ->> 'started_at')::timestamptz - h))
  FROM (SELECT interval '1 hour' AS h) AS an WHERE workspace_id = $1
"""


@dataclass(frozen=True, slots=True)
class Stage:
    installed: Any  # delivering.talks.Installed
    policy: Policy
    place: Place
    wiring: Wiring
    survivor: Replica
    asked: Counter[str] = field(default_factory=Counter)  # events, by conversation
    _buckets: set[str] = field(default_factory=set)  # of the account's rate limits
    _heard: list[int] = field(default_factory=lambda: [0])

    @property
    def control(self) -> Any:
        return self.installed.world.control

    @property
    def account(self) -> tuple[str, str]:
        return self.place.crm, self.installed.account

    async def ask(
        self,
        talk: Any,
        trigger: Trigger = Trigger.QUIET,
        *,
        of_account: str | None = None,
        **rest: Any,
    ) -> None:
        """Put an event into the ledger.

        Args:
            of_account: which the connection led to when it was put in; None: today's.

        """
        event: ConversationSettled = talk.event(trigger, **rest)
        place = self.place
        key = Key(place.workspace, talk.id, place.crm, of_account or place.crm_account)
        folded = await self.survivor.ledger.fold(key, event, (self.installed.app,))
        assert folded.accepted == 1
        self.asked[talk.id] += 1

    async def attempt(self) -> bool:
        return await self.survivor.attempt(self.place)

    async def pass_time(self) -> None:
        async with self.survivor.pool.acquire() as connection:
            await connection.execute(_AN_HOUR_LATER, self.place.workspace)
            counted = await connection.fetch(
                "DELETE FROM rate_limit WHERE bucket LIKE '%/' || $1 || '%' RETURNING bucket",
                self.account[1],
            )
            self._buckets.update(row["bucket"] for row in counted)

    async def spend(self) -> None:
        """Others have just used up the account's limits: the next call waits for its turn."""
        async with self.survivor.pool.acquire() as connection:
            await connection.executemany(
                "INSERT INTO rate_limit (bucket, free_at)"
                " VALUES ($1, clock_timestamp() + interval '0.9 s')",
                [(bucket,) for bucket in self._buckets],
            )

    async def rest(self) -> None:
        """Attempt until every request is answered and everything is healed."""
        for _ in range(_ROUNDS_MAX):
            await self.pass_time()
            if not await self.attempt() and await self._at_rest():
                return
        raise AssertionError("the row never came to rest")

    async def _at_rest(self) -> bool:
        async with self.survivor.pool.acquire() as connection:
            rests: bool = await connection.fetchval(
                "SELECT NOT EXISTS (SELECT FROM ledger "
                "WHERE workspace_id = $1 AND ready_at IS NOT NULL)",
                self.place.workspace,
            )
        return rests

    def fail(self, kind: str, *, method: str, path: str = r"/notes(/\d+)?$") -> None:
        crm, account = self.account
        self.control.add_fault(crm, kind, account=account, method=method, path=path)

    @contextmanager
    def answering_in_two(self) -> Iterator[None]:
        """Intercom and the CRM send their bodies after their heads, so that each is waited for."""
        crm, account = self.account
        vendors = [(crm, account), ("intercom", self.place.workspace)]
        faults = [
            self.control.add_fault(vendor, "late_body", account=whose, times=None, ms=30)
            for vendor, whose in vendors
        ]
        yield
        for fault in faults:
            self.control.clear_fault(fault)

    def new_creates(self) -> int:
        """Notes and activities that the CRM said it made, since this was asked last."""
        calls = self.control.journal(*self.account, since_seq=self._heard[-1])
        self._heard[:] = [call["seq"] for call in calls[-1:]] or self._heard
        return sum(
            call["method"] == "POST"
            and call["status"] < 300
            and bool(_CREATES.search(call["path"]))
            for call in calls
        )

    async def row(self, talk: Any) -> dict[str, Any]:
        """All that is stored of it; `whole`: as text."""
        async with self.survivor.pool.acquire() as connection:
            record = await connection.fetchrow(
                "SELECT *, ledger::text || (SELECT coalesce(string_agg(answers::text, ''), '') "
                "FROM answers WHERE ledger_id = ledger.id) AS whole FROM ledger "
                "WHERE workspace_id = $1 AND conversation_id = $2 AND crm_account = $3",
                self.place.workspace,
                talk.id,
                self.place.crm_account,
            )
        return dict(record or {})
