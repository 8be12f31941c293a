"""Authorizations under way, in PostgreSQL: kept by the hash of their state, taken once."""

from datetime import timedelta

from settings.adapters.keyring import Keyring, Place
from settings.adapters.postgres.database import Database
from settings.domain.authorizations import Authorization, Browser, Purpose, state_hash

_KEPT_AFTER_EXPIRY = timedelta(hours=1)  # long enough that a late person is told "expired"


class PostgresAuthorizations:
    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def keep(self, state: str, authorization: Authorization) -> None:
        name = state_hash(state)
        verifier, browser = authorization.verifier, authorization.browser
        async with self._database.transaction() as connection:
            await connection.execute(
                "DELETE FROM oauth_states WHERE expires_at < clock_timestamp() - $1::interval",
                _KEPT_AFTER_EXPIRY,
            )
            await connection.execute(
                "INSERT INTO oauth_states"
                " (state_hash, vendor, workspace_id, app, expires_at, verifier, purpose,"
                " session_key, teammate_id, account)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                name,
                authorization.vendor,
                authorization.workspace_id,
                authorization.app,
                authorization.expires_at,
                None if verifier is None else self._keyring.encrypt(verifier, _place(name)),
                authorization.purpose,
                None if browser is None else browser.session_key,
                None if browser is None else browser.teammate_id,
                authorization.account,
            )

    async def take(self, state: str) -> Authorization | None:
        name = state_hash(state)
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "DELETE FROM oauth_states WHERE state_hash = $1"
                " RETURNING vendor, workspace_id, app, expires_at, verifier, purpose, session_key,"
                " teammate_id, account",
                name,
            )
        if row is None:
            return None
        stored, session_key = row["verifier"], row["session_key"]
        return Authorization(
            vendor=row["vendor"],
            workspace_id=row["workspace_id"],
            app=row["app"],
            expires_at=row["expires_at"],
            verifier=None if stored is None else self._keyring.decrypt(stored, _place(name)),
            purpose=Purpose(row["purpose"]),
            browser=None if session_key is None else Browser(session_key, row["teammate_id"]),
            account=row["account"],
        )


def _place(name: str) -> Place:
    return Place(name, "oauth_state", "verifier")
