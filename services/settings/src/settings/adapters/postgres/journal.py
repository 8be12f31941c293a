"""What a change leaves behind in its own transaction: an audit row, and an event to be relayed."""

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from common.events import ConversationSettled, SettingsChanged

from settings.ports.installations import Change

if TYPE_CHECKING:
    from settings.adapters.postgres.database import Connection

# Only these two leave through the outbox; the relay reads them back under the same names.
OUTBOX_EVENTS: dict[str, type[SettingsChanged] | type[ConversationSettled]] = {
    event.type_name(): event for event in (SettingsChanged, ConversationSettled)
}


async def audit(
    connection: "Connection",
    change: Change,
    action: str,
    workspace_id: str,
    app: str | None = None,
    **detail: Any,
) -> None:
    """Append who did what; `detail` holds ids and switches, never a secret."""
    await connection.execute(
        "INSERT INTO audit (at, actor, action, workspace_id, app, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6::jsonb)",
        change.at,
        change.actor,
        action,
        workspace_id,
        app,
        json.dumps(detail),
    )


async def announce(connection: "Connection", event: SettingsChanged | ConversationSettled) -> None:
    await connection.execute(
        "INSERT INTO outbox (event_id, event_type, body) VALUES ($1, $2, $3::jsonb)",
        str(uuid4()),
        event.type_name(),
        event.to_json().decode(),
    )


async def bump(
    connection: "Connection",
    workspace_id: str,
    app: str,
    change: Change,
    *,
    forgotten: bool = False,
) -> None:
    """Count the change of this installation, and announce it.

    The version's row lock is held until the commit, so the outbox holds one installation's
    events in the order of their versions.
    """
    version = await connection.fetchval(
        "UPDATE installations SET version = version + 1"
        " WHERE workspace_id = $1 AND app = $2 RETURNING version",
        workspace_id,
        app,
    )
    await announce(
        connection,
        SettingsChanged(
            workspace_id=workspace_id,
            app=app,
            version=version,
            changed_at=change.at,
            forgotten=forgotten,
        ),
    )
