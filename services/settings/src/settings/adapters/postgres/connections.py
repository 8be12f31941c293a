"""Tokens in PostgreSQL: encrypted in place, replaced by one replica at a time.

Why a lease column and not a row lock held over the vendor's call: a vendor that hangs would hold
one database connection per customer for the whole deadline, until the pool is empty and every
other workspace waits too. The lease is claimed and given back in single statements; between them
nothing is open. Lease times are PostgreSQL's, so replicas' clocks do not matter.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from settings.adapters.keyring import Keyring, Place
from settings.adapters.postgres.database import Database
from settings.adapters.postgres.installations import add_app_users
from settings.adapters.postgres.journal import audit, bump
from settings.domain.installations import (
    AppUser,
    Connecting,
    ConnectionState,
    Workspace,
    connecting,
)
from settings.domain.tokens import Tokens
from settings.ports.connections import CrmConnection, CrmGrant, IntercomConnection, IntercomMe
from settings.ports.faults import NotInstalled, UnknownWorkspace
from settings.ports.installations import Change

if TYPE_CHECKING:
    import asyncpg

    from settings.adapters.postgres.database import Connection

_CRM_COLUMNS = (
    "account_id, user_id, api_base, access_token, refresh_token, obtained_at, expires_at, state,"
    " token_version"
)
_INTERCOM = "intercom"  # stands in the place of the app where the token is the workspace's own


class PostgresConnections:
    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def save_workspace(self, me: IntercomMe, access_token: str, change: Change) -> str:
        stored = self._keyring.encrypt(access_token, _intercom_place(me.workspace_id))
        async with self._database.transaction() as connection:
            # admin_id is set once: the admin is whoever installed first.
            row = await connection.fetchrow(
                "INSERT INTO workspaces (workspace_id, region, name, time_zone, admin_id)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace_id) DO UPDATE"
                " SET region = excluded.region, name = excluded.name,"
                " time_zone = excluded.time_zone RETURNING admin_id, xmax = 0 AS created",
                me.workspace_id,
                me.region,
                me.name,
                me.time_zone,
                me.admin_id,
            )
            assert row is not None  # noqa: S101 - the upsert always returns its row
            await connection.execute(
                "INSERT INTO intercom_connections"
                " (workspace_id, access_token, authorised_by, authorised_at, state)"
                " VALUES ($1, $2, $3, $4, 'connected') ON CONFLICT (workspace_id) DO UPDATE"
                " SET access_token = excluded.access_token, authorised_by = excluded.authorised_by,"
                " authorised_at = excluded.authorised_at, state = 'connected'",
                me.workspace_id,
                stored,
                me.admin_id,
                change.at,
            )
            action = "workspace_installed" if row["created"] else "workspace_reconnected"
            await audit(connection, change, action, me.workspace_id)
            await _bump_all(connection, me.workspace_id, change)
            admin_id: str = row["admin_id"]
            return admin_id

    async def connect(
        self, workspace_id: str, app: str, grant: CrmGrant, change: Change
    ) -> Connecting:
        async with self._database.transaction() as connection:
            # The workspace's row lock lets one of two first installations go ahead of the other.
            admin_id = await connection.fetchval(
                "SELECT admin_id FROM workspaces WHERE workspace_id = $1 FOR UPDATE", workspace_id
            )
            if admin_id is None:
                raise UnknownWorkspace
            row = await connection.fetchrow(
                "SELECT uninstalled_at IS NULL AS installed FROM installations"
                " WHERE workspace_id = $1 AND app = $2 FOR UPDATE",
                workspace_id,
                app,
            )
            kind = connecting(known=row is not None, installed=row is not None and row["installed"])
            if kind is not Connecting.RECONNECTED:
                await _install(connection, workspace_id, app, admin_id, change)
            await self._put_connection(connection, workspace_id, app, grant)
            await audit(connection, change, kind, workspace_id, app, crm_account=grant.account_id)
            await bump(connection, workspace_id, app, change)
        return kind

    async def _put_connection(
        self, connection: "Connection", workspace_id: str, app: str, grant: CrmGrant
    ) -> None:
        access, refresh = self._sealed(workspace_id, app, grant.tokens)
        await connection.execute(
            f"INSERT INTO connections AS c (workspace_id, app, {_CRM_COLUMNS}, warning)"  # noqa: S608
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'connected', 1, $10)"
            " ON CONFLICT (workspace_id, app) DO UPDATE SET account_id = excluded.account_id,"
            " user_id = excluded.user_id, api_base = excluded.api_base, warning = excluded.warning,"
            " access_token = excluded.access_token, refresh_token = excluded.refresh_token,"
            " obtained_at = excluded.obtained_at, expires_at = excluded.expires_at,"
            " state = 'connected', token_version = c.token_version + 1,"
            " lease_holder = NULL, lease_until = NULL",
            workspace_id,
            app,
            grant.account_id,
            grant.user_id,
            grant.api_base,
            access,
            refresh,
            grant.tokens.obtained_at,
            grant.tokens.expires_at,
            grant.warning,
        )

    async def crm_connection(self, workspace_id: str, app: str) -> CrmConnection:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"SELECT {_CRM_COLUMNS} FROM connections"  # noqa: S608
                " WHERE workspace_id = $1 AND app = $2",
                workspace_id,
                app,
            )
        if row is None:
            raise NotInstalled
        return self._crm_connection(workspace_id, app, row)

    async def connected_to(
        self, apps: Sequence[str], account_id: str, user_id: str | None = None
    ) -> list[tuple[str, str]]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT workspace_id, app FROM connections WHERE app = ANY($1)"
                " AND account_id = $2 AND ($3::text IS NULL OR user_id = $3)"
                " ORDER BY workspace_id, app",
                list(apps),
                account_id,
                user_id,
            )
        return [(row["workspace_id"], row["app"]) for row in rows]

    async def obtained_before(self, before: datetime) -> list[tuple[str, str]]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT workspace_id, app FROM connections"
                " WHERE state = 'connected' AND obtained_at < $1 ORDER BY obtained_at LIMIT 500",
                before,
            )
        return [(row["workspace_id"], row["app"]) for row in rows]

    async def claim_refresh(
        self, workspace_id: str, app: str, claimant: str, lease: timedelta
    ) -> CrmConnection | None:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "UPDATE connections SET lease_holder = $3,"  # noqa: S608
                " lease_until = clock_timestamp() + $4"
                " WHERE workspace_id = $1 AND app = $2"
                " AND (lease_until IS NULL OR lease_until < clock_timestamp())"
                f" RETURNING {_CRM_COLUMNS}",
                workspace_id,
                app,
                claimant,
                lease,
            )
        return None if row is None else self._crm_connection(workspace_id, app, row)

    async def save_refreshed(
        self, workspace_id: str, app: str, claimant: str, seen_version: int, tokens: Tokens
    ) -> bool:
        access, refresh = self._sealed(workspace_id, app, tokens)
        async with self._database.connection() as connection:
            saved = await connection.fetchval(
                "UPDATE connections SET access_token = $4, refresh_token = $5, obtained_at = $6,"
                " expires_at = $7, token_version = token_version + 1, state = 'connected',"
                " lease_holder = CASE WHEN lease_holder = $3 THEN NULL ELSE lease_holder END,"
                " lease_until = CASE WHEN lease_holder = $3 THEN NULL ELSE lease_until END"
                " WHERE workspace_id = $1 AND app = $2 AND token_version = $8 RETURNING true",
                workspace_id,
                app,
                claimant,
                access,
                refresh,
                tokens.obtained_at,
                tokens.expires_at,
                seen_version,
            )
        return bool(saved)

    async def release_refresh(self, workspace_id: str, app: str, claimant: str) -> None:
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE connections SET lease_holder = NULL, lease_until = NULL"
                " WHERE workspace_id = $1 AND app = $2 AND lease_holder = $3",
                workspace_id,
                app,
                claimant,
            )

    async def mark_crm_dead(
        self, workspace_id: str, app: str, claimant: str, seen_version: int, change: Change
    ) -> None:
        async with self._database.transaction() as connection:
            # Always the installation first: the order in which every change locks.
            await connection.execute(
                "SELECT FROM installations WHERE workspace_id = $1 AND app = $2 FOR UPDATE",
                workspace_id,
                app,
            )
            marked = await connection.fetchval(
                "UPDATE connections SET state = 'reconnect_needed', lease_holder = NULL,"
                " lease_until = NULL WHERE workspace_id = $1 AND app = $2 AND lease_holder = $3"
                " AND token_version = $4 AND state = 'connected' RETURNING true",
                workspace_id,
                app,
                claimant,
                seen_version,
            )
            if marked:
                await audit(connection, change, "reconnect_needed", workspace_id, app)
                await bump(connection, workspace_id, app, change)

    async def intercom_connection(self, workspace_id: str) -> IntercomConnection:
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT w.region, w.name, w.time_zone, w.admin_id, t.access_token, t.state"
                " FROM workspaces w JOIN intercom_connections t USING (workspace_id)"
                " WHERE workspace_id = $1",
                workspace_id,
            )
        if row is None:
            raise UnknownWorkspace
        return IntercomConnection(
            workspace=Workspace(
                id=workspace_id,
                region=row["region"],
                name=row["name"],
                time_zone=row["time_zone"],
                admin_id=row["admin_id"],
                intercom=ConnectionState(row["state"]),
            ),
            access_token=self._keyring.decrypt(row["access_token"], _intercom_place(workspace_id)),
        )

    async def mark_intercom_dead(
        self, workspace_id: str, refused_token: str, change: Change
    ) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(
                "SELECT FROM workspaces WHERE workspace_id = $1 FOR UPDATE", workspace_id
            )
            row = await connection.fetchrow(
                "SELECT access_token, state FROM intercom_connections WHERE workspace_id = $1",
                workspace_id,
            )
            if row is None or row["state"] != ConnectionState.CONNECTED:
                return
            # A reconnect may have stored a living token since the refused one was read.
            stored = self._keyring.decrypt(row["access_token"], _intercom_place(workspace_id))
            if stored != refused_token:
                return
            await connection.execute(
                "UPDATE intercom_connections SET state = 'reconnect_needed'"
                " WHERE workspace_id = $1",
                workspace_id,
            )
            await audit(connection, change, "workspace_reconnect_needed", workspace_id)
            await _bump_all(connection, workspace_id, change)

    def _sealed(self, workspace_id: str, app: str, tokens: Tokens) -> tuple[str, str]:
        encrypt = self._keyring.encrypt
        return (
            encrypt(tokens.access_token, Place(workspace_id, app, "access_token")),
            encrypt(tokens.refresh_token, Place(workspace_id, app, "refresh_token")),
        )

    def _crm_connection(self, workspace_id: str, app: str, row: "asyncpg.Record") -> CrmConnection:
        decrypt = self._keyring.decrypt
        return CrmConnection(
            tokens=Tokens(
                access_token=decrypt(row["access_token"], Place(workspace_id, app, "access_token")),
                refresh_token=decrypt(
                    row["refresh_token"], Place(workspace_id, app, "refresh_token")
                ),
                obtained_at=row["obtained_at"],
                expires_at=row["expires_at"],
            ),
            account_id=row["account_id"],
            user_id=row["user_id"],
            api_base=row["api_base"],
            state=ConnectionState(row["state"]),
            token_version=row["token_version"],
        )


def _intercom_place(workspace_id: str) -> Place:
    return Place(workspace_id, _INTERCOM, "access_token")


async def _install(
    connection: "Connection", workspace_id: str, app: str, admin_id: str, change: Change
) -> None:
    """Afresh, whatever was here before an uninstall; the version alone goes on counting."""
    await connection.execute(
        "INSERT INTO installations (workspace_id, app, installed_at, installed_by)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (workspace_id, app) DO UPDATE"
        " SET installed_at = excluded.installed_at, installed_by = excluded.installed_by,"
        " transcript_sync = DEFAULT, note_policy = DEFAULT, all_conversations = DEFAULT,"
        " time_zone = NULL, activity_policy = NULL, activity_type = NULL, uninstalled_at = NULL",
        workspace_id,
        app,
        change.at,
        admin_id,
    )
    await add_app_users(connection, workspace_id, app, [AppUser(admin_id)])


async def _bump_all(connection: "Connection", workspace_id: str, change: Change) -> None:
    rows = await connection.fetch(
        "SELECT app FROM installations WHERE workspace_id = $1 AND uninstalled_at IS NULL"
        " ORDER BY app FOR UPDATE",
        workspace_id,
    )
    for row in rows:
        await bump(connection, workspace_id, row["app"], change)
