"""History in PostgreSQL: what delivery reported, kept for a set time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from common.events import DeliveryOutcome, Trigger
from common.outcomes import Outcome

from settings.adapters.postgres.database import Database
from settings.domain.attention import LOOKED_AT, SILENCE, USUAL, Lately
from settings.domain.history import WRITTEN, AppSummary, Entry, Filter, Place

if TYPE_CHECKING:
    import asyncpg

    from settings.adapters.postgres.database import AnyConnection

_COLUMNS = (
    "outcome_id, conversation_id, app, crm_account, outcome, triggers, updated_at, person_id,"
    " note_id, reason, decided_at"
)

# Each part of the filter takes part only where it is set.
_WHERE = """
 WHERE workspace_id = $1
   AND ($2::text IS NULL OR app = $2)
   AND (cardinality($3::text[]) = 0 OR outcome = ANY ($3))
   AND ($4::timestamptz IS NULL OR decided_at >= $4)
   AND ($5::timestamptz IS NULL OR decided_at < $5)
   AND ($6::text IS NULL OR conversation_id = $6)
"""

_PAGE = f"""
SELECT {_COLUMNS} FROM history {_WHERE}
   AND ($7::timestamptz IS NULL OR (decided_at, outcome_id) < ($7, $8))
 ORDER BY decided_at DESC, outcome_id DESC LIMIT $9
"""  # noqa: S608 - constants alone

_CONVERSATIONS = f"""
SELECT app, array_agg(DISTINCT conversation_id) AS ids FROM history {_WHERE} GROUP BY app ORDER BY 1
"""  # noqa: S608 - constants alone

# Both by an index of their own, however long the history is.
_SUMMARY = """
SELECT i.app,
       (SELECT count(*) FROM history h
         WHERE h.workspace_id = i.workspace_id AND h.app = i.app
           AND h.decided_at >= $2 AND h.outcome = ANY ($3)) AS written_today,
       (SELECT max(h.decided_at) FROM history h
         WHERE h.workspace_id = i.workspace_id AND h.app = i.app
           AND h.outcome = 'failed') AS last_failure_at
  FROM installations i WHERE i.workspace_id = $1
"""


# By app: failures that nothing has mended since, the newest outcomes, and on how many days anything
# was reported. The windows keep each part to the index.
_LATELY = """
SELECT i.app,
       (SELECT count(*) FROM (
          SELECT DISTINCT ON (h.conversation_id) h.outcome FROM history h
           WHERE h.workspace_id = $1 AND h.app = i.app AND h.decided_at >= $2
           ORDER BY h.conversation_id, h.decided_at DESC) AS newest
         WHERE newest.outcome = 'failed') AS failures,
       ARRAY(SELECT h.outcome FROM history h WHERE h.workspace_id = $1 AND h.app = i.app
              ORDER BY h.decided_at DESC LIMIT $4) AS newest,
       (SELECT count(DISTINCT date_trunc('day', h.decided_at)) FROM history h
         WHERE h.workspace_id = $1 AND h.app = i.app
           AND h.decided_at >= $3 AND h.decided_at < $2) AS days
  FROM installations i WHERE i.workspace_id = $1 AND i.uninstalled_at IS NULL
