"""What became of a conversation, read from the ledger for people who ask."""

import json
from typing import Any

import asyncpg
from common.outcomes import SENTENCES, Outcome

from delivery.adapters.postgres import connected
from delivery.adapters.rows import COLUMNS, row_of
from delivery.domain.row import Row


class PostgresHistory:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def deliveries(self, workspace_id: str, conversation_id: str) -> list[dict[str, Any]]:
        """One entry per app and CRM account. Raises LedgerAway."""
        async with connected(self._pool) as connection:
            records = await connection.fetch(
                f"SELECT {COLUMNS}, latest, ready_at FROM ledger "  # noqa: S608 - constants only
                "WHERE workspace_id = $1 AND conversation_id = $2 ORDER BY crm, crm_account",
                workspace_id,
                conversation_id,
            )
        entries = []
        for record in map(dict, records):
            row, latest = row_of(record), json.loads(record["latest"])
            apps = sorted({*latest, *(request.app for request in row.requests)})
            entries += [_entry(row, app, latest.get(app), record["ready_at"]) for app in apps]
        return entries


def _entry(row: Row, app: str, outcome: dict[str, Any] | None, ready_at: Any) -> dict[str, Any]:
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
    if outcome is not None:
        entry["last"] = {
            "outcome": outcome["outcome"],
            "sentence": SENTENCES[Outcome(outcome["outcome"])],
            "reason": outcome.get("reason"),
            "triggers": outcome["triggers"],
            "updated_at": outcome.get("updated_at"),
            "part_id": outcome.get("part_id"),
            "decided_at": outcome["decided_at"],
        }
    if entry["open"]:
        entry["waiting"] = {
            "for": row.waiting or ("attempt" if row.leased else "worker"),
            "reason": row.reason,
            "until": ready_at.isoformat() if ready_at else None,
            "failed_attempts": row.attempts,
        }
    return entry
