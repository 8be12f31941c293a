"""`lull replay`: what was not written is asked for again."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer
from common.catalog import APPS
from common.config import accepted, sent
from common.outcomes import Outcome

from lull.calling import EXIT_USAGE, call, failure, loaded
from lull.config import LullConfig


def instant(raw: str) -> str:
    """An instant as the API takes it."""
    try:
        at = datetime.fromisoformat(raw)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise typer.BadParameter("an instant with its offset, such as 2026-11-22T10:15:00Z")
    return at.isoformat()


def app_key(raw: str) -> str:
    if raw not in APPS:
        raise typer.BadParameter(f"one of {', '.join(APPS)}")
    return raw


def outcome_name(raw: str) -> str:
    if raw not in {outcome.value for outcome in Outcome}:
        raise typer.BadParameter(f"one of {', '.join(Outcome)}")
    return raw


Workspace = Annotated[str | None, typer.Option("--workspace", "-w", help="Of this workspace.")]
Apps = Annotated[
    list[str] | None, typer.Option("--app", parser=app_key, metavar="APP", help="To this app.")
]
Outcomes = Annotated[
    list[str] | None,
    typer.Option(
        "--outcome",
        parser=outcome_name,
        metavar="OUTCOME",
        help="That ended so; may be given several times.",
    ),
]
Reason = Annotated[str | None, typer.Option(help="With this reason code.")]
Since = Annotated[
    str | None,
    typer.Option(parser=instant, metavar="INSTANT", help="Decided then or later."),
]
Until = Annotated[
    str | None, typer.Option(parser=instant, metavar="INSTANT", help="Decided before then.")
]


def replay(
    workspace: Workspace = None,
    conversation: Annotated[
        str | None,
        typer.Option("--conversation", "-c", help="Of this one; its workspace is needed too."),
    ] = None,
    app: Apps = None,
    outcome: Outcomes = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Where nothing else narrows it down.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it begins.")] = False,
) -> None:
    """Ask again for what was not written; the count is shown first.

    Every outcome but delivered, up_to_date and superseded can be replayed; where no --outcome is
    given, all that left something unwritten is meant. Each conversation is judged afresh: the
    toggle is asked, Intercom is read, the person is looked up. What is waiting needs no replay.

    Exit codes: 0 done, or nothing to do; 1 refused; 2 wrong usage or configuration, or not
    confirmed; 3 delivery did not answer.

    For example, after a CRM's outage:  lull replay --app hubspot --outcome failed --since
    2026-11-22T08:00:00Z --dry-run
    """
    config = loaded(LullConfig)
    if config.delivery_operator_token is None or not accepted(config.delivery_operator_token):
        raise failure(
            "Replaying needs the operator's credential: set LULL_DELIVERY_OPERATOR_TOKEN, the same "
            "here and at delivery.",
            EXIT_USAGE,
        )
    token = sent(config.delivery_operator_token)
    selection = {
        "workspace_id": workspace,
        "conversation_id": conversation,
        "apps": app or [],
        "outcomes": outcome or [],
        "reason": reason,
        "since": since,
        "until": until,
        "everything": everything,
    }

    def ask(**more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = call(
            "delivery",
            config.delivery_url,
            "POST",
            "/v1/replays",
            json=selection | more,
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer

    counted = ask(dry_run=True)
    for line in counted["by"]:
        why = f" ({line['reason']})" if line["reason"] else ""
        typer.echo(
            f"{line['count']:>9,}  {line['app']}  {line['outcome']}{why}  {line['sentence']}"
        )
    count: int = counted["count"]
    if count == 0:
        typer.echo("Nothing to replay.")
        return
    typer.echo(f"{count:>9,}  in all")
    if dry_run:
        typer.echo("Nothing was changed (--dry-run).")
        return
    if not yes:
        _confirm(count)
    # Only what was counted: what fails again meanwhile is not replayed once more.
    _replay_all(lambda **more: ask(dry_run=False, until=counted["until"], **more), count)


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise failure("Not confirmed: this is no terminal, so say --yes.", EXIT_USAGE)
    if not typer.confirm(f"Replay {count:,}?"):
        raise failure("Not confirmed; nothing was changed.", EXIT_USAGE)


def _replay_all(ask: Callable[..., dict[str, Any]], count: int) -> None:
    asked = already_open = 0
    after: list[Any] | None = None
    with _progress(count) as advance:
        while True:
            done = ask(after=after)
            asked += done["asked"]
            already_open += done["already_open"]
            advance(done["asked"] + done["already_open"])
            after = done["after"]
            if after is None:
                break
    typer.echo(f"Asked again for {asked:,}.")
    if already_open:
        typer.echo(f"{already_open:,} needed no replay: the same is being asked for already.")
    typer.echo("How they end: lull history, or lull why for one of them.")


@contextmanager
def _progress(count: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; nothing where the output goes elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Replaying", total=count)
        yield lambda number: bar.advance(task, number)
