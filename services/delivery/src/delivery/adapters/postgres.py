"""The ledger in PostgreSQL: rows, claims with leases, and the outbox within the rows.

PostgreSQL's clock is the ledger's one clock: replicas whose own clocks differ still agree on what
is due, on whose lease has ended, and on when a write of unknown end must be visible.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
from common.events import ConversationSettled
from common.together import Together

from delivery.adapters import many
from delivery.adapters.changing import (
    Fold,
    finished_columns,
    fold_all,
    folded_columns,
    locked,
    locked_or_new,
    update_rows,
)
from delivery.adapters.claiming import look
from delivery.adapters.database import connected
from delivery.adapters.rows import COLUMNS, known_columns, row_of
from delivery.domain.answer import Result, finished
from delivery.domain.fold import Folded, take_over, without
from delivery.domain.row import Key, Known, Row, Waiting
from delivery.ports import Claim, LeaseLost, LedgerAway

# Looks of one claim, while there is too little to do in the workspaces that they went into.
_LOOKS_PER_CLAIM = 8

_SAVE = many.save()


class PostgresLedger:
    """The ledger's rows in PostgreSQL.

    Args:
        pool: may be unable to connect at first; every method then raises LedgerAway.
        owner: this replica's name, for people who look at leases.
        lease: how long a claimed row is its worker's.
        share: attempts at once for one workspace.

    """

    def __init__(self, pool: asyncpg.Pool, *, owner: str, lease: timedelta, share: int) -> None:
        self._pool = pool
        self._owner = owner
        self._lease = lease
        self._share = share
        self._claimed_last: dict[str, str] = {}
        self._woken: dict[tuple[str, str], float] = {}  # by workspace and CRM, monotonic
        # What comes while a statement is under way goes into the next one, together.
        self._folds = Together(self._fold_all, expected=LedgerAway)
        self._saves = Together(self._save_all, expected=LedgerAway)
        self._finishes = Together(self._finish_all, expected=LedgerAway)

    async def fold(self, key: Key, event: ConversationSettled, apps: tuple[str, ...]) -> Folded:
        return await self._folds(Fold(key, event, apps))

    async def _fold_all(self, asked: Sequence[Fold]) -> Sequence[Folded | Exception]:
        async with self._transaction() as connection:
            return await fold_all(connection, asked)

    async def claim(self, crm: str, limit: int, running: dict[str, int]) -> list[Claim]:
        begins_after = after = self._claimed_last.get(crm, "")
        claims, from_the_first = list[Claim](), not after
        for _ in range(_LOOKS_PER_CLAIM):
            taken = Counter(running) + Counter(claim.row.key.workspace_id for claim in claims)
            more, behind = await self._look(crm, after, limit - len(claims), dict(taken))
            claims += more
            if len(claims) >= limit:
                after = claims[-1].row.key.workspace_id
                break
            after = behind or ""
            if from_the_first and (not after or begins_after <= after):
                break  # once round
            from_the_first = from_the_first or not after
        self._claimed_last[crm] = after
        return claims

    async def _look(
        self, crm: str, after: str, limit: int, running: dict[str, int]
    ) -> tuple[list[Claim], str | None]:
        """By workspace; and behind which one more may be found, where these were too few."""
        claimed_on = time.monotonic()
        token = uuid4()
        async with self._connection() as connection:
            found = await look(
                connection,
                crm=crm,
                after=after,
                limit=limit,
                share=self._share,
                running=running,
                token=token,
                owner=self._owner,
                lease=self._lease,
            )
        good_until = claimed_on + self._lease.total_seconds()
        claims = [
            Claim(
                replace(row_of(record), abandoned=record["abandoned"]),
                str(token),
                record["at"],
                claimed_on,
                good_until,
            )
            for record in found.records
        ]
        return sorted(claims, key=lambda claim: claim.row.key.workspace_id), found.more_after

    async def save(self, claim: Claim, known: Known) -> None:
        await self._saves((claim, known))

    async def _save_all(self, asked: Sequence[tuple[Claim, Known]]) -> Sequence[Exception | None]:
        rows = [
            {
                **many.key_columns(claim.row.key),
                "lease_token": claim.token,
                **known_columns(known),
            }
            for claim, known in asked
        ]
        async with self._connection() as connection:
            records = await connection.fetch(_SAVE, many.as_json(rows))
        saved = {(many.key_of(record), str(record["lease_token"])) for record in records}
        return [
            None if (claim.row.key, claim.token) in saved else LeaseLost() for claim, _ in asked
        ]

    async def finish(self, claim: Claim, result: Result) -> None:
        await self._finishes((claim, result))

    async def _finish_all(
        self, asked: Sequence[tuple[Claim, Result]]
    ) -> Sequence[Exception | None]:
        answers: list[Exception | None] = []
        kept = []
        async with self._transaction() as connection:
            records = await locked(connection, [claim.row.key for claim, _ in asked])
            for claim, result in asked:
                record = records.get(claim.row.key)
                if record is None or str(record["lease_token"]) != claim.token:
                    answers.append(LeaseLost())
                    continue
                now: datetime = record["at"]
                asked_row = row_of(record)
                row = finished(asked_row, self._woken_meanwhile(claim, result, now), now)
                answers.append(None)
                kept.append(finished_columns(record["id"], asked_row, row, now))
            await update_rows(connection, kept)
        return answers

    async def move(self, claim: Claim, to: Key, app: str, result: Result) -> None:
        async with self._transaction() as connection:
            records = await locked_or_new(connection, [claim.row.key, to])
            record = records[claim.row.key]
            if str(record["lease_token"]) != claim.token:
                raise LeaseLost
            now: datetime = record["at"]
            asked = row_of(record)
            moved = finished(asked, self._woken_meanwhile(claim, result, now), now)
            kept, leaving = without(moved, app)
            await update_rows(connection, [finished_columns(record["id"], asked, kept, now)])
            taken_over = take_over(row_of(records[to]), leaving)
            await update_rows(connection, [folded_columns(records[to], taken_over)])

    async def release(self, claims: Sequence[Claim]) -> None:
        async with self._connection() as connection:
            await connection.executemany(
                # Nobody's token, and yet one: the next claim sees that no result was given.
                "UPDATE ledger SET lease_token = gen_random_uuid(), lease_owner = NULL, "
                "lease_until = NULL, ready_at = now() "
                "WHERE workspace_id = $1 AND conversation_id = $2 "
                "AND crm = $3 AND crm_account = $4 AND lease_token = $5",
                [(*_key_values(claim.row.key), claim.token) for claim in claims],
            )

    async def read(self, key: Key) -> Row | None:
        async with self._connection() as connection:
            record = await connection.fetchrow(
                f"SELECT {COLUMNS} FROM ledger WHERE workspace_id = $1 "  # noqa: S608 - constants only
                "AND conversation_id = $2 AND crm = $3 AND crm_account = $4",
                *_key_values(key),
            )
        return row_of(record) if record else None

    async def heal(self, key: Key, at: datetime) -> None:
        async with self._connection() as connection:
            await connection.execute(
                "UPDATE ledger SET heal_at = $5, ready_at = CASE WHEN lease_until > now() "
                "THEN ready_at ELSE least(ready_at, $5) END "
                "WHERE workspace_id = $1 AND conversation_id = $2 "
                "AND crm = $3 AND crm_account = $4",
                *_key_values(key),
                at,
            )

    async def wake(self, workspace_ids: Sequence[str], crm: str) -> int:
        self._woken |= dict.fromkeys(((space, crm) for space in workspace_ids), time.monotonic())
        async with self._connection() as connection:
            status = await connection.execute(
                "UPDATE ledger SET not_before_retry = NULL, ready_at = now() "
                "WHERE id IN (SELECT id FROM ledger WHERE workspace_id = ANY ($1) AND crm = $2 "
                "AND waiting = 'reconnect' AND (lease_until IS NULL OR lease_until <= now()) "
                "ORDER BY id FOR UPDATE)",
                list(workspace_ids),
                crm,
            )
        return int(status.split()[-1])

    async def distrust(self, before: datetime) -> int:
        """Say that the ledger came out of a backup, and may not know what was created until then.

        From now on a conversation that began before then is looked up in the CRM before anything
        is created for it, once per note and activity that has no id here; rows that are yet to be
        made included. Answers how many rows have no note's id.

        Raises:
            LedgerAway: PostgreSQL cannot answer, and nothing has changed.

        """
        async with self._transaction() as connection:
            await connection.execute("INSERT INTO ledger_distrust (before) VALUES ($1)", before)
            without = await connection.fetchval("SELECT count(*) FROM ledger WHERE note_id IS NULL")
        return int(without)

    def _woken_meanwhile(self, claim: Claim, result: Result, now: datetime) -> Result:
        """An attempt that began before the reconnect must not wait for it afterwards."""
        wait, key = result.wait, claim.row.key
        if wait is None or wait.waiting is not Waiting.RECONNECT:
            return result
        if self._woken.get((key.workspace_id, key.crm), 0.0) <= claim.claimed_on:
            return result
        return replace(result, wait=replace(wait, until=now))

    @asynccontextmanager
    async def _connection(
        self,
    ) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[Any]"]:
        async with connected(self._pool) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(
        self,
    ) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[Any]"]:
        async with self._connection() as connection, connection.transaction():
            yield connection


def _key_values(key: Key) -> tuple[str, str, str, str]:
    return key.workspace_id, key.conversation_id, key.crm, key.crm_account
