"""Ledger rows locked, folded into and written back, within a transaction of the caller's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from common.events import ConversationSettled

from delivery.adapters import many
from delivery.adapters.rows import answer_columns, answer_rows, request_columns, row_of
from delivery.domain.fold import Folded, fold
from delivery.domain.ready import ready_at
from delivery.domain.row import Key, Row
from delivery.ports import LedgerAway


@dataclass(frozen=True, slots=True)
class Fold:
    key: Key
    event: ConversationSettled
    apps: tuple[str, ...]


async def fold_all(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]", asked: Sequence[Fold]
) -> list[Folded]:
    """Take events in, within a transaction of the caller's."""
    keys = list(dict.fromkeys(fold.key for fold in asked))
    records = await locked_or_new(connection, keys)
    rows = {key: row_of(record) for key, record in records.items()}
    answers: list[Folded] = []
    changed: dict[Key, None] = {}
    for one in asked:
        folded = fold(rows[one.key], one.event, one.apps, records[one.key]["at"])
        answers.append(folded)
        if folded.accepted:
            rows[one.key] = folded.row
            changed[one.key] = None
    await update_rows(connection, [folded_columns(records[key], rows[key]) for key in changed])
    return answers


async def locked_or_new(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]", keys: Sequence[Key]
) -> dict[Key, Mapping[str, Any]]:
    """The rows of these keys, made where there are none, locked until the transaction ends."""
    records = await locked(connection, keys)
    if len(records) < len(keys):
        await connection.execute(many.NEW, *many.keys_of(keys))
        records = await locked(connection, keys)
    if len(records) < len(keys):  # rows are never deleted while their installation lives
        raise LedgerAway("row_vanished")
    return records


async def locked(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]", keys: Sequence[Key]
) -> dict[Key, Mapping[str, Any]]:
    """The rows of these keys that are there, locked until the transaction ends."""
    records = await connection.fetch(many.LOCK, *many.keys_of(keys))
    return {many.key_of(record): record for record in records}


def folded_columns(record: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """A leased row becomes ready when its attempt ends."""
    return {
        "id": record["id"],
        **request_columns(row),
        "ready_at": record["ready_at"] if row.leased else ready_at(row, record["at"]),
        "outbox": many.sent(row.outcomes),
        "answers": [],
    }


def finished_columns(row_id: int, asked: Row, row: Row, now: datetime) -> dict[str, Any]:
    return {
        "id": row_id,
        **answer_columns(row),
        "ready_at": ready_at(row, now),
        "lease_token": None,
        "lease_owner": None,
        "lease_until": None,
        "outbox": many.sent(row.outcomes),
        "answers": answer_rows(asked, row),
    }


async def update_rows(
    connection: "asyncpg.pool.PoolConnectionProxy[Any]", rows: Sequence[Mapping[str, Any]]
) -> None:
    """Each with its id, the same columns, and what goes into `outbox` and `answers`."""
    if not rows:
        return
    columns = [name for name in rows[0] if name not in ("id", "outbox", "answers")]
    await connection.execute(many.update(columns), many.as_json(rows))
    answers = [{**answer, "ledger_id": row["id"]} for row in rows for answer in row["answers"]]
    if answers:
        await connection.execute(many.ANSWERS, many.as_json(answers))
