"""Moving every stored token to the newest key, while the service runs.

Each row is written only if it still holds what was read, so a refresh in between wins, and it has
used the newest key anyway. When nothing is left, the old key may leave the ring.
"""

from dataclasses import dataclass

from settings.adapters.keyring import Keyring, Place
from settings.adapters.postgres.database import Database
from settings.ports.faults import TokenUnreadable

_BATCH = 500

_OLD = """
SELECT workspace_id, app, field, stored FROM (
    SELECT workspace_id, app, 'access_token' AS field, access_token AS stored FROM connections
    UNION ALL
    SELECT workspace_id, app, 'refresh_token', refresh_token FROM connections
    UNION ALL
    SELECT workspace_id, 'intercom', 'access_token', access_token FROM intercom_connections
) AS every WHERE NOT starts_with(stored, $1) AND (workspace_id, app, field) > ($3, $4, $5)
ORDER BY workspace_id, app, field LIMIT $2
"""

_WRITES = {
    "access_token": "UPDATE connections SET access_token = $4"
    " WHERE workspace_id = $1 AND app = $2 AND access_token = $3",
    "refresh_token": "UPDATE connections SET refresh_token = $4"
    " WHERE workspace_id = $1 AND app = $2 AND refresh_token = $3",
    "intercom": "UPDATE intercom_connections SET access_token = $4"
    " WHERE workspace_id = $1 AND $2 = 'intercom' AND access_token = $3",
}


@dataclass(slots=True)
class Rotated:
    values: int = 0
    unreadable: int = 0  # the ring lacks their key, or they were changed; left as they are


async def rotate(database: Database, keyring: Keyring) -> Rotated:
    """Encrypt anew whatever an older key had encrypted. Safe to repeat."""
    done = Rotated()
    after = ("", "", "")
    while True:
        async with database.connection() as connection:
            rows = await connection.fetch(_OLD, f"{keyring.newest}.", _BATCH, *after)
            if not rows:
                return done
            for row in rows:
                after = (row["workspace_id"], row["app"], row["field"])
                place = Place(*after)
                try:
                    plain = keyring.decrypt(row["stored"], place)
                except TokenUnreadable:
                    done.unreadable += 1
                    continue
                await connection.execute(
                    _WRITES["intercom" if place.app == "intercom" else place.field],
                    place.workspace_id,
                    place.app,
                    row["stored"],
                    keyring.encrypt(plain, place),
                )
                done.values += 1
