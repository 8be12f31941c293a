"""The audit trail, read for the people it is about."""

import json

from settings.adapters.postgres.database import Database
from settings.ports.installations import AuditRow


class PostgresAudit:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, workspace_id: str, before: int | None, limit: int) -> list[AuditRow]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT id, at, actor, action, app, detail FROM audit WHERE workspace_id = $1"
                " AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
                workspace_id,
                before,
                limit,
            )
        return [AuditRow(**dict(row) | {"detail": json.loads(row["detail"])}) for row in rows]
