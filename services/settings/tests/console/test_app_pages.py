"""Installing, app users, options, the admin's role: what the admin decides, and what it does."""

import html
import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration


async def installation(site: Any, world: Any, app: str = "hubspot") -> Any:
    answer = await site.ask("GET", f"/installations/{world.workspace}/{app}")
    return answer.json() if answer.status_code == 200 else None


async def test_the_installer_is_the_first_app_user_and_the_switch_is_off(
    site: Any, admin: Any, world: Any
) -> None:
    found = await installation(site, world)
    assert (found["transcript_sync"], found["active_app_users"]) == (False, [world.admin])
    page = (await admin.get(f"/w/{world.workspace}/apps/hubspot")).text
    assert "<b>1 of 2</b> teammates are app users; conversations of the others" in page
    assert "by <bdi>Sam Agent" in page


async def test_app_users_are_ticked_paused_and_unticked(site: Any, admin: Any, world: Any) -> None:
    users = f"/w/{world.workspace}/apps/hubspot/users"
    assert (await admin.post(users, user=[world.admin, world.other])).status_code == 303
    assert sorted((await installation(site, world))["active_app_users"]) == [
        *sorted([world.admin, world.other])
    ]
    await admin.post(users, user=[world.admin, world.other], paused=[world.admin])
    assert (await installation(site, world))["active_app_users"] == [world.other]
    page = (await admin.get(f"/w/{world.workspace}/apps/hubspot")).text
    assert "<b>1 of 2</b> teammates are app users" in page
    await admin.post(users)
    assert (await installation(site, world))["active_app_users"] == []
    await admin.post(users, all="1")
    assert len((await installation(site, world))["active_app_users"]) == 2


async def test_nobody_but_teammates_becomes_an_app_user(site: Any, admin: Any, world: Any) -> None:
    users = f"/w/{world.workspace}/apps/hubspot/users"
    for wrong in ({"user": ["999"]}, {"user": [world.admin], "paused": ["<b>"]}):
        assert (await admin.post(users, **wrong)).status_code == 400
    assert (await installation(site, world))["version"] == 1


async def test_a_teammate_who_left_intercom_is_shown_and_can_be_unticked(
    site: Any, admin: Any, world: Any, simulators: Any, database: Any
) -> None:
    await database.execute(
        "INSERT INTO app_users (workspace_id, app, teammate_id, paused)"
        " VALUES ($1, 'hubspot', '777', false)",
        world.workspace,
    )
    page = (await admin.get(f"/w/{world.workspace}/apps/hubspot")).text
    assert "teammate 777" in page
    assert "left Intercom" in page
    assert "<b>1 of 2</b> teammates are app users" in page  # who left counts for nothing
    await admin.post(f"/w/{world.workspace}/apps/hubspot/users", user=[world.admin])
    assert "teammate 777" not in (await admin.get(f"/w/{world.workspace}/apps/hubspot")).text


async def test_options_are_saved_and_the_workspaces_time_zone_stays_its_own(
    site: Any, admin: Any, world: Any, database: Any
) -> None:
    options = f"/w/{world.workspace}/apps/hubspot/options"
    await admin.post(options, note_policy="new", time_zone="Europe/Berlin")
    stored = await database.fetchrow(
        "SELECT note_policy, all_conversations, time_zone FROM installations"
        " WHERE workspace_id = $1",
        world.workspace,
    )
    assert tuple(stored) == ("new", False, None)  # Berlin is the workspace's: nothing of its own
    await admin.post(options, note_policy="update", all_conversations="1", time_zone="Asia/Tokyo")
    found = await installation(site, world)
    assert (found["note_policy"], found["all_conversations"]) == ("update", True)
    assert found["time_zone"] == "Asia/Tokyo"
    assert (
        "All conversations are synced"
        in (await admin.get(f"/w/{world.workspace}/apps/hubspot")).text
    )
    for wrong in (
        {"note_policy": "none", "time_zone": "UTC"},
        {"note_policy": "new", "time_zone": "Mars/Base"},
        {"note_policy": "new"},
    ):
        assert (await admin.post(options, **wrong)).status_code == 400


