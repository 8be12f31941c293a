"""Sessions in PostgreSQL: kept by the hash of their id, so that each can be ended at once."""

from datetime import datetime
from typing import TYPE_CHECKING

from settings.adapters.postgres.database import Database
from settings.domain.authorizations import STATE_LIFETIME
from settings.domain.sessions import Lifetimes, Session

if TYPE_CHECKING:
    from settings.adapters.postgres.database import Connection

_FIND = """
SELECT s.created_at, s.seen_at,
       ARRAY(SELECT (t.workspace_id, t.teammate_id) FROM session_teammates t
              WHERE t.session_key = s.session_key ORDER BY t.workspace_id) AS teammates
  FROM sessions s WHERE s.session_key = $1
"""

# Those of people who never signed in, and those that are over: nobody comes back for them.
_SWEEP = """
DELETE FROM sessions s
 WHERE s.seen_at < $1 OR s.created_at < $2
    OR (s.created_at < $3 AND NOT EXISTS
        (SELECT FROM session_teammates t WHERE t.session_key = s.session_key))
"""


class PostgresSessions:
    def __init__(self, database: Database, lifetimes: Lifetimes) -> None:
        self._database = database
        self._lifetimes = lifetimes

    async def find(self, key: str) -> Session | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, key)
        if row is None:
            return None
        return Session(key, row["created_at"], row["seen_at"], dict(row["teammates"]))

    async def create(self, session: Session, replaces: str | None) -> None:
        async with self._database.transaction() as connection:
            await self._sweep(connection, session.seen_at)
            if replaces is not None:
                await connection.execute("DELETE FROM sessions WHERE session_key = $1", replaces)
            await connection.execute(
                "INSERT INTO sessions (session_key, created_at, seen_at) VALUES ($1, $2, $3)",
                session.key,
                session.created_at,
                session.seen_at,
            )
            await connection.executemany(
                "INSERT INTO session_teammates (session_key, workspace_id, teammate_id)"
                " VALUES ($1, $2, $3)",
                [(session.key, *pair) for pair in session.teammates.items()],
            )

    async def seen(self, key: str, at: datetime) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE sessions SET seen_at = $2 WHERE session_key = $1", key, at
            )

    async def end(self, key: str) -> None:
        async with self._database.connection() as connection:
            await connection.execute("DELETE FROM sessions WHERE session_key = $1", key)

    async def _sweep(self, connection: "Connection", now: datetime) -> None:
        await connection.execute(
            _SWEEP,
            now - self._lifetimes.idle,
            now - self._lifetimes.absolute,
            now - STATE_LIFETIME,
        )
