"""Installations in PostgreSQL: read by primary keys, changed in one transaction each."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.eligibility import Installation
from common.events import ConversationSettled, Trigger
from common.together import Together

from settings.adapters.postgres.database import Database
from settings.adapters.postgres.journal import announce, audit, bump
from settings.domain.installations import (
    AppUser,
    ConnectionState,
    InstalledApp,
    Options,
    Workspace,
)
from settings.ports.faults import NotInstalled, StoreUnavailable, UnknownWorkspace
from settings.ports.installations import Change

if TYPE_CHECKING:
    import asyncpg

    from settings.adapters.postgres.database import Connection

# One statement for one or many; every table is reached by its primary key. asyncpg prepares it
# once per connection.
_INSTALLATIONS = """
SELECT i.workspace_id, i.app, i.version, i.installed_at, i.transcript_sync, i.all_conversations,
       i.note_policy, i.activity_policy, i.activity_type,
       coalesce(i.time_zone, w.time_zone) AS time_zone,
       c.account_id AS crm_account,
       (c.state <> 'connected' OR t.state <> 'connected') AS reconnect_needed,
       ARRAY(SELECT u.teammate_id FROM app_users u
              WHERE u.workspace_id = i.workspace_id AND u.app = i.app AND NOT u.paused)
         AS active_app_users,
       ARRAY(SELECT u.teammate_id FROM app_users u
              WHERE u.workspace_id = i.workspace_id AND u.app = i.app AND u.paused)
         AS paused_app_users
  FROM unnest($1::text[], $2::text[]) AS asked (workspace_id, app)
  JOIN installations i USING (workspace_id, app)
  JOIN connections c USING (workspace_id, app)
  JOIN workspaces w USING (workspace_id)
  JOIN intercom_connections t USING (workspace_id)
 WHERE i.uninstalled_at IS NULL
"""

_LOOKS_AT_ONCE = 100

_WORKSPACES = """
SELECT w.workspace_id AS id, w.region, w.name, w.time_zone, w.admin_id, t.state AS intercom
  FROM workspaces w JOIN intercom_connections t USING (workspace_id)
"""

_APPS = """
SELECT i.app, i.version, i.installed_at, i.installed_by, i.transcript_sync, i.note_policy,
       i.all_conversations, i.time_zone, i.activity_policy, i.activity_type,
       c.account_id AS crm_account, c.api_base,
       c.state AS connection, c.warning,
       ARRAY(SELECT (u.teammate_id, u.paused) FROM app_users u
              WHERE u.workspace_id = i.workspace_id AND u.app = i.app ORDER BY u.teammate_id)
         AS app_users
  FROM installations i JOIN connections c USING (workspace_id, app)
 WHERE i.workspace_id = $1 AND ($2::text IS NULL OR i.app = $2) AND i.uninstalled_at IS NULL
 ORDER BY i.app
"""

# In an order that their references allow. What is left is the audit trail, which nobody can change:
# ids of teammates and apps, and when.
_OF_A_WORKSPACE = (
    "history",
    "forgotten_conversations",
    "workspace_updates",
    "notices",
    "session_teammates",
    "oauth_states",
    "app_users",
    "connections",
    "installations",
    "intercom_connections",
    "workspaces",
)

_LOCKED = """
SELECT transcript_sync, note_policy, all_conversations, time_zone, activity_policy, activity_type
  FROM installations
 WHERE workspace_id = $1 AND app = $2 AND uninstalled_at IS NULL FOR UPDATE
