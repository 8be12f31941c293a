"""PostgreSQL or Kafka away: at the start, later, and between the vendor's answer and ours."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from common.schema import NewerSchema
from devstack.waiting import until
from settings.adapters.postgres.schema import SCHEMA

pytestmark = pytest.mark.integration


async def test_it_starts_with_nothing_there_and_recovers_as_each_part_comes(
    launcher: Any,
    proxied: Callable[..., Any],
    fresh_database: Callable[[], str],
    service_env: dict[str, str],
) -> None:
    dsn = fresh_database()
    postgres = await proxied(dsn)
    kafka = await proxied(f"//{service_env['LULL_KAFKA_BOOTSTRAP_SERVERS']}")
    postgres.cut()
    kafka.cut()
    replica = await launcher.start(
        LULL_SETTINGS_DATABASE_URL=postgres.address(dsn),
        LULL_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{kafka.port}",
    )
    await replica.until_need("postgres", "PostgreSQL cannot be reached")
    away = await replica.operator("GET", "/v1/workspaces")
    assert (away.status_code, away.json()["code"]) == (503, "store_unavailable")
    assert away.headers["retry-after"] == "1"

    await postgres.mend()
    await replica.until_need("postgres", "run `python -m settings migrate`")
    assert (await replica.operator("GET", "/v1/workspaces")).status_code == 503
    newest = SCHEMA.head()
    racing = await asyncio.gather(*(SCHEMA.migrate(dsn) for _ in range(5)))
    assert sorted(racing, key=str) == [(newest, newest)] * 4 + [(None, newest)]
    body = await replica.until_ready()
    assert body["peers"]["kafka"] == "Kafka cannot be reached"  # a peer: shown, never counted
    assert (await replica.operator("GET", "/v1/workspaces")).json()["workspaces"] == []

    await kafka.mend()
    await replica.until_peer("kafka", "ok")
    # A newer release has migrated meanwhile: this one goes on serving, and adds nothing.
    postgres.cut()
    await replica.until_ready(False)
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(NewerSchema):
        await SCHEMA.migrate(dsn)
    await postgres.mend()
    await replica.until_ready()
    assert await replica.stop() == 0


@pytest.fixture(scope="module")
async def apart(launcher: Any, migrated: None, database_dsn: str, new_proxy: Any) -> Any:
    """A replica with a way of its own to PostgreSQL."""
    postgres = new_proxy(database_dsn)
    await postgres.mend()
    replica = await launcher.start(LULL_SETTINGS_DATABASE_URL=postgres.address(database_dsn))
    await replica.until_ready()
    yield replica, postgres
    assert await replica.stop() == 0
    postgres.cut()


async def test_it_recovers_by_itself_when_every_connection_to_postgresql_breaks(
    apart: Any, install: Callable[..., Any]
) -> None:
    replica, postgres = apart
    made = await install("hubspot")
    path = f"/installations/{made.workspace}/hubspot"

    async def answers() -> list[Any]:
        return await asyncio.gather(*(replica.ask("GET", path) for _ in range(20)))

    assert {answer.status_code for answer in await answers()} == {200}
    postgres.cut()
    away = await answers()
    assert {answer.status_code for answer in away} == {503}
    assert {answer.headers["content-type"] for answer in away} == {"application/problem+json"}
    page = await replica.client.get(replica.public, headers={"Cookie": "__Host-lull=somebody"})
    assert (page.status_code, page.headers["retry-after"]) == (503, "1")
    assert "The database does not answer." in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    await replica.until_ready(False)
    await postgres.mend()
    await replica.until_ready()
    assert {answer.status_code for answer in await answers()} == {200}


async def test_a_rotated_token_survives_postgresql_being_away_when_the_vendor_answers(
    apart: Any, install: Callable[..., Any], simulators: Any, database: Any
) -> None:
    replica, postgres = apart
    made = await install("pipedrive")
    await database.execute(
        "UPDATE connections SET expires_at = obtained_at WHERE workspace_id = $1", made.workspace
    )
    simulators.control.add_fault("pipedrive", "slow", path="token", ms=1_300)
    asking = asyncio.create_task(replica.crm_access(made.workspace, "pipedrive"))

    async def claimed() -> Any:
        return await database.fetchval(
            "SELECT lease_holder FROM connections WHERE workspace_id = $1", made.workspace
        )

    await until(claimed)
    postgres.cut()
    await until(lambda: logged(replica, "refresh.not_saved_yet"))
    await postgres.mend()
    assert (await asking).status_code == 200
    assert (await replica.crm_access(made.workspace, "pipedrive")).status_code == 200


async def test_what_a_killed_relay_left_is_published_by_another(
    replicas: list[Any], install: Callable[..., Any], changes: Any, database: Any
) -> None:
    made = await install("hubspot")
    holder = await database.fetchval(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert holder
    # Whoever relays loses its session in the middle of its work.
    await database.fetchval("SELECT pg_terminate_backend($1)", holder)
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/transcript-sync"
    assert (await replicas[0].operator("PUT", path, {"on": True})).status_code == 200
    await changes.of(made.workspace, "hubspot", version=2)


async def logged(replica: Any, event: str) -> bool:
    return event in replica.log.read_text()
