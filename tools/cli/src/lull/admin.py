"""`lull admin`: whose settings a workspace's are, for an admin who has left."""

import typer

from lull.calling import EXIT_REFUSED, failure
from lull.settings import Teammate, Workspace, ask, workspaces

admin = typer.Typer(
    help="The admin of a workspace: the one teammate who sees and changes its settings.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@admin.command()
def show(workspace: Workspace) -> None:
    """Who the admin is, by their id in Intercom.

    Exit codes: 0 answered; 1 refused, or no such workspace; 2 wrong usage or configuration; 3 no
    answer.
    """
    for one in workspaces():
        if one["workspace_id"] == workspace:
            typer.echo(one["admin_id"])
            return
    raise failure(
        f"No workspace {workspace} is connected; `lull installations` lists those that are.",
        EXIT_REFUSED,
    )


@admin.command(name="set")
def set_(workspace: Workspace, teammate: Teammate) -> None:
    """Give the role to another teammate; the audit trail says so.

    The id is the one in the address of the teammate's page in Intercom (Settings, Teammates).
    Connections and switches stay as they are.

    Exit codes: 0 done; 1 refused, or no such workspace; 2 wrong usage or configuration; 3 no
    answer.
    """
    changed = ask("PUT", f"/v1/workspaces/{workspace}/admin", {"teammate_id": teammate})
    typer.echo(f"The admin of {workspace} is teammate {changed['admin_id']}.")
