"""Deleting what is kept of a workspace or of some conversations.

An attempt that is under way finds its row gone, as if another replica had taken it, and undoes
what it created.
"""

from datetime import datetime

import asyncpg
from common.catalog import apps_of

from delivery.adapters.database import connected

_AT_ONCE = 2_000  # a statement of this size ends well within its time

# `answers` go with the row of the ledger that they belong to.
_WORKSPACE = {
    "ledger": "DELETE FROM ledger WHERE id IN"
    " (SELECT id FROM ledger WHERE workspace_id = $1 LIMIT $2)",
    "actions": "DELETE FROM actions WHERE ctid = ANY (ARRAY"
    " (SELECT ctid FROM actions WHERE workspace_id = $1 LIMIT $2))",
}
_CONVERSATIONS = {
    "ledger": "DELETE FROM ledger WHERE workspace_id = $1 AND conversation_id = ANY ($2)",
    "actions": "DELETE FROM actions WHERE workspace_id = $1 AND conversation_id = ANY ($2)",
}
_OLD_ROWS = "DELETE FROM ledger WHERE workspace_id = $1 AND crm = $2 AND created_at < $3"
_OLD_ACTIONS = "DELETE FROM actions WHERE workspace_id = $1 AND app = ANY ($2) AND asked_at < $3"
# Wherever a row may name a record: found, being written to, to be healed, or asked for.
_OF_RECORD = """
SELECT conversation_id FROM ledger
 WHERE workspace_id = $1 AND crm = $2
   AND (person_id = $3 OR $3 = ANY (heal_persons) OR unknown_write ->> 'person_id' = $3
        OR unknown_activity ->> 'person_id' = $3
        OR open_requests @> jsonb_build_array(jsonb_build_object(
               'person', jsonb_build_object('id', $3::text))))
UNION
SELECT conversation_id FROM actions
 WHERE workspace_id = $1 AND app = ANY ($4) AND (person_id = $3 OR record_person_id = $3)
"""


class PostgresForgetting:
    """Implements Forgetting and LeftoverStore."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def workspace(self, workspace_id: str) -> dict[str, int]:
        deleted = {}
        async with connected(self._pool) as connection:
            for table, statement in _WORKSPACE.items():
                deleted[table] = 0
                while count := _count(await connection.execute(statement, workspace_id, _AT_ONCE)):
                    deleted[table] += count
        return deleted

    async def now(self) -> datetime:
        async with connected(self._pool) as connection:
            at: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return at

    async def delete_leftovers(
        self, workspace_id: str, crm: str, before: datetime
    ) -> dict[str, int]:
        apps = [app.key for app in apps_of(crm)]
        async with connected(self._pool) as connection:
            rows = await connection.execute(_OLD_ROWS, workspace_id, crm, before)
            actions = await connection.execute(_OLD_ACTIONS, workspace_id, apps, before)
        return {"ledger": _count(rows), "actions": _count(actions)}

    async def conversations_of(self, workspace_id: str, crm: str, person_id: str) -> list[str]:
        apps = [app.key for app in apps_of(crm)]
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_OF_RECORD, workspace_id, crm, person_id, apps)
        return [row["conversation_id"] for row in rows]

    async def conversations(self, workspace_id: str, ids: list[str]) -> dict[str, int]:
        async with connected(self._pool) as connection, connection.transaction():
            return {
                table: _count(await connection.execute(statement, workspace_id, ids))
                for table, statement in _CONVERSATIONS.items()
            }


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
