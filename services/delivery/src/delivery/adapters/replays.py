"""Answers that are meant by a selection: counted, and asked again in the ledger."""

import json
from datetime import datetime
from typing import Any

import asyncpg
from common.outcomes import SENTENCES, Outcome

from delivery.adapters.changing import update_rows
from delivery.adapters.database import connected
from delivery.adapters.rows import COLUMNS, request_columns, request_of, row_of
from delivery.domain.again import asked_again
from delivery.domain.ready import ready_at
from delivery.domain.selection import Selection
from delivery.ports import Replayed

# Conversations are named together with their workspace, the first value.
_OF_CONVERSATIONS = (
    "ledger_id IN (SELECT id FROM ledger"
    " WHERE workspace_id = $1 AND conversation_id = ANY (${}::text[]))"
)


class PostgresReplays:
    """Every method raises LedgerAway."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def counted(self, selection: Selection) -> list[dict[str, Any]]:
        """How many answers are meant, by app, outcome and reason, the most first."""
        where, given = _where(selection)
        async with connected(self._pool) as connection:
            records = await connection.fetch(
                "SELECT app, outcome, reason, count(*) AS count FROM answers "  # noqa: S608 - our own names
                f"WHERE {where} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
                *given,
            )
        return [dict(r) | {"sentence": SENTENCES[Outcome(r["outcome"])]} for r in records]

    async def now(self) -> datetime:
        """By the ledger's clock, as answers are dated."""
        async with connected(self._pool) as connection:
            at: datetime = await connection.fetchval("SELECT now()")
        return at

    async def ask_again(
        self, selection: Selection, after: tuple[int, str] | None, limit: int
    ) -> Replayed:
        """Open the requests behind these answers again, each in a transaction of its own.

        Args:
            selection: should end before now, or what fails again at once is replayed for ever.
            after: what an earlier call ended with.
            limit: answers to look at.

        """
        where, given = _where(selection)
        place = len(given)
        async with connected(self._pool) as connection:
            found = await connection.fetch(
                f"SELECT ledger_id, app, decided_at FROM answers WHERE {where} "  # noqa: S608 - our own names
                f"AND (ledger_id, app) > (${place + 1}::bigint, ${place + 2}::text) "
                f"ORDER BY ledger_id, app LIMIT ${place + 3}",
                *given,
                *(after or (0, "")),
                limit,
            )
            asked = already_open = 0
            for answer in found:
                async with connection.transaction():
                    opened = await _opened(connection, **dict(answer))
                asked += opened is True
                already_open += opened is False
        last = found[-1] if len(found) == limit else None
        return Replayed(asked, already_open, (last["ledger_id"], last["app"]) if last else None)


async def _opened(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]",
    ledger_id: int,
    app: str,
    decided_at: datetime,
) -> bool | None:
    """Whether it was asked again; None: it has been answered anew since it was found."""
    record = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM ledger WHERE id = $1 FOR UPDATE",  # noqa: S608 - constants only
        ledger_id,
    )
    request = await connection.fetchval(
        "SELECT request FROM answers WHERE ledger_id = $1 AND app = $2 AND decided_at = $3",
        ledger_id,
        app,
        decided_at,
    )
    if record is None or request is None:
        return None
    now: datetime = record["at"]
    row = asked_again(row_of(record), request_of(json.loads(request)), now)
    if row is None:
        return False
    through = row.answered_through
    columns = {
        **request_columns(row),
        "answered_through_at": through.updated_at if through else None,
        "answered_through_part": through.part_id if through else None,
    }
    if not row.leased:
        columns["ready_at"] = ready_at(row, now)
    await update_rows(connection, [{"id": ledger_id, **columns, "outbox": [], "answers": []}])
    return True


def _where(selection: Selection) -> tuple[str, list[object]]:
    """Conditions on `answers` and their values, only for what is given: so an index serves."""
    conditions: list[tuple[str, object]] = [
        ("workspace_id = ${}", selection.workspace_id),
        (_OF_CONVERSATIONS, list(selection.conversation_ids)),
        ("app = ANY (${}::text[])", list(selection.apps)),
        ("outcome = ANY (${}::text[])", [outcome.value for outcome in selection.outcomes]),
        ("reason = ${}", selection.reason),
        ("decided_at >= ${}", selection.since),
        ("decided_at < ${}", selection.until),
    ]
    asked = [(text, value) for text, value in conditions if value]
    texts = [text.format(number) for number, (text, _) in enumerate(asked, start=1)]
    return " AND ".join(texts) or "true", [value for _, value in asked]
