"""`lull installations`, `toggle` and `sync-now`: what admins see and decide, for operators."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from lull.calling import EXIT_REFUSED, failure
from lull.replay import app_key
from lull.settings import Conversation, Workspace, app_name, ask, workspaces

App = Annotated[
    str, typer.Argument(parser=app_key, metavar="APP", help="The app's key, such as hubspot.")
]


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


def installations(
    workspace: Annotated[str | None, typer.Argument(help="Of this workspace alone.")] = None,
) -> None:
    """Which workspaces are connected, with which apps, and whether their sync is on.

    Exit codes: 0 answered; 1 refused, or no such workspace; 2 wrong usage or configuration; 3 no
    answer.
    """
    found = [one for one in workspaces() if workspace in (None, one["workspace_id"])]
    if workspace is not None and not found:
        raise failure(
            f"No workspace {workspace} is connected; `lull installations` lists those that are.",
            EXIT_REFUSED,
        )
    for one in found:
        key = one["workspace_id"]
        intercom = "" if one["connection"] == "connected" else ", Intercom needs a reconnect"
        typer.echo(f"{key}  {one['name']}  ({one['region']}, admin {one['admin_id']}{intercom})")
        apps = ask("GET", f"/v1/workspaces/{key}/apps")["apps"]
        for app in apps:
            typer.echo(f"  {_app_line(app)}")
        if not apps:
            typer.echo("  no app is installed")
    if not found:
        typer.echo("No workspace is connected yet.", err=True)


def toggle(
    workspace: Workspace,
    app: App,
    to: Annotated[Switch, typer.Argument(metavar="on|off", help="What it is to be.")],
) -> None:
    """Switch Transcript Sync of one app in one workspace on or off; the audit trail says so.

    On means from now on: what settled while it was off is not sent. Setting what is set changes
    nothing.

    Exit codes: 0 done; 1 refused, or not installed; 2 wrong usage or configuration; 3 no answer.
    """
    path = f"/v1/workspaces/{workspace}/apps/{app}/transcript-sync"
    changed = ask("PUT", path, {"on": to is Switch.ON})
    state = "on" if changed["transcript_sync"] else "off"
    typer.echo(f"Transcript Sync for {app_name(app)} in {workspace} is {state}.")


def sync_now(
    workspace: Workspace,
    conversation: Conversation,
    app: Annotated[
        str | None,
        typer.Option(parser=app_key, metavar="APP", help="To this app alone; all, if not given."),
    ] = None,
) -> None:
    """Ask for one conversation to be synced now, as its admin could; the audit trail says so.

    The toggle need not be on; whose conversation it is, and whether somebody wrote since the app
    was installed, is asked all the same.

    Exit codes: 0 asked; 1 refused, or not installed; 2 wrong usage or configuration; 3 no answer.
    """
    path = f"/v1/workspaces/{workspace}/sync-now"
    ask("POST", path, {"conversation_id": conversation, "app": app})
    typer.echo(f"Asked. What becomes of it: lull why {workspace} {conversation}")


def _app_line(app: dict[str, Any]) -> str:
    users = len(app["app_users"])
    paused = sum(user["paused"] for user in app["app_users"])
    parts = [
        f"{app['app']}: sync {'on' if app['transcript_sync'] else 'off'}",
        f"account {app['crm_account']}"
        + ("" if app["connection"] == "connected" else ", NEEDS A RECONNECT"),
        f"{users} app user{'s' * (users != 1)}" + (f", {paused} paused" if paused else ""),
        f"note policy {app['note_policy']}"
        + (", all conversations" if app["all_conversations"] else ""),
        f"installed {app['installed_at'][:19]}Z by {app['installed_by']}",
    ]
    if app.get("warning"):
        parts.append(f"warning: {app['warning']}")
    return "; ".join(parts)
