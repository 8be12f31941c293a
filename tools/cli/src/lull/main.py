"""`lull`: the command for the people who run it."""

from importlib.metadata import version
from typing import Annotated

import typer

from lull.admin import admin
from lull.doctor.command import doctor
from lull.history import history, why
from lull.installations import installations, sync_now, toggle
from lull.ledger import ledger
from lull.pending import pending
from lull.replay import replay
from lull.topics import topics

app = typer.Typer(
    name="lull",
    help="Runs and repairs a Lull installation. Configured by LULL_... variables, "
    "see docs/configuration.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, secrets among them
    rich_markup_mode=None,
)
app.command()(why)
app.command()(history)
app.command()(pending)
app.command()(replay)
app.command()(sync_now)
app.command()(installations)
app.command()(toggle)
app.add_typer(admin, name="admin")
app.add_typer(topics, name="topics")
app.command()(doctor)
app.add_typer(ledger, name="ledger")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lull {version('lull-cli')}")
        raise typer.Exit


@app.callback()
def _lull(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    pass
