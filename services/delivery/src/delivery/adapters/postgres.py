"""The ledger in PostgreSQL: rows, claims with leases, and the outbox within the rows.

PostgreSQL's clock is the ledger's one clock: replicas whose own clocks differ still agree on what
is due, on whose lease has ended, and on when a write of unknown end must be visible.
"""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
from common.events import ConversationSettled, DeliveryOutcome

from delivery.adapters.claiming import look
from delivery.adapters.rows import (
    COLUMNS,
    answer_columns,
    answers_json,
    known_columns,
    request_columns,
    row_of,
)
from delivery.domain.answer import Result, finished
from delivery.domain.fold import Folded, fold, take_over, without
from delivery.domain.ready import ready_at
from delivery.domain.row import Key, Known, Request, Row, Waiting
from delivery.ports import Claim, LeaseLost, LedgerAway

STATEMENT_TIMEOUT_S = 10.0
# Looks of one claim, while there is too little to do in the workspaces that they went into.
_LOOKS_PER_CLAIM = 8

# With the row's own update, so that a finished attempt is still one statement.
_ANSWERED = """
WITH updated AS ({} RETURNING id, workspace_id)
INSERT INTO answers
SELECT id, app, workspace_id, outcome, reason, decided_at, through_at, through_part, request
  FROM updated CROSS JOIN jsonb_to_recordset(${}::jsonb) AS given (app text, outcome text,
       reason text, decided_at timestamptz, through_at timestamptz, through_part bigint,
       request jsonb)
    ON CONFLICT (ledger_id, app) DO UPDATE SET
       outcome = excluded.outcome, reason = excluded.reason, decided_at = excluded.decided_at,
       through_at = excluded.through_at, through_part = excluded.through_part,
       request = excluded.request
"""


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

    async def fold(self, key: Key, event: ConversationSettled, apps: tuple[str, ...]) -> Folded:
        async with self._transaction() as connection:
            row_id, row, now = await _locked_or_new(connection, key)
            folded = fold(row, event, apps, now)
            if folded.accepted:
                at = None if row.leased else ready_at(folded.row, now)
                await update_row(
                    connection,
                    row_id,
                    request_columns(folded.row) | ({} if row.leased else {"ready_at": at}),
                    folded.row.outcomes,
                )
        return folded

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
        columns = known_columns(known)
        names = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns, start=6))
        # Somebody else may have asked for a later look meanwhile.
        names = names.replace("heal_at = ", "heal_at = greatest(heal_at, ") + ")"
        key = claim.row.key
        async with self._connection() as connection:
            status = await connection.execute(
                f"UPDATE ledger SET {names} WHERE workspace_id = $1 AND conversation_id = $2 "  # noqa: S608 - our own column names
                "AND crm = $3 AND crm_account = $4 AND lease_token = $5",
                *_key_values(key),
                claim.token,
                *columns.values(),
            )
        if status != "UPDATE 1":
            raise LeaseLost

    async def finish(self, claim: Claim, result: Result) -> None:
        async with self._transaction() as connection:
            await self._finish(connection, claim, result)

    async def move(self, claim: Claim, to: Key, app: str, result: Result) -> None:
        async with self._transaction() as connection:
            # Rows are locked in one order everywhere, or two moves could wait for each other.
            await _lock_in_order(connection, claim.row.key, to)
            moving = await self._finish(connection, claim, result, leaving=app)
            row_id, row, now = await _locked_or_new(connection, to)
            taken_over = take_over(row, moving)
            at = {} if row.leased else {"ready_at": ready_at(taken_over, now)}
            await update_row(connection, row_id, request_columns(taken_over) | at, ())

    async def _finish(
        self,
        connection: "asyncpg.pool.PoolConnectionProxy[Any]",
        claim: Claim,
        result: Result,
        *,
        leaving: str | None = None,
    ) -> tuple[Request, ...]:
        """What is open for the app that the row is left without."""
        record = await connection.fetchrow(
            f"SELECT {COLUMNS} FROM ledger WHERE workspace_id = $1 AND conversation_id = $2 "  # noqa: S608 - constants only
            "AND crm = $3 AND crm_account = $4 AND lease_token = $5 FOR UPDATE",
            *_key_values(claim.row.key),
            claim.token,
        )
        if record is None:
            raise LeaseLost
        now: datetime = record["at"]
        asked = row_of(record)
        answered = finished(asked, self._woken_meanwhile(claim, result, now), now)
        kept, moving = (answered, ()) if leaving is None else without(answered, leaving)
        await update_row(
            connection,
            record["id"],
            answer_columns(kept)
            | {
                "ready_at": ready_at(kept, now),
                "lease_token": None,
                "lease_owner": None,
                "lease_until": None,
            },
            answered.outcomes,
            answers_json(asked, answered),
        )
        return moving

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

    async def wake(self, workspace_id: str, crm: str) -> int:
        self._woken[workspace_id, crm] = time.monotonic()
        async with self._connection() as connection:
            status = await connection.execute(
                "UPDATE ledger SET not_before_retry = NULL, ready_at = now() "
                "WHERE workspace_id = $1 AND crm = $2 AND waiting = 'reconnect' "
                "AND (lease_until IS NULL OR lease_until <= now())",
                workspace_id,
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


# What PostgreSQL may answer while it restarts, fails over, is full or not migrated yet.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says whose server died under it
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalServerError,
)


