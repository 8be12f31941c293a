"""Handing out tokens: one refresh however many ask, and what happens when the vendor says no."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from settings.adapters.keyring import Keyring
from settings.adapters.postgres.database import Database
from settings.adapters.postgres.rotation import rotate

pytestmark = pytest.mark.integration

ROTATING = ["pipedrive", "keap", "salesloft"]  # a refresh token works once


def refreshes_since(simulators: Any, vendor: str, seq: int) -> list[Any]:
    return [
        call
        for call in simulators.control.journal(vendor, since_seq=seq)
        if call["path"].endswith("/token")
    ]


def last_seq(simulators: Any) -> int:
    return max((call["seq"] for call in simulators.control.journal()), default=0)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def version(database: Any, workspace: str) -> int:
    found = "SELECT token_version FROM connections WHERE workspace_id = $1"
    return int(await database.fetchval(found, workspace))


async def expire(database: Any, workspace: str) -> None:
    await database.execute(
        "UPDATE connections SET obtained_at = obtained_at - interval '2 days',"
        " expires_at = expires_at - interval '2 days' WHERE workspace_id = $1",
        workspace,
    )


@pytest.mark.parametrize("app", ROTATING)
async def test_fifty_callers_of_two_replicas_refresh_an_expired_rotating_token_once(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], database: Any, app: str
) -> None:
    made = await install(app)
    old = (await replicas[0].crm_access(made.workspace, app)).json()["access_token"]
    await expire(database, made.workspace)
    since = last_seq(simulators)
    # Slow enough that every caller of both replicas arrives while the first one is waiting.
    simulators.control.add_fault(app, "slow", path="token", ms=500, times=None)
    answers = await asyncio.gather(
        *(replicas[n % 2].crm_access(made.workspace, app) for n in range(50))
    )
    simulators.control.clear_faults()
    assert {answer.status_code for answer in answers} == {200}
    tokens = {answer.json()["access_token"] for answer in answers}
    assert len(tokens) == 1
    assert old not in tokens
    assert len(refreshes_since(simulators, app, since)) == 1
    # The rotated refresh token was kept: the next refresh succeeds with it.
    await expire(database, made.workspace)
    assert (await replicas[1].crm_access(made.workspace, app)).status_code == 200


async def test_a_pair_that_nobody_used_for_weeks_is_refreshed_once_of_itself(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], database: Any
) -> None:
    made, fresh = await install("keap"), await install("keap")
    since = last_seq(simulators)
    before = await version(database, made.workspace), await version(database, fresh.workspace)
    await database.execute(
        "UPDATE connections SET obtained_at = obtained_at - interval '22 days',"
        " expires_at = expires_at - interval '22 days' WHERE workspace_id = $1",
        made.workspace,
    )
    async with asyncio.timeout(20):
        while await version(database, made.workspace) == before[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert len(refreshes_since(simulators, "keap", since)) == 1
    assert await version(database, fresh.workspace) == before[1]
    assert (await replicas[0].crm_access(made.workspace, "keap")).status_code == 200
    assert len(refreshes_since(simulators, "keap", since)) == 1  # and used from then on


async def test_a_rejected_token_is_replaced_once_and_an_older_rejected_one_is_not(
    replicas: list[Any], simulators: Any, install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    first = (await replicas[0].crm_access(made.workspace, "hubspot")).json()["access_token"]
    since = last_seq(simulators)
    for replica in (*replicas, *replicas):  # all of them report the same token
        answer = await replica.crm_access(made.workspace, "hubspot", hash_of(first))
        assert answer.json()["access_token"] != first
    assert len(refreshes_since(simulators, "hubspot", since)) == 1


@pytest.mark.parametrize("app", ["hubspot", *ROTATING])
async def test_a_revoked_connection_asks_for_a_reconnect_and_a_new_authorization_mends_it(
    replicas: list[Any],
    simulators: Any,
    install: Callable[..., Any],
    database: Any,
    changes: Any,
    app: str,
) -> None:
    made = await install(app)
    other = await install(app)
    others = (await replicas[0].crm_access(other.workspace, app)).json()
    await changes.of(made.workspace, app, version=1)
    simulators.control.revoke_crm_tokens(app, made.account)
    await expire(database, made.workspace)

    refused = await asyncio.gather(
        *(replicas[n % 2].crm_access(made.workspace, app) for n in range(6))
    )
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {
        (409, "reconnect_needed")
    }
    await changes.of(made.workspace, app, version=2)
    found = (await replicas[1].ask("GET", f"/installations/{made.workspace}/{app}")).json()
    assert (found["reconnect_needed"], found["version"]) == (True, 2)
    actions = await database.fetch(
        "SELECT action, actor FROM audit WHERE workspace_id = $1 ORDER BY id", made.workspace
    )
    assert [(row["action"], row["actor"]) for row in actions][-1] == (
        "reconnect_needed",
        "caller:delivery",
    )

    again = await replicas[0].connect_app(made.workspace, app, made.account)
    assert again.json()["did"] == "reconnected"
    token = (await replicas[1].crm_access(made.workspace, app)).json()["access_token"]
    renewed = await replicas[1].crm_access(made.workspace, app, hash_of(token))
    assert renewed.status_code == 200  # the refresh token is the new authorization's, too
    mended = (await replicas[1].ask("GET", f"/installations/{made.workspace}/{app}")).json()
    assert mended == found | {"reconnect_needed": False, "version": 3}
    await changes.of(made.workspace, app, version=3)
    # Another workspace of the same CRM has noticed nothing of it.
    assert (await replicas[0].crm_access(other.workspace, app)).json() == others


async def test_a_vendor_that_refuses_our_client_disconnects_nobody(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], database: Any
) -> None:
    made = await install("hubspot")
    await expire(database, made.workspace)
    simulators.control.call("PUT", "/crm/hubspot/app", {"client_secret": "another-secret"})
    try:
        answer = await replicas[0].crm_access(made.workspace, "hubspot")
    finally:
        simulators.control.call("PUT", "/crm/hubspot/app", {"client_secret": "hubspot-secret"})
    assert (answer.status_code, answer.json()["code"]) == (503, "vendor_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await replicas[0].crm_access(made.workspace, "hubspot")).status_code == 200


@pytest.mark.parametrize("kind", ["500_before", "429", "reset", "html_502"])
async def test_a_vendor_that_fails_is_asked_again_by_the_next_caller(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], database: Any, kind: str
) -> None:
    made = await install("hubspot")
    await expire(database, made.workspace)
    simulators.control.add_fault("hubspot", kind, path="token")
    answer = await replicas[0].crm_access(made.workspace, "hubspot")
    assert (answer.status_code, answer.json()["code"]) == (503, "vendor_unavailable")
    simulators.control.clear_faults()
    assert (await replicas[1].crm_access(made.workspace, "hubspot")).status_code == 200


async def test_a_token_with_little_life_left_still_serves_while_the_vendor_is_away(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], database: Any
) -> None:
    made = await install("hubspot")
    token = (await replicas[0].crm_access(made.workspace, "hubspot")).json()["access_token"]
    await database.execute(
        "UPDATE connections SET obtained_at = obtained_at - interval '1 h',"
        " expires_at = clock_timestamp() + interval '30 s' WHERE workspace_id = $1",
        made.workspace,
    )
    simulators.control.add_fault("hubspot", "500_before", path="token", times=None)
    try:
        kept = await replicas[0].crm_access(made.workspace, "hubspot")
        rejected = await replicas[0].crm_access(made.workspace, "hubspot", hash_of(token))
    finally:
        simulators.control.clear_faults()
    assert (kept.status_code, kept.json()["access_token"]) == (200, token)
    assert rejected.status_code == 503


async def test_a_lease_left_by_a_killed_replica_runs_out(
    replicas: list[Any], install: Callable[..., Any], database: Any
) -> None:
    made = await install("pipedrive")
    await expire(database, made.workspace)
    await database.execute(
        "UPDATE connections SET lease_holder = 'a dead one',"
        " lease_until = clock_timestamp() + interval '1 s' WHERE workspace_id = $1",
        made.workspace,
    )
    assert (await replicas[0].crm_access(made.workspace, "pipedrive")).status_code == 200


async def test_tokens_copied_to_another_workspaces_row_are_not_handed_out(
    replicas: list[Any], install: Callable[..., Any], database: Any
) -> None:
    thief, victim = await install("hubspot"), await install("hubspot")
    await database.execute(
        "UPDATE connections mine SET access_token = theirs.access_token,"
        " refresh_token = theirs.refresh_token FROM connections theirs"
        " WHERE mine.workspace_id = $1 AND theirs.workspace_id = $2",
        thief.workspace,
        victim.workspace,
    )
    stolen = await replicas[0].crm_access(thief.workspace, "hubspot")
    assert (stolen.status_code, stolen.json()["code"]) == (503, "store_unavailable")
    assert (await replicas[0].crm_access(victim.workspace, "hubspot")).status_code == 200
    app = f"/v1/workspaces/{thief.workspace}/apps/hubspot"
    assert (await replicas[0].operator("DELETE", app)).status_code == 204


@pytest.fixture
async def pool(database_dsn: str) -> AsyncIterator[Database]:
    pool = await Database.open(database_dsn, 2)
    yield pool
    await pool.close()


async def test_keys_are_rotated_while_tokens_are_asked_for(
    replicas: list[Any],
    install: Callable[..., Any],
    service_env: dict[str, str],
    database: Any,
    pool: Database,
) -> None:
    made = await install("pipedrive")
    old_key, new_key = service_env["LULL_SETTINGS_TOKEN_KEYS"].split(",")
    before = (await replicas[0].crm_access(made.workspace, "pipedrive")).json()
    stop = asyncio.Event()

    async def keep_asking() -> set[int]:
        seen = set()
        while not stop.is_set():
            seen.add((await replicas[1].crm_access(made.workspace, "pipedrive")).status_code)
        return seen

    asking = asyncio.create_task(keep_asking())
    rings = [Keyring(by_name_and_key(f"{new_key},{old_key}")), Keyring(by_name_and_key(old_key))]
    done = await rotate(pool, rings[0])
    assert (done.values > 3, done.unreadable) == (True, 0)
    stop.set()
    assert await asking == {200}
    assert (await replicas[1].crm_access(made.workspace, "pipedrive")).json() == before
    stored = await database.fetch(
        "SELECT access_token FROM connections UNION SELECT refresh_token FROM connections"
        " UNION SELECT access_token FROM intercom_connections"
    )
    assert {row["access_token"].partition(".")[0] for row in stored} == {"k2"}
    lost = await rotate(pool, rings[1])  # a ring without the key they need changes nothing
    assert (lost.values, lost.unreadable) == (0, done.values)
    back = await rotate(
        pool, Keyring(by_name_and_key(f"{old_key},{new_key}"))
    )  # for the other tests
    assert back == done
    assert (await replicas[0].crm_access(made.workspace, "pipedrive")).json() == before


def by_name_and_key(keys: str) -> list[tuple[str, str]]:
    return [(name, key) for name, _, key in (entry.partition(":") for entry in keys.split(","))]


async def test_a_rejected_intercom_token_counts_only_when_intercom_itself_refuses_it(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], changes: Any
) -> None:
    made = await install("hubspot")
    path = f"/intercom-access/{made.workspace}"
    token = (await replicas[0].ask("POST", path, {})).json()["access_token"]
    rejected = {"rejected_token_hash": hash_of(token)}
    assert (await replicas[0].ask("POST", path, rejected)).json()["access_token"] == token

    simulators.control.revoke_intercom_tokens(made.workspace)
    assert (await replicas[0].ask("POST", path, {})).status_code == 200
    refused = await replicas[0].ask("POST", path, rejected)
    assert (refused.status_code, refused.json()["code"]) == (409, "reconnect_needed")
    assert (await replicas[1].ask("POST", path, {})).status_code == 409
    await changes.of(made.workspace, "hubspot", version=2)
    found = (await replicas[1].ask("GET", f"/installations/{made.workspace}/hubspot")).json()
    assert found["reconnect_needed"] is True

    assert (await replicas[0].install_workspace(made.workspace)).status_code == 200
    assert (await replicas[1].ask("POST", path, {})).status_code == 200
    found = (await replicas[1].ask("GET", f"/installations/{made.workspace}/hubspot")).json()
    assert found["reconnect_needed"] is False
