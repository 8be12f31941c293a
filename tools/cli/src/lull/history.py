"""`lull why` and `lull history`: what became of a conversation, or of a workspace's."""

from typing import Annotated, Any

import typer
from common.catalog import APPS

from lull.calling import call, loaded
from lull.config import LullConfig
from lull.pending import find, where_it_waits
from lull.replay import Apps, Outcomes, Reason, Since, Until

_WAITS = {
    "quiet": "until the conversation has been quiet for long enough",
    "reply": "until Intercom shows the reply that was announced",
    "retry": "to be tried again after a failure",
    "probe": "until it can be seen in the CRM whether an earlier write took effect",
    "settings": "for settings, which could not answer",
    "reconnect": "for the admin to connect the app again",
    "attempt": "for the attempt that is under way",
    "worker": "for a free worker",
}


def why(
    workspace: Annotated[str, typer.Argument(help="The workspace's id in Intercom.")],
    conversation: Annotated[str, typer.Argument(help="The conversation's id in Intercom.")],
) -> None:
    """What became of a conversation and why, in plain words.

    Exit codes: 0 answered; 1 refused; 2 wrong usage or configuration; 3 no answer.
    """
    config = loaded(LullConfig)
    pending = find(config, workspace, conversation)
    said = call(
        "delivery",
        config.delivery_url,
        "GET",
        f"/v1/deliveries/{workspace}/{conversation}",
        missing_is={"deliveries": []},
    )
    typer.echo(where_it_waits(pending))
    for entry in said["deliveries"]:
        typer.echo(_delivery(entry))
    if not said["deliveries"] and pending["pending"] is False:
        typer.echo(
            "Nothing was asked for it: no person has written since the app was installed, or the "
            "app is not installed in this workspace."
        )


def history(
    workspace: Annotated[str, typer.Argument(help="The workspace's id in Intercom.")],
    app: Apps = None,
    outcome: Outcomes = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Lines at most.")] = 50,
) -> None:
    """How a workspace's conversations ended last, newest first.

    Exit codes: 0 answered; 1 refused; 2 wrong usage or configuration; 3 no answer.
    """
    config = loaded(LullConfig)
    given = {"app": app, "outcome": outcome, "reason": reason, "since": since, "until": until}
    query: dict[str, Any] = {name: value for name, value in given.items() if value}
    left, cursor = limit, None
    while left > 0:
        page = call(
            "delivery",
            config.delivery_url,
            "GET",
            f"/v1/deliveries/{workspace}",
            params=query | {"limit": min(left, 500)} | ({"cursor": cursor} if cursor else {}),
        )
        for entry in page["deliveries"]:
            last = entry["last"]
            why = f" ({last['reason']})" if last["reason"] else ""
            typer.echo(
                f"{last['decided_at'][:19]}Z  {entry['conversation_id']}  {entry['app']}  "
                f"{last['outcome']}{why}"
            )
        left -= len(page["deliveries"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    if left == limit:
        typer.echo("Nothing ended in this workspace that answers to this.", err=True)
    elif cursor is not None:
        typer.echo(f"There is more; see --limit (now {limit}).", err=True)


def _delivery(entry: dict[str, Any]) -> str:
    name = APPS[entry["app"]].name if entry["app"] in APPS else entry["app"]
    lines = [f"{name} (account {entry['crm_account']}):"]
    last, waiting = entry["last"], entry["waiting"]
    if last is not None:
        why = f" Reason: {last['reason']}." if last["reason"] else ""
        lines.append(f"  {last['sentence']}{why} ({last['outcome']}, {last['decided_at']})")
    if waiting is not None:
        triggers = ", ".join(request["trigger"] for request in entry["open"])
        lines.append(
            f"  Asked for ({triggers}), and waits {_WAITS.get(waiting['for'], waiting['for'])}"
            + (f", till {waiting['until']}" if waiting["until"] else "")
            + (f"; reason: {waiting['reason']}" if waiting["reason"] else "")
            + (
                f"; {waiting['failed_attempts']} failed so far"
                if waiting["failed_attempts"]
                else ""
            )
            + "."
        )
    ids = [("person", "person_id"), ("note", "note_id"), ("activity", "activity_id")]
    known = [f"{what} {entry[key]}" for what, key in ids if entry[key]]
    if known:
        lines.append(f"  In the CRM: {', '.join(known)}.")
    return "\n".join(lines)
