"""`lull pending`: what waits for quiet, from every replica of debounce."""

from typing import Annotated, Any

import typer

from lull.calling import call, loaded
from lull.config import LullConfig
from lull.settings import Workspace, conversation_id

MaybeConversation = Annotated[
    str | None,
    typer.Argument(
        parser=conversation_id,
        metavar="[CONVERSATION]",
        help="This one alone: until when it waits.",
    ),
]


def pending(
    workspace: Workspace,
    conversation: MaybeConversation = None,
) -> None:
    """How many conversations of a workspace wait for quiet, or until when one of them does.

    Every replica of debounce knows those of its own partitions: LULL_DEBOUNCE_URL names them all,
    comma-separated.

    Exit codes: 0 answered; 1 refused; 2 wrong usage or configuration; 3 no answer.
    """
    config = loaded(LullConfig)
    if conversation is not None:
        typer.echo(where_it_waits(find(config, workspace, conversation)))
        return
    counts = [
        call("debounce", url, "GET", f"/v1/pending/{workspace}")["pending"]
        for url in config.debounce_url
    ]
    count = sum(counts)
    typer.echo(f"{count:,} conversation{'s' * (count != 1)} wait{'s' * (count == 1)} for quiet.")
    typer.echo(f"By {len(counts)} replica(s) of debounce.", err=True)


def find(config: LullConfig, workspace: str, conversation: str) -> dict[str, Any]:
    """The answer of the replica whose partition it is; else what the last one said."""
    answer: dict[str, Any] = {}
    for url in config.debounce_url:
        answer = call("debounce", url, "GET", f"/v1/pending/{workspace}/{conversation}")
        if answer["pending"] is not None:
            break
    return answer


def where_it_waits(answer: dict[str, Any]) -> str:
    if answer["pending"] is None:
        return (
            f"Whether it waits for quiet is known to another replica of debounce "
            f"({answer['owner'] or 'none at present'}): name it in LULL_DEBOUNCE_URL too."
        )
    if answer["pending"]:
        return (
            f"It waits for quiet and is due at {answer['due_at']} "
            f"(last update {answer['updated_at']})."
        )
    if not answer["caught_up"]:
        return "It is not known to wait for quiet, but debounce has not read all there is yet."
    return "It does not wait for quiet."
