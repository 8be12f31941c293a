"""Statements over many ledger rows at once; their values travel as one JSON list of rows.

Whoever locks several rows locks them by ascending id, or two transactions could wait for each
other.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from common.events import DeliveryOutcome

from delivery.adapters.rows import COLUMNS, known_columns
from delivery.domain.row import Key, Known

_AS_JSON: Final = json.JSONEncoder(default=str).encode
_KEY: Final = ("workspace_id", "conversation_id", "crm", "crm_account")
_SAME_KEY: Final = " AND ".join(f"ledger.{name} = n.{name}" for name in _KEY)

# The rows of these keys.
LOCK: Final = f"""
SELECT {COLUMNS}, ready_at FROM ledger
 WHERE id IN (
    SELECT l.id FROM ledger l JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[])
        AS n(workspace_id, conversation_id, crm, crm_account)
     USING (workspace_id, conversation_id, crm, crm_account))
 ORDER BY id FOR UPDATE
"""  # noqa: S608 - constants only
NEW: Final = """
INSERT INTO ledger (workspace_id, conversation_id, crm, crm_account)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ORDER BY 1, 2, 3, 4
ON CONFLICT DO NOTHING
"""
ANSWERS: Final = """
INSERT INTO answers AS a
SELECT n.ledger_id, n.app, l.workspace_id, n.outcome, n.reason, n.decided_at, n.through_at,
       n.through_part, n.request
  FROM jsonb_populate_recordset(NULL::answers, $1::jsonb) AS n
  JOIN ledger l ON l.id = n.ledger_id
    ON CONFLICT (ledger_id, app) DO UPDATE SET
       outcome = excluded.outcome, reason = excluded.reason, decided_at = excluded.decided_at,
       through_at = excluded.through_at, through_part = excluded.through_part,
       request = excluded.request
"""


def key_columns(key: Key) -> dict[str, str]:
    return {name: getattr(key, name) for name in _KEY}


def key_of(record: Mapping[str, Any]) -> Key:
    return Key(*(record[name] for name in _KEY))


def keys_of(keys: Sequence[Key]) -> list[list[str]]:
    return [
        [key.workspace_id for key in keys],
        [key.conversation_id for key in keys],
        [key.crm for key in keys],
        [key.crm_account for key in keys],
    ]


def update(columns: Iterable[str]) -> str:
    """Set these columns by id, and append to the outbox."""
    names = ", ".join(f"{name} = n.{name}" for name in columns)
    return f"""
UPDATE ledger SET {names}, outbox = ledger.outbox || n.outbox,
       outbox_due_at = CASE WHEN n.outbox = '[]' THEN ledger.outbox_due_at ELSE now() END
  FROM jsonb_populate_recordset(NULL::ledger, $1::jsonb) AS n WHERE ledger.id = n.id
"""  # noqa: S608 - our own column names


def save() -> str:
    """Set what is known where the lease still is the one named; answers which rows that are."""
    names = [name for name in known_columns(Known()) if name != "heal_at"]
    columns = ", ".join(f"{name} = n.{name}" for name in names)
    # Somebody else may have asked for a later look meanwhile.
    return f"""
WITH n AS MATERIALIZED (SELECT * FROM jsonb_populate_recordset(NULL::ledger, $1::jsonb)),
locked AS MATERIALIZED (
    SELECT ledger.id FROM ledger JOIN n ON {_SAME_KEY} AND ledger.lease_token = n.lease_token
     ORDER BY ledger.id FOR UPDATE OF ledger)
UPDATE ledger SET {columns}, heal_at = greatest(ledger.heal_at, n.heal_at)
  FROM locked, n
 WHERE ledger.id = locked.id AND {_SAME_KEY} AND ledger.lease_token = n.lease_token
RETURNING {", ".join(f"ledger.{name}" for name in _KEY)}, ledger.lease_token
"""  # noqa: S608 - our own column names


def sent(outcomes: Iterable[DeliveryOutcome]) -> list[dict[str, Any]]:
    """Outcomes as they stand in the outbox."""
    return [outcome.model_dump(mode="json", exclude_none=True) for outcome in outcomes]


def as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    return _AS_JSON(rows)
