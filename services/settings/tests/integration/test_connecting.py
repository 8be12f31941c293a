"""Installing a workspace and connecting CRM accounts, over HTTP, against the simulators."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from common.clock import SystemClock

pytestmark = pytest.mark.integration

WHO_AM_I = {
    "hubspot": "/account-info/2026-09/details",
    "pipedrive": "/api/v1/users/me",
    "keap": "/crm/rest/v2/oauth/connect/userinfo",
    "salesloft": "/v2/me.json",
}


@pytest.mark.parametrize("region", ["US", "EU", "AU"])
async def test_installing_a_workspace_learns_region_time_zone_and_admin_from_intercom(
    replicas: list[Any], simulators: Any, region: str
) -> None:
    workspace = f"wk{uuid4().hex[:10]}"
    simulators.control.create_workspace(
        workspace,
        region=region,
        name="Acme",
        timezone="Europe/Vienna",
        admins=[
            {"id": "71", "name": "Sam Agent", "email": "sam@example.org"},
            {"id": "72", "name": "Kim Agent", "email": "kim@example.org"},
        ],
    )
    answer = await replicas[0].install_workspace(workspace)
    assert (answer.status_code, answer.json()) == (
        200,
        {"workspace_id": workspace, "admin_id": "71"},
    )

    listed = await replicas[1].workspaces(page=2)
    assert {
        "workspace_id": workspace,
        "region": region,
        "name": "Acme",
        "time_zone": "Europe/Vienna",
        "admin_id": "71",
        "connection": "connected",
    } in listed

    access = await replicas[1].ask("POST", f"/intercom-access/{workspace}", {})
    found = access.json()
    base = f"{simulators.base_url}/intercom/{region.lower()}"
    assert (found["api_base"], found["link_base"]) == (base, f"{base}/app")
    me = await replicas[0].client.get(
        f"{base}/me",
        headers={"Authorization": f"Bearer {found['access_token']}", "Intercom-Version": "2.14"},
    )
    assert me.json()["app"]["id_code"] == workspace


async def test_a_second_teammate_who_installs_again_does_not_become_the_admin(
    replicas: list[Any], simulators: Any
) -> None:
    workspace = f"wk{uuid4().hex[:10]}"
    admins = [{"id": n, "name": "N", "email": f"{n}@example.org"} for n in ("81", "82")]
    simulators.control.create_workspace(workspace, admins=admins)
    await replicas[0].install_workspace(workspace)
    url = (await replicas[0].operator("POST", "/v1/workspaces/authorize", {})).json()["url"]
    again = await replicas[0].come_back(url, account=workspace, user="82")
    assert again.json() == {"workspace_id": workspace, "admin_id": "81"}


@pytest.mark.parametrize("app", WHO_AM_I)
async def test_connecting_an_app_installs_it_switched_off_with_the_installer_as_first_user(
    replicas: list[Any], simulators: Any, install: Callable[..., Any], app: str
) -> None:
    before = SystemClock().now()
    made = await install(app)
    answer = await replicas[1].ask("GET", f"/installations/{made.workspace}/{app}")
    assert answer.headers["cache-control"] == "max-age=60"
    found = answer.json()
    installed_at = datetime.fromisoformat(found.pop("installed_at"))
    assert before <= installed_at.astimezone(UTC) <= SystemClock().now()

    access = (await replicas[1].crm_access(made.workspace, app)).json()
    assert found == {
        "workspace_id": made.workspace,
        "app": app,
        "version": 1,
        "transcript_sync": False,
        "active_app_users": [made.admin],
        "paused_app_users": [],
        "all_conversations": False,
        "note_policy": "update",
        "activity_policy": None,
        "activity_type": None,
        "time_zone": "Europe/Vienna",
        "crm_account": access["account_id"],
        "reconnect_needed": False,
    }
    whoami = await replicas[0].client.get(
        f"{access['api_base']}{WHO_AM_I[app]}",
        headers={"Authorization": f"Bearer {access['access_token']}"},
    )
    assert whoami.status_code == 200
    if app == "pipedrive":
        me = whoami.json()["data"]
        assert (access["account_id"], access["user_id"]) == (str(me["company_id"]), str(me["id"]))
    else:
        assert access["account_id"] == made.account
        assert access["user_id"] == "9"  # the user whom the simulators make up, not a global id


async def test_a_state_completes_one_authorization_only(
    replicas: list[Any], install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/authorize"
    url = (await replicas[0].operator("POST", path, {})).json()["url"]
    callback = await replicas[0].redirect(url, account=made.account)
    assert (await replicas[0].client.get(callback)).json()["did"] == "reconnected"
    again = await replicas[0].client.get(callback)
    assert (again.status_code, again.json()["code"]) == (400, "state_unknown")


async def test_a_state_older_than_ten_minutes_is_refused(
    replicas: list[Any], install: Callable[..., Any], database: Any
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/authorize"
    url = (await replicas[0].operator("POST", path, {})).json()["url"]
    await database.execute("UPDATE oauth_states SET expires_at = expires_at - interval '10 min'")
    late = await replicas[0].come_back(url, account=made.account)
    assert (late.status_code, late.json()["code"]) == (400, "state_expired")


async def test_the_code_of_one_crm_is_refused_at_the_callback_of_another(
    replicas: list[Any], install: Callable[..., Any], simulators: Any
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/authorize"
    url = (await replicas[0].operator("POST", path, {})).json()["url"]
    callback = await replicas[0].redirect(url, account=made.account)
    calls = len(simulators.control.journal("pipedrive"))
    for other in ("pipedrive", "intercom"):
        mixed = callback.replace("/callback/hubspot", f"/callback/{other}")
        answer = await replicas[0].client.get(mixed)
        assert answer.status_code == 400
        assert answer.json()["code"] in ("state_of_another_vendor", "state_unknown")
    assert len(simulators.control.journal("pipedrive")) == calls


async def test_a_callback_without_consent_changes_nothing(
    replicas: list[Any], install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/pipedrive/authorize"
    url = (await replicas[0].operator("POST", path, {})).json()["url"]
    state = url.partition("state=")[2].partition("&")[0]
    denied = await replicas[0].client.get(
        f"{replicas[0].public}/oauth/callback/pipedrive?state={state}&error=user_denied"
    )
    assert (denied.status_code, denied.json()["code"]) == (400, "authorization_denied")
    answer = await replicas[0].ask("GET", f"/installations/{made.workspace}/pipedrive")
    assert (answer.status_code, answer.json()["title"]) == (404, "not installed")


async def test_uninstalling_forgets_the_tokens_and_a_new_installation_counts_anew(
    replicas: list[Any], install: Callable[..., Any], database: Any
) -> None:
    made = await install("hubspot")
    app = f"/v1/workspaces/{made.workspace}/apps/hubspot"
    await replicas[0].operator("PUT", f"{app}/transcript-sync", {"on": True})
    await replicas[0].operator("PUT", f"{app}/app-users", {"users": [{"id": "1"}]})
    await replicas[0].operator("PATCH", f"{app}/options", {"note_policy": "new"})
    first = (await replicas[0].ask("GET", f"/installations/{made.workspace}/hubspot")).json()

    assert (await replicas[0].operator("DELETE", app)).status_code == 204
    gone = await replicas[0].ask("GET", f"/installations/{made.workspace}/hubspot")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_installed")
    assert (await replicas[0].crm_access(made.workspace, "hubspot")).status_code == 404
    assert not await database.fetch(
        "SELECT 1 FROM connections WHERE workspace_id = $1", made.workspace
    )

    again = await replicas[0].connect_app(made.workspace, "hubspot", made.account)
    assert again.json()["did"] == "reinstalled"
    second = (await replicas[0].ask("GET", f"/installations/{made.workspace}/hubspot")).json()
    assert second["installed_at"] > first["installed_at"]
    assert second["version"] > first["version"]
    assert second["transcript_sync"] is False
    assert second["active_app_users"] == [made.admin]
    assert second["note_policy"] == "update"
    listed = (await replicas[0].operator("GET", f"/v1/workspaces/{made.workspace}/apps")).json()
    assert [(app["app"], app["connection"]) for app in listed["apps"]] == [("hubspot", "connected")]


async def test_a_crm_that_this_deployment_has_no_client_of_is_not_offered(
    replicas: list[Any], install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/salesforce/authorize"
    answer = await replicas[0].operator("POST", path, {})
    assert (answer.status_code, answer.json()["code"]) == (404, "app_not_offered")