"""


class PostgresHistory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, workspace_id: str, wanted: Filter, after: Place | None, limit: int
    ) -> list[Entry]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _PAGE,
                workspace_id,
                *_arguments(wanted),
                None if after is None else after.decided_at,
                None if after is None else after.outcome_id,
                limit,
            )
        return [_entry(row) for row in rows]

    async def conversations(self, workspace_id: str, wanted: Filter) -> dict[str, list[str]]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_CONVERSATIONS, workspace_id, *_arguments(wanted))
        return {row["app"]: row["ids"] for row in rows}

    async def summary(self, workspace_id: str, today: datetime) -> dict[str, AppSummary]:
        """By app; `today` is when the workspace's day began."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SUMMARY, workspace_id, today, sorted(WRITTEN))
        return {
            row["app"]: AppSummary(row["written_today"], row["last_failure_at"]) for row in rows
        }

    async def lately(self, workspace_id: str, now: datetime) -> dict[str, Lately]:
        day_ago = now - SILENCE
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _LATELY, workspace_id, day_ago, day_ago - USUAL, LOOKED_AT
            )
        return {
            row["app"]: Lately(row["failures"], list(map(Outcome, row["newest"])), row["days"])
            for row in rows
        }

    async def last_update_received(self, workspace_id: str) -> datetime | None:
        async with self._database.connection() as connection:
            at: datetime | None = await connection.fetchval(
                "SELECT received_at FROM workspace_updates WHERE workspace_id = $1", workspace_id
            )
        return at

    async def forget_before(self, at: datetime, forgotten_at: datetime) -> int:
        """Delete what is older, and what was forgotten before; how many of the first."""
        async with self._database.connection() as connection:
            await connection.execute(
                "DELETE FROM forgotten_conversations WHERE forgotten_at < $1", forgotten_at
            )
            status = await connection.execute(
                "DELETE FROM history WHERE outcome_id IN"
                " (SELECT outcome_id FROM history WHERE decided_at < $1 LIMIT 20000)",
                at,
            )
        return int(status.rpartition(" ")[2])

    async def conversations_of(
        self, workspace_id: str, apps: Sequence[str], person_id: str
    ) -> list[str]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT DISTINCT conversation_id FROM history"
                " WHERE workspace_id = $1 AND app = ANY ($2) AND person_id = $3",
                workspace_id,
                list(apps),
                person_id,
            )
        return [row["conversation_id"] for row in rows]

    async def forget_conversations(
        self, workspace_id: str, ids: Sequence[str], at: datetime
    ) -> int:
        """Also what is reported of them later, if it was decided by then."""
        async with self._database.transaction() as connection:
            # Whoever adds outcomes holds it too: they are done by now, or see what follows.
            await connection.execute(
                "SELECT FROM workspaces WHERE workspace_id = $1 FOR UPDATE", workspace_id
            )
            await connection.execute(
                "INSERT INTO forgotten_conversations AS f"
                " SELECT $1, unnest($2::text[]), $3"
                " ON CONFLICT (workspace_id, conversation_id)"
                " DO UPDATE SET forgotten_at = greatest(f.forgotten_at, excluded.forgotten_at)",
                workspace_id,
                list(ids),
                at,
            )
            status = await connection.execute(
                "DELETE FROM history WHERE workspace_id = $1 AND conversation_id = ANY ($2)",
                workspace_id,
                list(ids),
            )
        return int(status.rpartition(" ")[2])


async def add_outcomes(connection: "AnyConnection", outcomes: Sequence[DeliveryOutcome]) -> None:
    """Keep what is new of them, of workspaces that we know, and of what nobody had forgotten."""
    # Locked, or what is being forgotten right now would leave a line behind; in a statement of its
    # own, since only the next one sees what was waited for.
    await connection.execute(
        "SELECT FROM workspaces WHERE workspace_id = ANY ($1) ORDER BY workspace_id FOR KEY SHARE",
        list({one.workspace_id for one in outcomes}),
    )
    await connection.executemany(
        "INSERT INTO history (outcome_id, workspace_id, conversation_id, app, crm_account,"
        " outcome, triggers, updated_at, person_id, note_id, reason, decided_at)"
        " SELECT $1, w.workspace_id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12"
        " FROM workspaces w WHERE w.workspace_id = $2 AND NOT EXISTS ("
        "SELECT FROM forgotten_conversations f WHERE f.workspace_id = $2"
        " AND f.conversation_id = $3 AND f.forgotten_at >= $12)"
        " ON CONFLICT (outcome_id) DO NOTHING",
        [
            (
                one.outcome_id,
                one.workspace_id,
                one.conversation_id,
                one.app,
                one.crm_account,
                one.outcome,
                list(one.triggers),
                one.updated_at,
                one.person_id,
                one.note_id,
                one.reason,
                one.decided_at,
            )
            for one in outcomes
        ],
    )


async def note_updates(connection: "AnyConnection", received: Mapping[str, datetime]) -> None:
    """When something was last heard from each workspace; never moved back."""
    await connection.execute(
        "INSERT INTO workspace_updates AS u (workspace_id, received_at)"
        " SELECT w.workspace_id, heard.at FROM unnest($1::text[], $2::timestamptz[])"
        " AS heard (workspace_id, at) JOIN workspaces w USING (workspace_id)"
        " ORDER BY 1 FOR KEY SHARE OF w"
        " ON CONFLICT (workspace_id) DO UPDATE"
        " SET received_at = greatest(u.received_at, excluded.received_at)",
        list(received),
        list(received.values()),
    )


def _arguments(wanted: Filter) -> tuple[Any, ...]:
    return (
        wanted.app,
        sorted(wanted.outcomes),
        wanted.since,
        wanted.until,
        wanted.conversation_id,
    )


def _entry(row: "asyncpg.Record") -> Entry:
    fields: dict[str, Any] = dict(row)
    return Entry(
        **fields
        | {
            "outcome": Outcome(fields["outcome"]),
            "triggers": tuple(map(Trigger, fields["triggers"])),
        }
    )