@asynccontextmanager
async def connected(
    pool: asyncpg.Pool,
) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[Any]"]:
    """A connection; whatever says that PostgreSQL cannot answer becomes LedgerAway."""
    try:
        connection = await pool.acquire(timeout=STATEMENT_TIMEOUT_S)
    except (*_AWAY, asyncpg.PostgresError) as error:  # no way in, for whatever reason
        raise LedgerAway(type(error).__name__) from error
    try:
        yield connection
    except _AWAY as error:
        raise LedgerAway(type(error).__name__) from error
    finally:
        # Its own failure says nothing that the statement's failure did not say.
        with suppress(*_AWAY):
            await pool.release(connection)


def _key_values(key: Key) -> tuple[str, str, str, str]:
    return key.workspace_id, key.conversation_id, key.crm, key.crm_account


async def _locked_or_new(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]", key: Key
) -> tuple[int, Row, datetime]:
    """The row, locked until the transaction ends, and the present instant."""
    select = (
        f"SELECT {COLUMNS} FROM ledger WHERE workspace_id = $1 AND conversation_id = $2 "  # noqa: S608 - constants only
        "AND crm = $3 AND crm_account = $4 FOR UPDATE"
    )
    record = await connection.fetchrow(select, *_key_values(key))
    if record is None:
        await connection.execute(
            "INSERT INTO ledger (workspace_id, conversation_id, crm, crm_account) "
            "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            *_key_values(key),
        )
        record = await connection.fetchrow(select, *_key_values(key))
    if record is None:  # rows are never deleted while their installation lives
        raise LedgerAway("row_vanished")
    return record["id"], row_of(record), record["at"]


async def _lock_in_order(connection: "asyncpg.pool.PoolConnectionProxy[Any]", *keys: Key) -> None:
    for key in sorted(keys, key=_key_values):
        await _locked_or_new(connection, key)


async def update_row(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]",
    row_id: int,
    columns: Mapping[str, object],
    outcomes: Iterable[DeliveryOutcome],
    answers: str = "[]",
) -> None:
    sent = [outcome.model_dump(mode="json", exclude_none=True) for outcome in outcomes]
    names = ", ".join(f"{name} = ${n}" for n, name in enumerate(columns, start=3))
    update = (
        f"UPDATE ledger SET {names}, outbox = outbox || $2::jsonb, "  # noqa: S608 - our own column names
        "outbox_due_at = CASE WHEN $2::jsonb = '[]' THEN outbox_due_at ELSE now() END "
        "WHERE id = $1"
    )
    given = (row_id, json.dumps(sent), *columns.values())
    if answers == "[]":
        await connection.execute(update, *given)
    else:
        await connection.execute(_ANSWERED.format(update, len(given) + 1), *given, answers)
