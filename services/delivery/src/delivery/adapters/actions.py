"""The `actions` table: what was pressed in the inbox app, under way or ended. Ids and times only.

An attempt is committed before the CRM is called, and its end in one transaction with the settled
event that follows from it: nothing lies between an action and its sync.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import asyncpg
from common.events import ConversationSettled

from delivery.action_ports import Begun
from delivery.adapters.changing import Fold, fold_all
from delivery.adapters.database import connected
from delivery.domain.acted import (
    Acted,
    ActionKey,
    Begin,
    Record,
    Standing,
    State,
    Wanted,
    doubted,
    press,
)
from delivery.domain.row import Key
from delivery.ports import LeaseLost, LedgerAway

_KEY: Final = "workspace_id = $1 AND conversation_id = $2 AND action_id = $3"
_COLUMNS: Final = """
    app, kind, person_id, state, asked_at, lease_token, lease_until, dark_until, reason,
    record_id, record_person_id, was_there, clock_timestamp() AS at,
    (SELECT max(before) FROM ledger_distrust) AS distrusted
"""
_READ: Final = f"SELECT {_COLUMNS} FROM actions WHERE {_KEY}"  # noqa: S608 - constants only
_NEW: Final = """
INSERT INTO actions (workspace_id, conversation_id, action_id, app, kind, person_id, actor_id,
                     crm_account, lease_token, lease_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + $10::interval)
ON CONFLICT DO NOTHING RETURNING asked_at, (SELECT max(before) FROM ledger_distrust) AS distrusted
"""
_TOLD: Final = """
INSERT INTO actions (workspace_id, conversation_id, action_id, app, kind, person_id, actor_id,
                     crm_account, lease_token, lease_until, state, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, '', gen_random_uuid(), clock_timestamp(), 'done', now())
ON CONFLICT DO NOTHING
"""
_SAME: Final = f"""
SELECT (app, kind, actor_id) = ($4, $5, $7) AND person_id IS NOT DISTINCT FROM $6
  FROM actions WHERE {_KEY}
"""  # noqa: S608 - constants only
_NOT_BEGUN: Final = f"DELETE FROM actions WHERE {_KEY}"  # noqa: S608 - constants only
_AGAIN: Final = f"""
UPDATE actions SET actor_id = $4, crm_account = $5, lease_token = $6, dark_until = $8,
       asked_at = $9, lease_until = clock_timestamp() + $7::interval, state = 'doing', reason = NULL
 WHERE {_KEY}
"""  # noqa: S608 - constants only
_DONE: Final = f"""
UPDATE actions SET state = 'done', record_id = $4, record_person_id = $5, was_there = $6,
       reason = NULL, finished_at = now()
 WHERE {_KEY}
"""  # noqa: S608 - constants only
_FAILED: Final = f"""
UPDATE actions SET state = 'failed', reason = $5, finished_at = now()
 WHERE {_KEY} AND lease_token = $4 AND state = 'doing'
"""  # noqa: S608 - constants only
_FORGET: Final = """
DELETE FROM actions WHERE (workspace_id, conversation_id, action_id) IN (
    SELECT workspace_id, conversation_id, action_id FROM actions
     WHERE lease_until < clock_timestamp() - $1::interval LIMIT 20000)
"""
_PUT_OFF: Final = f"""
UPDATE actions SET reason = $5, lease_until = least(lease_until, now()),
       dark_until = coalesce(now() + $6::interval, dark_until)
 WHERE {_KEY} AND lease_token = $4 AND state = 'doing'