"""


class PostgresInstallations:
    def __init__(self, database: Database) -> None:
        self._database = database
        # Looks that come while one is under way go together in the next: under load a statement
        # carries many, and none is answered by one that was sent before it was asked.
        self._looks = Together(self._look, expected=StoreUnavailable, at_once=_LOOKS_AT_ONCE)

    async def installations(
        self, keys: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Installation]:
        return await self._looks(keys)

    async def _look(
        self, asked: Sequence[Sequence[tuple[str, str]]]
    ) -> list[Mapping[tuple[str, str], Installation]]:
        """What was found for all of them, to each."""
        keys = sorted({key for one in asked for key in one})
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _INSTALLATIONS, [key[0] for key in keys], [key[1] for key in keys]
            )
        found = {(row["workspace_id"], row["app"]): Installation(**dict(row)) for row in rows}
        return [found] * len(asked)

    async def workspaces(self, after: str = "", limit: int | None = None) -> list[Workspace]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f'{_WORKSPACES} WHERE w.workspace_id COLLATE "C" > $1'
                ' ORDER BY w.workspace_id COLLATE "C" LIMIT $2',
                after,
                limit,
            )
        return [_workspace(row) for row in rows]

    async def workspace(self, workspace_id: str) -> Workspace:
        async with self._database.connection() as connection:
            return await _workspace_of(connection, workspace_id)

    async def apps(self, workspace_id: str) -> list[InstalledApp]:
        async with self._database.connection() as connection:
            await _workspace_of(connection, workspace_id)
            rows = await connection.fetch(_APPS, workspace_id, None)
        return [_installed_app(row) for row in rows]

    async def app(self, workspace_id: str, app: str) -> InstalledApp:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_APPS, workspace_id, app)
        if row is None:
            raise NotInstalled
        return _installed_app(row)

    async def set_transcript_sync(
        self, workspace_id: str, app: str, on: bool, change: Change
    ) -> None:
        async with self._database.transaction() as connection:
            before = await _locked(connection, workspace_id, app)
            if before["transcript_sync"] == on:
                return
            await connection.execute(
                "UPDATE installations SET transcript_sync = $3"
                " WHERE workspace_id = $1 AND app = $2",
                workspace_id,
                app,
                on,
            )
            await audit(connection, change, "transcript_sync", workspace_id, app, on=on)
            await bump(connection, workspace_id, app, change)

    async def set_app_users(
        self, workspace_id: str, app: str, users: Sequence[AppUser], change: Change
    ) -> None:
        async with self._database.transaction() as connection:
            await _locked(connection, workspace_id, app)
            rows = await connection.fetch(
                "DELETE FROM app_users WHERE workspace_id = $1 AND app = $2"
                " RETURNING teammate_id, paused",
                workspace_id,
                app,
            )
            await add_app_users(connection, workspace_id, app, users)
            if {(row["teammate_id"], row["paused"]) for row in rows} == {
                (user.id, user.paused) for user in users
            }:
                return
            await audit(
                connection,
                change,
                "app_users",
                workspace_id,
                app,
                listed=sorted(user.id for user in users),
                paused=sorted(user.id for user in users if user.paused),
            )
            await bump(connection, workspace_id, app, change)

    async def set_options(
        self, workspace_id: str, app: str, options: Options, change: Change
    ) -> None:
        async with self._database.transaction() as connection:
            before = await _locked(connection, workspace_id, app)
            asked = {
                "note_policy": options.note_policy,
                "all_conversations": options.all_conversations,
                "time_zone": options.time_zone,
                "activity_policy": options.activity_policy,
                "activity_type": options.activity_type,
            }
            changed = {
                name: value
                for name, value in asked.items()
                if (value is not None or name in options.as_deployed) and value != before[name]
            }
            if not changed:
                return
            await connection.execute(
                "UPDATE installations SET note_policy = $3, all_conversations = $4,"
                " time_zone = $5, activity_policy = $6, activity_type = $7"
                " WHERE workspace_id = $1 AND app = $2",
                workspace_id,
                app,
                *(changed.get(name, before[name]) for name in asked),
            )
            # It was looked up: what was amiss with the former is over.
            if "activity_type" in changed:
                await connection.execute(
                    "UPDATE connections SET warning = NULL WHERE workspace_id = $1 AND app = $2",
                    workspace_id,
                    app,
                )
            await audit(connection, change, "options", workspace_id, app, **changed)
            await bump(connection, workspace_id, app, change)

    async def set_admin(self, workspace_id: str, teammate_id: str, change: Change) -> None:
        async with self._database.transaction() as connection:
            before = await connection.fetchval(
                "SELECT admin_id FROM workspaces WHERE workspace_id = $1 FOR UPDATE", workspace_id
            )
            if before is None:
                raise UnknownWorkspace
            if before == teammate_id:
                return
            await connection.execute(
                "UPDATE workspaces SET admin_id = $2 WHERE workspace_id = $1",
                workspace_id,
                teammate_id,
            )
            await audit(connection, change, "admin", workspace_id, before=before, now=teammate_id)

    async def uninstall(self, workspace_id: str, app: str, change: Change) -> None:
        async with self._database.transaction() as connection:
            await _locked(connection, workspace_id, app)
            await connection.execute(
                "UPDATE installations SET uninstalled_at = $3, transcript_sync = false"
                " WHERE workspace_id = $1 AND app = $2",
                workspace_id,
                app,
                change.at,
            )
            # Tokens live no longer than the consent they stand for.
            for table in ("connections", "app_users"):
                await connection.execute(
                    f"DELETE FROM {table} WHERE workspace_id = $1 AND app = $2",  # noqa: S608
                    workspace_id,
                    app,
                )
            await audit(connection, change, "uninstalled", workspace_id, app)
            await bump(connection, workspace_id, app, change)

    async def forget(self, workspace_id: str, change: Change) -> dict[str, int]:
        async with self._database.transaction() as connection:
            await connection.execute(
                "SELECT FROM workspaces WHERE workspace_id = $1 FOR UPDATE", workspace_id
            )
            await _workspace_of(connection, workspace_id)
            rows = await connection.fetch(
                "SELECT app FROM installations WHERE workspace_id = $1 FOR UPDATE", workspace_id
            )
            for row in rows:  # announced while there is still a version to count on
                await bump(connection, workspace_id, row["app"], change, forgotten=True)
            deleted = {}
            for table in _OF_A_WORKSPACE:
                status = await connection.execute(
                    f"DELETE FROM {table} WHERE workspace_id = $1",  # noqa: S608
                    workspace_id,
                )
                deleted[table] = int(status.rpartition(" ")[2])
            await audit(connection, change, "workspace_forgotten", workspace_id, None, **deleted)
        return deleted

    async def request_sync(
        self,
        workspace_id: str,
        conversation_id: str,
        app: str | None,
        action_id: str,
        change: Change,
    ) -> None:
        async with self._database.transaction() as connection:
            if app is None:
                await _workspace_of(connection, workspace_id)
            else:
                await _locked(connection, workspace_id, app)
            await audit(
                connection, change, "sync_now", workspace_id, app, conversation=conversation_id
            )
            await announce(
                connection,
                ConversationSettled(
                    workspace_id=workspace_id,
                    conversation_id=conversation_id,
                    trigger=Trigger.MANUAL,
                    app=app,
                    action_id=action_id,
                ),
            )

    async def note_asked(
        self, workspace_id: str, app: str | None, action: str, change: Change, **detail: Any
    ) -> None:
        async with self._database.transaction() as connection:
            await _workspace_of(connection, workspace_id)
            await audit(connection, change, action, workspace_id, app, **detail)


async def add_app_users(
    connection: "Connection", workspace_id: str, app: str, users: Sequence[AppUser]
) -> None:
    await connection.executemany(
        "INSERT INTO app_users (workspace_id, app, teammate_id, paused) VALUES ($1, $2, $3, $4)",
        [(workspace_id, app, user.id, user.paused) for user in users],
    )


async def _locked(connection: "Connection", workspace_id: str, app: str) -> "asyncpg.Record":
    """The installation, changed by nobody else until our transaction ends."""
    row = await connection.fetchrow(_LOCKED, workspace_id, app)
    if row is None:
        raise NotInstalled
    return row


async def _workspace_of(connection: "Connection", workspace_id: str) -> Workspace:
    row = await connection.fetchrow(f"{_WORKSPACES} WHERE w.workspace_id = $1", workspace_id)
    if row is None:
        raise UnknownWorkspace
    return _workspace(row)


def _workspace(row: "asyncpg.Record") -> Workspace:
    fields: dict[str, Any] = dict(row)
    return Workspace(**fields | {"intercom": ConnectionState(fields["intercom"])})


def _installed_app(row: "asyncpg.Record") -> InstalledApp:
    fields: dict[str, Any] = dict(row)
    return InstalledApp(
        **fields
        | {
            "connection": ConnectionState(fields["connection"]),
            "app_users": tuple(
                AppUser(id=user, paused=paused) for user, paused in row["app_users"]
            ),
        }
    )
