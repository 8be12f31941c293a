"""`lull installations`, `toggle`, `sync-now`, `pending`, `admin`: what operators see and decide."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
WORKSPACE = {
    "workspace_id": "wk1",
    "region": "EU",
    "name": "Acme",
    "time_zone": "Europe/Berlin",
    "admin_id": "5001",
    "connection": "connected",
}
APP: dict[str, Any] = {
    "app": "hubspot",
    "version": 3,
    "installed_at": "2026-11-20T08:00:00.123456Z",
    "installed_by": "5001",
    "transcript_sync": True,
    "note_policy": "update",
    "all_conversations": False,
    "time_zone": None,
    "crm_account": "42001",
    "connection": "connected",
    "warning": None,
    "app_users": [{"id": "5001", "paused": False}, {"id": "5002", "paused": True}],
}


@pytest.fixture
def asked(lull_here: Run, services: Any) -> Run:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {
            "LULL_SETTINGS_URL": services.url,
            "LULL_DEBOUNCE_URL": services.url,
            "LULL_SETTINGS_OPERATOR_TOKEN": "hush-hush",
        }
        return lull_here(*arguments, **given | variables)

    return run


def test_installations_are_listed_with_what_asks_for_a_hand(asked: Run, services: Any) -> None:
    lost = WORKSPACE | {"workspace_id": "wk2", "connection": "reconnect_needed"}
    pages = {"workspaces": [WORKSPACE], "next_after": "wk1"}, {"workspaces": [lost]}
    services.answer("/v1/workspaces", *pages)
    cut = APP | {
        "app": "pipedrive",
        "connection": "reconnect_needed",
        "transcript_sync": False,
        "all_conversations": True,
        "note_policy": "new",
        "app_users": [],
        "warning": "No such type.",
    }
    services.answer("/v1/workspaces/wk1/apps", {"apps": [APP, cut]})
    services.answer("/v1/workspaces/wk2/apps", {"apps": []})
    done = asked("installations")
    assert (done.returncode, done.stderr) == (0, "")
    cut_off = "sync off; account 42001, NEEDS A RECONNECT; 0 app users; note policy new"
    since = "installed 2026-11-20T08:00:00Z by 5001"
    assert done.stdout.splitlines() == [
        "wk1  Acme  (EU, admin 5001)",
        f"  hubspot: sync on; account 42001; 2 app users, 1 paused; note policy update; {since}",
        f"  pipedrive: {cut_off}, all conversations; {since}; warning: No such type.",
        "wk2  Acme  (EU, admin 5001, Intercom needs a reconnect)",
        "  no app is installed",
    ]
    assert {one["authorization"] for one in services.asked} == {"Bearer hush-hush"}
    only = asked("installations", "wk2")
    assert only.stdout.splitlines()[0].startswith("wk2")
    none = asked("installations", "wk3")
    assert (none.returncode, "No workspace wk3 is connected" in none.stderr) == (1, True)


def test_an_empty_deployment_says_so(asked: Run, services: Any) -> None:
    services.answer("/v1/workspaces", {"workspaces": []})
    done = asked("installations")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "No workspace is connected yet.\n"


@pytest.mark.parametrize("on", [True, False])
def test_the_toggle_is_switched(asked: Run, services: Any, on: bool) -> None:
    path = "/v1/workspaces/wk1/apps/hubspot/transcript-sync"
    services.answer(path, APP | {"transcript_sync": on})
    state = "on" if on else "off"
    done = asked("toggle", "wk1", "hubspot", state)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Transcript Sync for HubSpot in wk1 is {state}.\n"
    (sent,) = services.asked
    assert (sent["method"], sent["body"]) == ("PUT", {"on": on})


@pytest.mark.parametrize(
    ("arguments", "app"), [((), None), (("--app", "hubspot"), "hubspot")], ids=["all", "one"]
)
def test_a_conversation_is_asked_for(
    asked: Run, services: Any, arguments: tuple[str, ...], app: str | None
) -> None:
    services.answer("/v1/workspaces/wk1/sync-now", {"action_id": "a-1"}, status=202)
    done = asked("sync-now", "wk1", "215470000000001", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "lull why wk1 215470000000001" in done.stdout
    (sent,) = services.asked
    assert (sent["method"], sent["body"]) == (
        "POST",
        {"conversation_id": "215470000000001", "app": app},
    )


def test_the_admin_is_shown_and_set(asked: Run, services: Any) -> None:
    services.answer("/v1/workspaces", {"workspaces": [WORKSPACE]})
    assert asked("admin", "show", "wk1").stdout == "5001\n"
    unknown = asked("admin", "show", "wk2")
    assert (unknown.returncode, "No workspace wk2" in unknown.stderr) == (1, True)
    services.answer("/v1/workspaces/wk1/admin", WORKSPACE | {"admin_id": "5002"})
    done = asked("admin", "set", "wk1", "5002")
    assert (done.returncode, done.stdout) == (0, "The admin of wk1 is teammate 5002.\n")
    assert (services.asked[-1]["method"], services.asked[-1]["body"]) == (
        "PUT",
        {"teammate_id": "5002"},
    )


def test_what_waits_is_summed_over_the_replicas_of_debounce(asked: Run, services: Any) -> None:
    services.answer("/v1/pending/wk1", {"pending": 1_300}, {"pending": 4})
    two = f"{services.url},{services.url}"
    done = asked("pending", "wk1", LULL_DEBOUNCE_URL=two)
    assert (done.returncode, done.stdout) == (0, "1,304 conversations wait for quiet.\n")


def test_the_replica_that_knows_says_when_a_conversation_is_due(asked: Run, services: Any) -> None:
    due = {"pending": True, "due_at": "2026-11-22T12:15:00+00:00", "updated_at": "12:00"}
    services.answer("/v1/pending/wk1/7", {"pending": None, "owner": "debounce-1"}, due)
    two = f"{services.url},{services.url}"
    done = asked("pending", "wk1", "7", LULL_DEBOUNCE_URL=two)
    assert (done.returncode, "due at 2026-11-22T12:15:00+00:00" in done.stdout) == (0, True)
    services.answer("/v1/pending/wk1/7", {"pending": None, "owner": "debounce-1"})
    elsewhere = asked("pending", "wk1", "7")
    assert "debounce-1): name it in LULL_DEBOUNCE_URL too" in elsewhere.stdout


COMMANDS: list[tuple[str, ...]] = [
    ("installations",),
    ("toggle", "wk1", "hubspot", "on"),
    ("sync-now", "wk1", "7"),
    ("admin", "show", "wk1"),
    ("admin", "set", "wk1", "5002"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_says_what_to_do_where_it_cannot(
    asked: Run, services: Any, command: tuple[str, ...]
) -> None:
    path = {
        "toggle": "/v1/workspaces/wk1/apps/hubspot/transcript-sync",
        "sync-now": "/v1/workspaces/wk1/sync-now",
        "set": "/v1/workspaces/wk1/admin",
    }.get(command[1] if command[0] == "admin" else command[0], "/v1/workspaces")
    for status, code, title in ((404, 1, "not installed"), (503, 3, "the database is away")):
        services.answer(path, {"title": title}, status=status)
        done = asked(*command)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr == f"settings refused ({status}): {title}\n"
    away = asked(*command, LULL_SETTINGS_URL="http://127.0.0.1:9")
    assert (away.returncode, "is LULL_SETTINGS_URL right?" in away.stderr) == (3, True)
    keyless = asked(*command, LULL_SETTINGS_OPERATOR_TOKEN="")
    assert (keyless.returncode, "set LULL_SETTINGS_OPERATOR_TOKEN" in keyless.stderr) == (2, True)


def test_a_slip_on_the_command_line_is_told_before_anything_is_asked(
    asked: Run, services: Any
) -> None:
    wrong = {
        ("toggle", "wk 1", "hubspot", "on"): "a workspace's id",
        ("toggle", "wk1", "fax", "on"): "one of hubspot",
        ("toggle", "wk1", "hubspot", "maybe"): "'on', 'off'",
        ("sync-now", "wk1", "12a"): "digits alone",
        ("pending", "wk1", "12a"): "digits alone",
        ("admin", "set", "wk1", "Sam Agent"): "a teammate's id",
    }
    for arguments, says in wrong.items():
        done = asked(*arguments)
        assert (done.returncode, says in " ".join(done.stderr.split())) == (2, True), done.stderr
    assert services.asked == []


@pytest.mark.parametrize(
    "command", ["installations", "toggle", "sync-now", "pending", "admin", "admin set"]
)
def test_each_explains_itself(lull_here: Run, command: str) -> None:
    done = lull_here(*command.split(), "--help")
    assert (done.returncode, "typing." in done.stdout) == (0, False)
    assert "Usage: lull" in done.stdout