async def test_uninstalling_asks_once_more_and_installing_again_starts_afresh(
    site: Any, admin: Any, world: Any, database: Any
) -> None:
    uninstall = f"/w/{world.workspace}/apps/hubspot/uninstall"
    first = await installation(site, world)
    assert (await admin.post(uninstall)).status_code == 400
    assert (await admin.post(uninstall, confirm="uninstall")).status_code == 303
    assert await installation(site, world) is None
    assert (await admin.get(f"/w/{world.workspace}/apps/hubspot")).status_code == 404
    assert "Connect HubSpot" in (await admin.get("/")).text
    await admin.connect(world.workspace, "hubspot", world.hubspot)
    again = await installation(site, world)
    assert again["installed_at"] > first["installed_at"]
    assert again["active_app_users"] == [world.admin]


async def test_a_revoked_token_is_told_and_connecting_again_mends_it(
    site: Any, admin: Any, world: Any, simulators: Any, database: Any
) -> None:
    await admin.post(f"/w/{world.workspace}/apps/hubspot/transcript-sync", on="on")
    simulators.control.revoke_crm_tokens("hubspot", world.hubspot)
    await database.execute(
        "UPDATE connections SET expires_at = obtained_at WHERE workspace_id = $1", world.workspace
    )
    assert (await site.crm_access(world.workspace, "hubspot")).status_code == 409
    page = (await admin.get("/")).text
    assert "Reconnect needed" in page
    assert "Reconnect HubSpot" in page
    came = await admin.connect(world.workspace, "hubspot", world.hubspot)
    told = html.unescape((await admin.get(came.headers["location"])).text)
    assert "HubSpot is connected again. What was waiting goes out by itself." in told
    assert "Reconnect" not in told
    found = await installation(site, world)
    assert (found["transcript_sync"], found["reconnect_needed"]) == (True, False)


async def test_a_revoked_intercom_token_is_noticed_by_looking_and_mended_by_the_admin(
    site: Any,
    new_visitor: Callable[[], Any],
    admin: Any,
    world: Any,
    simulators: Any,
    database: Any,
) -> None:
    simulators.control.revoke_intercom_tokens(world.workspace)
    # Names are held for a while; the admin signs in again and they are asked for.
    await admin.sign_in(world.workspace, world.admin)
    await admin.get("/")
    page = (await admin.get("/")).text
    assert "Intercom has to be connected again" in page
    came = await admin.sign_in(world.workspace, world.admin, "install")
    assert came.status_code == 303
    assert "Intercom has to be connected again" not in (await admin.get("/")).text


async def test_the_role_is_handed_on_to_a_teammate_and_to_nobody_else(
    admin: Any, world: Any, new_visitor: Callable[[], Any], database: Any
) -> None:
    role = f"/w/{world.workspace}/admin"
    assert (await admin.post(role, teammate="999")).status_code == 400
    heir = new_visitor()
    await heir.sign_in(world.workspace, world.other)
    assert (await heir.get(role)).status_code == 403
    leaving = await admin.post(f"/w/{world.workspace}/apps/pipedrive/connect")
    assert (await admin.post(role, teammate=world.other)).status_code == 303
    assert (await admin.get(role)).status_code == 403
    assert (await heir.get(role)).status_code == 200
    # What the former admin had begun at a vendor's is not completed any more.
    late = await admin.through(leaving, account=world.pipedrive)
    assert (late.status_code, "not_the_admin" in late.text) == (400, True)
    audit = html.unescape((await heir.get(f"/w/{world.workspace}/audit")).text)
    assert "Handed the admin's role to Kim <b>Agent</b>" in audit
    assert "Installed Lull in the workspace" in audit


