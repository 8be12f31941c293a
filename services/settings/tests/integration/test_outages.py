"""PostgreSQL or Kafka away: at the start, in the middle, and between the vendor's answer and ours."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

pytestmark = pytest.mark.integration


async def test_it_starts_without_postgresql_and_kafka_and_recovers_when_they_come(
    launcher: Any,
    migrated: None,
    proxied: Callable[..., Any],
    install: Callable[..., Any],
    database_dsn: str,
    service_env: dict[str, str],
) -> None:
    postgres = await proxied(database_dsn)
    kafka = await proxied(f"//{service_env['LULL_KAFKA_BOOTSTRAP_SERVERS']}")
    postgres.cut()
    kafka.cut()
    replica = await launcher.start(
        LULL_SETTINGS_DATABASE_URL=postgres.address(database_dsn),
        LULL_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{kafka.port}",
    )
    body = await replica.until_ready(False)
    assert body["needs"]["postgres"] in ("not connected yet", "PostgreSQL cannot be reached")
    away = await replica.operator("GET", "/v1/workspaces")
    assert (away.status_code, away.json()["code"]) == (503, "store_unavailable")
    assert away.headers["retry-after"] == "1"

    await postgres.mend()
    body = await replica.until_ready()
    assert body["peers"]["kafka"] == "Kafka cannot be reached"  # a peer: shown, never counted
    made = await install("hubspot")
    answer = await replica.ask("GET", f"/installations/{made.workspace}/hubspot")
    assert answer.status_code == 200

    await kafka.mend()
    await replica.until_peer("kafka", "ok")
    assert replica.stop() == 0


async def test_it_recovers_by_itself_when_every_connection_to_postgresql_breaks(
    launcher: Any,
    migrated: None,
    proxied: Callable[..., Any],
    install: Callable[..., Any],
    database_dsn: str,
) -> None:
    postgres = await proxied(database_dsn)
    replica = await launcher.start(LULL_SETTINGS_DATABASE_URL=postgres.address(database_dsn))
    await replica.until_ready()
    made = await install("hubspot")
    path = f"/installations/{made.workspace}/hubspot"
    for _ in range(2):
        assert {
            answer.status_code
            for answer in await asyncio.gather(*(replica.ask("GET", path) for _ in range(20)))
        } == {200}
        postgres.cut()
        away = await asyncio.gather(*(replica.ask("GET", path) for _ in range(20)))
        assert {answer.status_code for answer in away} == {503}
        assert {answer.headers["content-type"] for answer in away} == {"application/problem+json"}
        await replica.until_ready(False)
        await postgres.mend()
        await replica.until_ready()
    assert replica.stop() == 0


async def test_a_rotated_token_survives_postgresql_being_away_when_the_vendor_answers(
    launcher: Any,
    migrated: None,
    proxied: Callable[..., Any],
    install: Callable[..., Any],
    simulators: Any,
    database: Any,
    database_dsn: str,
) -> None:
    made = await install("pipedrive")
    await database.execute(
        "UPDATE connections SET expires_at = obtained_at WHERE workspace_id = $1", made.workspace
    )
    postgres = await proxied(database_dsn)
    replica = await launcher.start(LULL_SETTINGS_DATABASE_URL=postgres.address(database_dsn))
    await replica.until_ready()
    simulators.control.add_fault("pipedrive", "slow", path="token", ms=700)
    asking = asyncio.create_task(replica.crm_access(made.workspace, "pipedrive"))

    async def claimed() -> Any:
        return await database.fetchval(
            "SELECT lease_holder FROM connections WHERE workspace_id = $1", made.workspace
        )

    await until_true(claimed)
    postgres.cut()
    await until_true(lambda: logged(replica, "refresh.not_saved_yet"))
    await postgres.mend()
    assert (await asking).status_code == 200
    assert (await replica.crm_access(made.workspace, "pipedrive")).status_code == 200
    assert replica.stop() == 0


async def test_what_a_killed_relay_left_is_published_by_another(
    launcher: Any, replicas: list[Any], install: Callable[..., Any], changes: Any, database: Any
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


async def test_without_a_schema_it_says_what_to_run(
    launcher: Any, postgres_dsn: str, fresh_database: Callable[[], str], service_env: dict[str, str]
) -> None:
    dsn = fresh_database()
    replica = await launcher.start(LULL_SETTINGS_DATABASE_URL=dsn)
    body = await replica.until_need("postgres", "migrate")
    assert "python -m settings migrate" in body["needs"]["postgres"]
    assert (await replica.operator("GET", "/v1/workspaces")).status_code == 503
    env = service_env | {"LULL_SETTINGS_DATABASE_URL": dsn}
    for _ in range(2):  # repeating it is harmless
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "settings", "migrate", env=env, stdout=subprocess.DEVNULL
        )
        assert await process.wait() == 0
    await replica.until_ready()
    assert (await replica.operator("GET", "/v1/workspaces")).json() == {"workspaces": []}
    # A newer release has migrated meanwhile: this one goes on serving.
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    await replica.until_ready()
    assert replica.stop() == 0


async def until_true(look: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not await look():
            await asyncio.sleep(0.02)


async def logged(replica: Any, event: str) -> bool:
    return event in replica.log.read_text()