"""  # noqa: S608 - constants only


class PostgresActions:
    """Implements ActionStore."""

    def __init__(self, pool: asyncpg.Pool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic

    async def read(self, key: ActionKey) -> tuple[Acted, datetime] | None:
        async with connected(self._pool) as connection:
            record = await connection.fetchrow(_READ, *_values(key))
        return None if record is None else (_acted(record, timedelta(0)), record["at"])

    async def begin(
        self,
        key: ActionKey,
        wanted: Wanted,
        *,
        actor_id: str,
        crm_account: str,
        lease: timedelta,
        visible_after: timedelta,
    ) -> Begun | Standing:
        token, began = uuid4(), self._monotonic()
        good_until = began + lease.total_seconds()
        acted: Acted | None
        async with connected(self._pool) as connection, connection.transaction():
            new = await connection.fetchrow(
                _NEW,
                *_values(key),
                wanted.app,
                wanted.kind,
                wanted.person_id,
                actor_id,
                crm_account,
                token,
                lease,
            )
            if new is None:
                known = await connection.fetchrow(f"{_READ} FOR UPDATE", *_values(key))
                if known is None:  # forgotten in this very moment: the next press finds none
                    raise LedgerAway("row_vanished")
                acted, now = _acted(known, lease), known["at"]
            else:
                acted, now = _lost(wanted, new, lease), new["asked_at"]
            verdict = press(acted, wanted, now, visible_after)
            if not isinstance(verdict, Begin):
                if new is not None:
                    await connection.execute(_NOT_BEGUN, *_values(key))
                return verdict
            if acted is None:
                return Begun(key, str(token), now, now, good_until)
            again = (actor_id, crm_account, token, lease, acted.unknown_until, acted.asked_at)
            await connection.execute(_AGAIN, *_values(key), *again)
        return Begun(key, str(token), acted.asked_at, now, good_until, again=verdict.again)

    async def told(self, key: ActionKey, told: Wanted, actor_id: str) -> bool:
        values = (*_values(key), told.app, told.kind, told.person_id, actor_id)
        async with connected(self._pool) as connection:
            await connection.execute(_TOLD, *values)
            return bool(await connection.fetchval(_SAME, *values))

    async def done(
        self, begun: Begun, record: Record, row: Key, event: ConversationSettled
    ) -> None:
        async with connected(self._pool) as connection, connection.transaction():
            kept = await connection.fetchrow(f"{_READ} FOR UPDATE", *_values(begun.key))
            if kept is None or str(kept["lease_token"]) != begun.token:
                raise LeaseLost
            if kept["state"] == State.DONE:  # an earlier commit whose answer was lost
                return
            await connection.execute(
                _DONE, *_values(begun.key), record.id, record.person_id, record.was_there
            )
            await fold_all(connection, [Fold(row, event, (kept["app"],))])

    async def forget(self, after: timedelta) -> int:
        """Delete what was last pressed longer ago than this; how many that were."""
        async with connected(self._pool) as connection:
            status = await connection.execute(_FORGET, after)
        return int(status.split()[-1])

    async def failed(self, begun: Begun, reason: str) -> None:
        async with connected(self._pool) as connection:
            await connection.execute(_FAILED, *_values(begun.key), begun.token, reason)

    async def put_off(self, begun: Begun, reason: str, dark_for: timedelta | None) -> None:
        async with connected(self._pool) as connection:
            await connection.execute(_PUT_OFF, *_values(begun.key), begun.token, reason, dark_for)


def _values(key: ActionKey) -> tuple[str, str, str]:
    return key.workspace_id, key.conversation_id, key.action_id


def _lost(wanted: Wanted, new: Any, lease: timedelta) -> Acted | None:
    """The row that a restore may have lost, and which the new one stands in for."""
    now, before = new["asked_at"], new["distrusted"]
    return None if before is None else doubted(None, wanted, now=now, before=before, lease=lease)


def _acted(record: Any, lease: timedelta) -> Acted:
    """As it was left, and after a restore as far as that can be trusted."""
    done = record["state"] == State.DONE
    acted = Acted(
        wanted=Wanted(record["app"], record["kind"], record["person_id"]),
        state=State(record["state"]),
        asked_at=record["asked_at"],
        lease_until=record["lease_until"],
        dark_until=record["dark_until"],
        reason=record["reason"],
        record=Record(record["record_id"], record["record_person_id"], record["was_there"])
        if done
        else None,
    )
    now, before = record["at"], record["distrusted"]
    if before is None:
        return acted
    return doubted(acted, acted.wanted, now=now, before=before, lease=lease) or acted
