"""What an admin has to be told: one row as long as the matter lasts."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from settings.adapters.postgres.database import Database
from settings.domain.attention import Attention
from settings.domain.installations import Workspace
from settings.ports.people import Notice

_LOCK = 7_451_100_830_004


class PostgresNotices:
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        async with self._database.alone(_LOCK) as connection:
            yield connection is not None

    async def keep(
        self, workspace: Workspace, matters: Sequence[Attention], at: datetime
    ) -> list[Notice]:
        about = {(one.matter.value, one.app or ""): one for one in matters}
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM notices WHERE workspace_id = $1 AND (matter, app) NOT IN"
                " (SELECT * FROM unnest($2::text[], $3::text[]))",
                workspace.id,
                [matter for matter, _ in about],
                [app for _, app in about],
            )
            await connection.executemany(
                "INSERT INTO notices (workspace_id, matter, app, since) VALUES ($1, $2, $3, $4)"
                " ON CONFLICT DO NOTHING",
                [(workspace.id, *key, at) for key in about],
            )
            rows = await connection.fetch(
                "SELECT matter, app, since, told_by FROM notices WHERE workspace_id = $1",
                workspace.id,
            )
        return [
            Notice(
                workspace,
                about[row["matter"], row["app"]],
                row["since"],
                frozenset(row["told_by"]),
            )
            for row in rows
        ]

    async def told(self, notice: Notice, by: str) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE notices SET told_by = array_append(told_by, $4)"
                " WHERE workspace_id = $1 AND matter = $2 AND app = $3",
                notice.workspace.id,
                notice.attention.matter.value,
                notice.attention.app or "",
                by,
            )