async def test_the_operator_names_a_new_admin_where_the_old_one_has_left(
    site: Any, admin: Any, world: Any
) -> None:
    path = f"/v1/workspaces/{world.workspace}/admin"
    answer = await site.operator("PUT", path, {"teammate_id": world.other})
    assert (answer.status_code, answer.json()["admin_id"]) == (200, world.other)
    assert (await admin.get(f"/w/{world.workspace}/admin")).status_code == 403
    unknown = await site.operator("PUT", "/v1/workspaces/nobody/admin", {"teammate_id": "1"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_workspace")


async def test_a_conversation_is_checked_by_id_or_link_and_synced_now(
    admin: Any, world: Any, settled: Any
) -> None:
    check = f"/w/{world.workspace}/check"
    link = f"https://app.intercom.com/a/inbox/{world.workspace}/inbox/conversation/215470000000077"
    page = (await admin.get(check, params={"conversation": link})).text
    assert "Sync to HubSpot now" in page
    assert "a service does not answer" in page  # debounce does not run here
    wrong = await admin.get(check, params={"conversation": "no id"})
    assert (wrong.status_code, "neither a conversation" in wrong.text) == (400, True)
    answer = await admin.post(
        f"/w/{world.workspace}/sync-now", conversation="215470000000077", app="hubspot"
    )
    assert answer.status_code == 303
    event = await settled.of(world.workspace, "215470000000077")
    assert (event["trigger"], event["app"]) == ("manual", "hubspot")
    assert "Asked." in (await admin.get(answer.headers["location"])).text
    not_there = await admin.post(
        f"/w/{world.workspace}/sync-now", conversation="1", app="pipedrive"
    )
    assert not_there.status_code == 404


async def test_of_several_accounts_the_admin_chooses_one_and_allows_it_once_more(
    site: Any, admin: Any, world: Any, simulators: Any
) -> None:
    control, unique = simulators.control, world.hubspot
    same = [{"id": "9", "email": f"sam@{unique}.example"}]
    for name in ("north", "south"):
        control.create_account(
            "dynamics365", f"{name}{unique}", name=f"{name.title()} <b>Ltd</b>", users=same
        )
    control.create_account("dynamics365", f"other{unique}")
    came = await admin.connect(world.workspace, "dynamics365", f"north{unique}")
    assert (came.status_code, await installation(site, world, "dynamics365")) == (200, None)
    assert "North &lt;b&gt;Ltd" in came.text
    addresses = re.findall(r'name="account" value="([^"]+)"', came.text)
    assert [address.rpartition("/")[2] for address in addresses] == [
        f"north{unique}",
        f"south{unique}",
    ]
    again = await admin.post(f"/w/{world.workspace}/apps/dynamics365/connect", account=addresses[1])
    came = await admin.through(again, account=f"north{unique}")
    assert came.status_code == 303, came.text
    access = (await site.crm_access(world.workspace, "dynamics365")).json()
    assert access["api_base"] == addresses[1]


async def test_pipedrives_activity_is_an_option_and_its_type_one_that_the_account_has(
    site: Any, admin: Any, world: Any, database: Any
) -> None:
    await admin.connect(world.workspace, "pipedrive", world.pipedrive)
    page, options = (f"/w/{world.workspace}/apps/pipedrive{end}" for end in ("", "/options"))
    usual = {"note_policy": "update", "time_zone": "Europe/Berlin"}
    told = await installation(site, world, "pipedrive")
    assert (told["activity_policy"], told["activity_type"]) == (None, None)
    for wrong in (
        {"activity_policy": "never", "activity_type": ""},
        {"activity_policy": "new", "activity_type": "a b"},
        {"activity_policy": "new"},
    ):
        assert (await admin.post(options, **usual, **wrong)).status_code == 400
    answer = await admin.post(options, **usual, activity_policy="new", activity_type="fax")
    said = html.unescape(answer.text)
    assert (answer.status_code, "no activity type 'fax'" in said) == (400, True)
    assert "call" in said  # what there is
    assert (await installation(site, world, "pipedrive"))["version"] == told["version"]
    await database.execute(
        "UPDATE connections SET warning = 'amiss' WHERE workspace_id = $1", world.workspace
    )
    assert "amiss" in (await admin.get(page)).text
    answer = await admin.post(options, **usual, activity_policy="new", activity_type="call")
    assert answer.status_code == 303
    told = await installation(site, world, "pipedrive")
    assert (told["activity_policy"], told["activity_type"]) == ("new", "call")
    shown = (await admin.get(page)).text
    assert "amiss" not in shown
    assert 'value="call"' in shown
    answer = await admin.post(options, **usual, activity_policy="", activity_type="")
    assert answer.status_code == 303
    told = await installation(site, world, "pipedrive")
    assert (told["activity_policy"], told["activity_type"]) == (None, None)
    shown = html.unescape((await admin.get(f"/w/{world.workspace}/audit")).text)
    assert "activity type to what Lull or the workspace has" in shown
    path = f"/v1/workspaces/{world.workspace}/apps/pipedrive/options"
    for given in ({"activity_policy": "new", "activity_type": "call"}, {"activity_type": None}):
        answer = await site.operator("PATCH", path, given)
        assert answer.status_code == 200, answer.text
    told = await installation(site, world, "pipedrive")
    assert (told["activity_policy"], told["activity_type"]) == ("new", None)
    refused = await site.operator("PATCH", path, {"activity_type": "fax"})
    assert (refused.status_code, refused.json()["code"]) == (409, "unknown_activity_type")
    # HubSpot has no activity beside the note, and its page no such option.
    assert "activity_type" not in (await admin.get(f"/w/{world.workspace}/apps/hubspot")).text
