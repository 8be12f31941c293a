"""How an installation ends: the vendor is told, or tells us, and nobody else can."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from common.catalog import APPS

pytestmark = pytest.mark.integration

OURS = ("pipedrive-client", "pipedrive-secret")
REVOKED = {
    "hubspot": "/oauth/2026-09/token/revoke",
    "pipedrive": "/oauth/revoke",
    "zendesk-sell": "/oauth2/revoke",
}


def basic(client: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(':'.join(client).encode()).decode()}"}


def revocations(simulators: Any, app: str, since: int) -> list[tuple[str, int]]:
    return [
        (call["path"], call["status"])
        for call in simulators.control.journal(APPS[app].crm, since_seq=since)
        if call["path"] == REVOKED[app]
    ]


def last_seq(simulators: Any) -> int:
    return max((call["seq"] for call in simulators.control.journal()), default=0)


async def is_installed(replica: Any, workspace: str, app: str) -> bool:
    answer = await replica.ask("GET", f"/installations/{workspace}/{app}")
    return bool(answer.status_code == 200)


async def uninstall(replica: Any, made: Any) -> httpx.Response:
    path = f"/v1/workspaces/{made.workspace}/apps/{made.app}"
    answer: httpx.Response = await replica.operator("DELETE", path)
    return answer


async def depart(replica: Any, said: Any, headers: dict[str, str]) -> httpx.Response:
    """As Pipedrive tells it: DELETE at the redirect address."""
    url = f"{replica.public}/oauth/callback/pipedrive"
    answer: httpx.Response = await replica.client.request("DELETE", url, json=said, headers=headers)
    return answer


async def notice_of(replica: Any, simulators: Any, made: Any) -> dict[str, Any]:
    access = (await replica.crm_access(made.workspace, "pipedrive")).json()
    return {
        "client_id": OURS[0],
        "company_id": int(access["account_id"]),
        "user_id": int(access["user_id"]),
        "timestamp": "2026-11-26T01:00:00Z",
    }


@pytest.mark.parametrize("app", REVOKED)
async def test_an_uninstall_is_told_to_the_vendor_too(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], app: str
) -> None:
    made = await install(app)
    since = last_seq(simulators)
    assert (await uninstall(replicas[0], made)).status_code == 204
    assert revocations(simulators, app, since) == [(REVOKED[app], 200)]
    assert (await uninstall(replicas[0], made)).status_code == 404


async def test_the_consent_of_another_workspace_at_the_same_account_lives_on(
    replicas: list[Any], simulators: Any, install: Callable[..., Any]
) -> None:
    made, other = await install("pipedrive"), await install("pipedrive")
    connected = await replicas[0].connect_app(other.workspace, "pipedrive", made.account)
    assert connected.json()["did"] == "reconnected"
    since = last_seq(simulators)
    assert (await uninstall(replicas[0], made)).status_code == 204
    assert revocations(simulators, "pipedrive", since) == []
    assert (await uninstall(replicas[0], other)).status_code == 204
    assert revocations(simulators, "pipedrive", since) == [(REVOKED["pipedrive"], 200)]


async def test_an_uninstall_does_not_depend_on_the_vendor(
    replicas: list[Any], simulators: Any, install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    simulators.control.add_fault("hubspot", "500_before", path="revoke")
    assert (await uninstall(replicas[0], made)).status_code == 204
    simulators.control.clear_faults()
    assert not await is_installed(replicas[0], made.workspace, "hubspot")


async def test_pipedrives_notice_uninstalls_what_that_user_had_connected(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], database: Any
) -> None:
    made, other = await install("pipedrive"), await install("pipedrive")
    said = await notice_of(replicas[0], simulators, made)
    for _ in range(2):  # a notice may repeat
        assert (await depart(replicas[1], said, basic(OURS))).status_code == 204
    assert not await is_installed(replicas[0], made.workspace, "pipedrive")
    assert await is_installed(replicas[0], other.workspace, "pipedrive")
    actor = await database.fetchval(
        "SELECT actor FROM audit WHERE workspace_id = $1 AND action = 'uninstalled'",
        made.workspace,
    )
    assert actor == "vendor:pipedrive"


@pytest.mark.parametrize(
    ("client", "change"),
    [
        (("pipedrive-client", "guessed"), {}),
        (None, {}),
        (OURS, {"client_id": "another-app"}),
        (OURS, {"company_id": "x"}),
        (OURS, {"user_id": None}),
    ],
)
async def test_a_notice_that_is_not_pipedrives_changes_nothing(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], client: Any, change: Any
) -> None:
    made = await install("pipedrive")
    said = await notice_of(replicas[0], simulators, made) | change
    answer = await depart(replicas[0], said, basic(client) if client else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_the_vendor")
    assert await is_installed(replicas[0], made.workspace, "pipedrive")


async def test_another_users_departure_leaves_the_connection(
    replicas: list[Any], simulators: Any, install: Callable[..., Any]
) -> None:
    made = await install("pipedrive")
    said = await notice_of(replicas[0], simulators, made)
    answer = await depart(replicas[0], said | {"user_id": said["user_id"] + 1}, basic(OURS))
    assert answer.status_code == 204
    assert await is_installed(replicas[0], made.workspace, "pipedrive")


@pytest.mark.parametrize("crm", ["hubspot", "nobody"])
async def test_a_crm_that_sends_no_notices_is_believed_none(replicas: list[Any], crm: str) -> None:
    url = f"{replicas[0].public}/oauth/callback/{crm}"
    answer = await replicas[0].client.request("DELETE", url, json={}, headers=basic(OURS))
    assert answer.status_code == 401


async def told_by_intercom(replica: Any, workspace: str) -> httpx.Response:
    url = f"{replica.public}/oauth/callback/intercom"
    answer: httpx.Response = await replica.client.post(url, json={"app_id": workspace})
    return answer


async def connection_of(replica: Any, workspace: str) -> Any:
    return next(
        one["connection"] for one in await replica.workspaces() if one["workspace_id"] == workspace
    )


async def test_intercoms_notice_counts_only_where_intercom_says_so_itself(
    replicas: list[Any], simulators: Any, install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    assert (await told_by_intercom(replicas[0], made.workspace)).status_code == 202
    assert await connection_of(replicas[0], made.workspace) == "connected"
    simulators.control.revoke_intercom_tokens(made.workspace)
    assert (await told_by_intercom(replicas[1], made.workspace)).status_code == 202
    assert await connection_of(replicas[0], made.workspace) == "reconnect_needed"
    # The answer tells nobody which workspaces there are.
    assert (await told_by_intercom(replicas[0], "nobody")).status_code == 202


async def test_hubspots_failed_refresh_asks_for_a_reconnect(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], database: Any
) -> None:
    made = await install("hubspot")
    simulators.control.revoke_crm_tokens("hubspot", made.account)
    await database.execute(
        "UPDATE connections SET obtained_at = obtained_at - interval '2 days',"
        " expires_at = expires_at - interval '2 days' WHERE workspace_id = $1",
        made.workspace,
    )
    answer = await replicas[0].crm_access(made.workspace, "hubspot")
    assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_needed")
    installed = (await replicas[0].ask("GET", f"/installations/{made.workspace}/hubspot")).json()
    assert installed["reconnect_needed"] is True
