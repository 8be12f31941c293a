"""Changing an installation: what consumers are told, what the audit trail keeps."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

pytestmark = pytest.mark.integration


async def test_the_toggle_is_announced_once_per_change(
    replicas: list[Any], install: Callable[..., Any], changes: Any, database: Any
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/transcript-sync"
    for n, on in enumerate([True, True, False, True]):
        answer = await replicas[n % 2].operator("PUT", path, {"on": on})
        assert (answer.status_code, answer.json()["transcript_sync"]) == (200, on)
    await changes.of(made.workspace, "hubspot", version=4)
    told = [
        event["version"]
        for event in changes.seen
        if (event["workspace_id"], event["app"]) == (made.workspace, "hubspot")
    ]
    assert told == [1, 2, 3, 4]
    rows = await database.fetch(
        "SELECT actor, detail FROM audit WHERE workspace_id = $1 AND action = 'transcript_sync'"
        " ORDER BY id",
        made.workspace,
    )
    assert [(row["actor"], row["detail"]) for row in rows] == [
        ("operator", '{"on": true}'),
        ("operator", '{"on": false}'),
        ("operator", '{"on": true}'),
    ]


async def test_a_toggle_is_announced_within_a_second(
    replicas: list[Any], install: Callable[..., Any], changes: Any
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/transcript-sync"
    await changes.of(made.workspace, "hubspot", version=1)
    for version, on in enumerate((True, False, True), start=2):
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        await replicas[version % 2].operator("PUT", path, {"on": on})
        await changes.of(made.workspace, "hubspot", version=version)
        assert loop.time() - asked_at < 1.0


async def test_a_hundred_toggles_at_once_are_announced_in_the_order_of_their_versions(
    replicas: list[Any], install: Callable[..., Any], changes: Any
) -> None:
    made = await install("pipedrive")
    path = f"/v1/workspaces/{made.workspace}/apps/pipedrive/transcript-sync"
    answers = await asyncio.gather(
        *(replicas[n % 2].operator("PUT", path, {"on": n % 3 == 0}) for n in range(100))
    )
    assert {answer.status_code for answer in answers} == {200}
    found = (await replicas[0].ask("GET", f"/installations/{made.workspace}/pipedrive")).json()
    await changes.of(made.workspace, "pipedrive", version=found["version"])
    told = [event["version"] for event in changes.seen if event["workspace_id"] == made.workspace]
    assert told == list(range(1, found["version"] + 1))


async def test_only_listed_users_who_are_not_paused_are_active(
    replicas: list[Any], install: Callable[..., Any], changes: Any
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/app-users"
    users = [{"id": "5001", "paused": False}, {"id": "5002", "paused": True}, {"id": "5003"}]
    assert (await replicas[0].operator("PUT", path, {"users": users})).status_code == 200
    found = (await replicas[1].ask("GET", f"/installations/{made.workspace}/hubspot")).json()
    assert sorted(found["active_app_users"]) == ["5001", "5003"]
    assert found["paused_app_users"] == ["5002"]
    again = await replicas[0].operator("PUT", path, {"users": users[::-1]})
    assert again.json()["version"] == found["version"] == 2
    await changes.of(made.workspace, "hubspot", version=2)
    twice = await replicas[0].operator("PUT", path, {"users": [users[0], users[0]]})
    assert twice.status_code == 422


async def test_options_are_changed_one_by_one(
    replicas: list[Any], install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/options"
    for options in (
        {"note_policy": "new"},
        {"all_conversations": True},
        {"time_zone": "Asia/Tokyo"},
    ):
        assert (await replicas[0].operator("PATCH", path, options)).status_code == 200
    found = (await replicas[0].ask("GET", f"/installations/{made.workspace}/hubspot")).json()
    assert found["version"] == 4
    assert found["note_policy"] == "new"
    assert found["all_conversations"] is True
    assert found["time_zone"] == "Asia/Tokyo"
    for wrong in ({"note_policy": "none"}, {"time_zone": "Mars/Base"}, {"on": True}):
        assert (await replicas[0].operator("PATCH", path, wrong)).status_code == 422


async def test_changing_one_workspace_leaves_every_other_as_it_was(
    replicas: list[Any], install: Callable[..., Any], database: Any
) -> None:
    mine, other = await install("hubspot"), await install("hubspot")
    tables = ("installations", "app_users", "connections", "intercom_connections")

    async def rows() -> list[Any]:
        return [
            await database.fetch(
                f"SELECT * FROM {table} WHERE workspace_id <> $1",  # noqa: S608
                mine.workspace,
            )
            for table in tables
        ]

    before = await rows()
    app = f"/v1/workspaces/{mine.workspace}/apps/hubspot"
    await replicas[0].operator("PUT", f"{app}/transcript-sync", {"on": True})
    await replicas[0].operator("PUT", f"{app}/app-users", {"users": [{"id": "1"}]})
    await replicas[0].operator("PATCH", f"{app}/options", {"note_policy": "new"})
    await replicas[0].operator("DELETE", app)
    assert await rows() == before
    found = await replicas[0].ask("GET", f"/installations/{other.workspace}/hubspot")
    assert found.json()["version"] == 1


async def test_sync_now_asks_delivery_to_look_at_one_conversation(
    replicas: list[Any], install: Callable[..., Any], settled: Any
) -> None:
    made = await install("hubspot")
    path = f"/v1/workspaces/{made.workspace}/sync-now"
    answer = await replicas[0].operator(
        "POST", path, {"conversation_id": "215470000000001", "app": "hubspot"}
    )
    assert answer.status_code == 202
    event = await settled.of(made.workspace, "215470000000001")
    assert event == {
        "workspace_id": made.workspace,
        "conversation_id": "215470000000001",
        "trigger": "manual",
        "app": "hubspot",
        "action_id": answer.json()["action_id"],
    }
    unknown = await replicas[0].operator(
        "POST", "/v1/workspaces/nobody/sync-now", {"conversation_id": "1"}
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_workspace")


async def test_the_audit_trail_cannot_be_rewritten_by_the_services_own_role(
    install: Callable[..., Any], database: Any
) -> None:
    made = await install("hubspot")
    for statement in (
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "TRUNCATE audit",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.execute(statement)
    # Nor after it has granted itself the right.
    await database.execute("GRANT UPDATE, DELETE, TRUNCATE ON audit TO CURRENT_USER")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.execute("DELETE FROM audit")
    actions = await database.fetch(
        "SELECT action FROM audit WHERE workspace_id = $1 ORDER BY id", made.workspace
    )
    assert [row["action"] for row in actions] == ["workspace_installed", "installed"]


async def test_eligibility_is_judged_by_the_trigger_table_for_a_whole_batch(
    replicas: list[Any], install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    found = (await replicas[0].ask("GET", f"/installations/{made.workspace}/hubspot")).json()
    installed_at = datetime.fromisoformat(found["installed_at"])
    after, before = ((installed_at + timedelta(seconds=sign * 10)).isoformat() for sign in (1, -1))
    asked: dict[str, Any] = {
        "workspace_id": made.workspace,
        "app": "hubspot",
        "last_updated_at": after,
        "assignee_id": made.admin,
    }
    table: list[tuple[dict[str, Any], str | None]] = [
        ({"trigger": "quiet"}, "sync_off"),
        ({"trigger": "backfill"}, "sync_off"),
        ({"trigger": "manual"}, None),
        ({"trigger": "manual", "last_updated_at": before}, "not_installed_then"),
        ({"trigger": "manual", "assignee_id": None, "team_assigned": True}, "team_only"),
        ({"trigger": "action", "actor_id": made.admin}, None),
        ({"trigger": "action", "actor_id": "999"}, "actor_not_app_user"),
        ({"trigger": "removed"}, None),
        ({"trigger": "quiet", "app": "pipedrive"}, "uninstalled"),
        ({"trigger": "quiet", "workspace_id": "nobody"}, "uninstalled"),
    ]
    answer = await replicas[0].ask(
        "POST", "/eligibility", {"queries": [asked | t[0] for t in table]}
    )
    assert answer.json()["answers"] == [
        {"eligible": reason is None, "reason": reason} for _, reason in table
    ]
    path = f"/v1/workspaces/{made.workspace}/apps/hubspot/transcript-sync"
    await replicas[1].operator("PUT", path, {"on": True})
    table = [
        ({"trigger": "quiet"}, None),
        ({"trigger": "quiet", "last_updated_at": before}, "not_installed_then"),
        ({"trigger": "backfill", "last_updated_at": before}, None),
        ({"trigger": "quiet", "last_updated_at": None}, "nobody_spoke"),
        ({"trigger": "quiet", "assignee_id": "999"}, "no_active_assignee"),
        ({"trigger": "quiet", "assignee_id": None}, "no_active_assignee"),
    ]
    answer = await replicas[0].ask(
        "POST", "/eligibility", {"queries": [asked | t[0] for t in table]}
    )
    assert answer.json()["answers"] == [
        {"eligible": reason is None, "reason": reason} for _, reason in table
    ]


async def test_many_installations_are_read_at_once_each_as_it_is_now(
    replicas: list[Any], install: Callable[..., Any]
) -> None:
    one, other = await install("hubspot"), await install("hubspot")
    keys = [(one.workspace, "hubspot"), ("nobody", "hubspot"), (other.workspace, "hubspot")]
    asked = {"asked": [{"workspace_id": space, "app": app} for space, app in keys]}

    async def found() -> list[Any]:
        answer = await replicas[0].ask("POST", "/installations", asked)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["installations"])

    first, missing, last = await found()
    assert missing is None
    single = await replicas[0].ask("GET", f"/installations/{one.workspace}/hubspot")
    assert first == single.json()
    assert (last["workspace_id"], last["transcript_sync"]) == (other.workspace, False)
    path = f"/v1/workspaces/{other.workspace}/apps/hubspot/transcript-sync"
    await replicas[1].operator("PUT", path, {"on": True})
    assert [(await found())[place]["transcript_sync"] for place in (0, 2)] == [False, True]
