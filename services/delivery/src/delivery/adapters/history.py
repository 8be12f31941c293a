"""What became of conversations, read from the ledger for people who ask."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from common.catalog import APPS
from common.outcomes import SENTENCES, Outcome

from delivery.adapters.database import connected
from delivery.adapters.rows import COLUMNS, row_of
from delivery.domain.row import Row, Waiting
from delivery.domain.selection import Place, Selection

_ROWS = f"SELECT {COLUMNS}, ready_at FROM ledger WHERE "  # noqa: S608 - constants only
_ANSWERS = """
SELECT ledger_id, app, outcome, reason, decided_at, through_at, through_part,
       request ->> 'trigger' AS trigger
  FROM answers WHERE ledger_id = ANY ($1::bigint[]) ORDER BY app
"""
# The newest of each app and outcome by the index alone, then the newest of those: as quick for a
# workspace with millions of answers, and for an outcome that is rare there, as for any other.
_LIST = """
SELECT found.* FROM unnest($2::text[]) AS a (app) CROSS JOIN unnest($3::text[]) AS o (outcome)
 CROSS JOIN LATERAL (
    SELECT ledger_id, app, outcome, reason, decided_at, through_at, through_part,
           request ->> 'trigger' AS trigger
      FROM answers x
     WHERE x.workspace_id = $1 AND x.app = a.app AND x.outcome = o.outcome
       AND x.decided_at >= coalesce($4::timestamptz, '-infinity')
       AND x.decided_at < coalesce($5::timestamptz, 'infinity')
       AND ($6::text IS NULL OR x.reason = $6)
       AND (x.decided_at, x.ledger_id, x.app)
         < (coalesce($7::timestamptz, 'infinity'), $8::bigint, $9::text)
     ORDER BY x.decided_at DESC, x.ledger_id DESC
     LIMIT $10) found
 ORDER BY found.decided_at DESC, found.ledger_id DESC, found.app DESC
 LIMIT $10
"""


class PostgresHistory:
    """Entries are as the API gives them out. Every method raises LedgerAway.

    Args:
        pool: may be unable to connect.
        held: why this replica does not try a CRM's rows of a workspace now, and for how many
            seconds more; None: it does.

    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        held: Callable[[str, str], tuple[str, float] | None] = lambda _crm, _workspace: None,
    ) -> None:
        self._pool = pool
        self._held = held

    async def deliveries(self, workspace_id: str, conversation_id: str) -> list[dict[str, Any]]:
        """One entry per app and CRM account."""
        async with connected(self._pool) as connection:
            records = await connection.fetch(
                f"{_ROWS} workspace_id = $1 AND conversation_id = $2 ORDER BY crm, crm_account",
                workspace_id,
                conversation_id,
            )
            answers = await connection.fetch(_ANSWERS, [record["id"] for record in records])
        entries = []
        for record in records:
            row = row_of(record)
            ended = {a["app"]: a for a in answers if a["ledger_id"] == record["id"]}
            apps = sorted({*ended, *(request.app for request in row.requests)})
            entries += [_entry(row, app, ended.get(app), record["ready_at"]) for app in apps]
            held = self._held(row.key.crm, workspace_id)
            if held is not None:
                for entry in entries[-len(apps) :]:
                    _hold(entry, *held, record["at"])
        return entries

    async def page(
        self, selection: Selection, after: Place | None, limit: int
    ) -> tuple[list[dict[str, Any]], Place | None]:
        """Of one workspace the entries that ended, newest first; where to go on, if there is more.

        Args:
            selection: names the workspace, and no conversation.
            after: the place that the page before ended with.
            limit: entries at most.

        """
        async with connected(self._pool) as connection:
            found = await connection.fetch(
                _LIST,
                selection.workspace_id,
                list(selection.apps or APPS),
                [outcome.value for outcome in selection.outcomes or Outcome],
                selection.since,
                selection.until,
                selection.reason,
                after.decided_at if after else None,
                after.ledger_id if after else 0,
                after.app if after else "",
                limit + 1,
            )
            ids = [answer["ledger_id"] for answer in found[:limit]]
            records = await connection.fetch(f"{_ROWS} id = ANY ($1::bigint[])", ids)
        rows = {record["id"]: record for record in records}
        entries = []
        for answer in found[:limit]:
            record = rows[answer["ledger_id"]]
            entry = _entry(row_of(record), answer["app"], answer, record["ready_at"])
            entries.append({"conversation_id": record["conversation_id"], **entry})
        last = found[limit - 1] if len(found) > limit else None
        more = Place(last["decided_at"], last["ledger_id"], last["app"]) if last else None
        return entries, more


def _entry(row: Row, app: str, answer: Mapping[str, Any] | None, ready_at: Any) -> dict[str, Any]:
    known = row.known
    entry: dict[str, Any] = {
        "app": app,
        "crm": row.key.crm,
        "crm_account": row.key.crm_account,
        "person_id": known.person_id,
        "note_id": known.note.id if known.note else None,
        "activity_id": known.activity.id if known.activity else None,
        "last": None,
        "open": [
            {"trigger": request.trigger, "asked_at": request.asked_at.isoformat()}
            for request in row.requests
            if request.app == app
        ],
        "waiting": None,
    }
    if answer is not None:
        entry["last"] = {
            "outcome": answer["outcome"],
            "sentence": SENTENCES[Outcome(answer["outcome"])],
            "reason": answer["reason"],
            "triggers": [answer["trigger"]],
            "updated_at": answer["through_at"] and int(answer["through_at"].timestamp()),
            "part_id": answer["through_part"],
            "decided_at": answer["decided_at"].isoformat(),
        }
    if entry["open"]:
        entry["waiting"] = {
            "for": row.waiting or ("attempt" if row.leased else "worker"),
            "reason": row.reason,
            "until": ready_at.isoformat() if ready_at else None,
            "failed_attempts": row.attempts,
        }
    return entry


def _hold(entry: dict[str, Any], reason: str, seconds: float, now: datetime) -> None:
    """It could be attempted, but what was learnt from others holds it back too."""
    waiting = entry["waiting"]
    if waiting is not None and waiting["for"] == "worker":
        until = now + timedelta(seconds=seconds)
        waiting |= {"for": Waiting.PAUSED, "reason": reason, "until": until.isoformat()}
