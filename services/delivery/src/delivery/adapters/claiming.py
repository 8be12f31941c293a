"""Which ready rows a worker gets: fair across workspaces, and as quick with ten million rows.

A loose scan: one index probe per workspace that has anything to do, now or later, then its oldest
ready rows. So a workspace with a million ready rows costs a claim as much as one with a single row,
and rows that rest cost nothing: they are not in the index.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from delivery.adapters.rows import COLUMNS

# How many workspaces one look goes into; the next one goes on behind the last of them.
WORKSPACES_PER_LOOK = 256

_SPACES = """
    (SELECT workspace_id FROM ledger
      WHERE crm = $1 AND ready_at IS NOT NULL AND workspace_id > $2
      ORDER BY workspace_id LIMIT 1)
    UNION ALL
    SELECT (SELECT l.workspace_id FROM ledger l
             WHERE l.crm = $1 AND l.ready_at IS NOT NULL AND l.workspace_id > s.workspace_id
             ORDER BY l.workspace_id LIMIT 1)
      FROM {name} s WHERE s.workspace_id IS NOT NULL
"""
# How far it came is asked only where too little was found: each of the two scans is as lazy as its
# reader, and one that both read would always go through all workspaces.
_LOOK = f"""
WITH RECURSIVE spaces AS ({_SPACES.format(name="spaces")}
), visited AS (
    SELECT workspace_id FROM spaces WHERE workspace_id IS NOT NULL LIMIT {WORKSPACES_PER_LOOK}
), picked AS (
    SELECT l.id, l.abandoned FROM visited v CROSS JOIN LATERAL (
        SELECT id, lease_token IS NOT NULL AS abandoned FROM ledger
         WHERE crm = $1 AND workspace_id = v.workspace_id AND ready_at <= now()
         ORDER BY ready_at
         LIMIT greatest(0, $4 - coalesce(
               (SELECT r.n FROM unnest($5::text[], $6::int[]) AS r(w, n)
                 WHERE r.w = v.workspace_id), 0))
           FOR UPDATE SKIP LOCKED
    ) l LIMIT $3
), claimed AS (
    UPDATE ledger SET
        taken = wanted, lease_token = $7, lease_owner = $8,
        lease_until = now() + $9::interval, ready_at = now() + $9::interval
      FROM picked WHERE ledger.id = picked.id
    RETURNING picked.abandoned, {COLUMNS.replace(" id,", " ledger.id,", 1)}
), again AS ({_SPACES.format(name="again")}
), passed AS (
    SELECT workspace_id FROM again WHERE workspace_id IS NOT NULL LIMIT {WORKSPACES_PER_LOOK}
)
SELECT claimed.*,
       CASE WHEN (SELECT count(*) FROM claimed) < $3
            THEN (SELECT CASE WHEN count(*) = {WORKSPACES_PER_LOOK} THEN max(workspace_id) END
                    FROM passed) END AS more_after
  FROM (VALUES (1)) AS always LEFT JOIN claimed ON true
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Look:
    records: list[Any]  # claimed: `COLUMNS`, and whether the attempt before gave no result
    more_after: str | None  # too little was found, and more workspaces lie behind this one


async def look(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]",
    *,
    crm: str,
    after: str,
    limit: int,
    share: int,
    running: Mapping[str, int],
    token: UUID,
    owner: str,
    lease: timedelta,
) -> Look:
    """Claim ready rows of the workspaces behind `after`; one statement."""
    records = await connection.fetch(
        _LOOK, crm, after, limit, share, list(running), list(running.values()), token, owner, lease
    )
    claimed = [record for record in records if record["id"] is not None]
    return Look(claimed, records[0]["more_after"])
