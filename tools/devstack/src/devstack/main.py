"""`lull-devstack`: both servers from the command line."""

import shlex
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from devstack.choice import KAFKA_ADDRESS, POSTGRES_ADDRESS
from devstack.errors import DevStackError
from devstack.jars import ensure_jars, jars_dir, kafka_version, pinned_jars
from devstack.pins import pin as write_pins
from devstack.stack import DevStack, Stack, choices
from devstack.warm import warm

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Real Kafka and PostgreSQL for development.",
)

DEFAULT_DIR = Path(".lull/devstack")
DataDir = Annotated[Path, typer.Option(help="Where data, logs and pid files lie.")]


def _say(line: str) -> None:
    """Progress goes to standard error: standard output is for what a script reads."""
    typer.echo(line, err=True)


@app.command()
def up(
    data_dir: DataDir = DEFAULT_DIR,
    kafka_port: Annotated[int | None, typer.Option(help="Else a free one.")] = None,
    postgres_port: Annotated[int | None, typer.Option(help="Else a free one.")] = None,
) -> None:
    """Run both in the foreground until Ctrl-C; their addresses are printed as for `env`."""
    stopped = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopped.set()
        if not running:
            raise KeyboardInterrupt

    running = False
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, stop)
    stack = DevStack(data_dir, on_progress=_say, kafka_port=kafka_port, postgres_port=postgres_port)
    with stack:
        running = True
        data_dir.mkdir(parents=True, exist_ok=True)
        address_file(data_dir).write_text(exports(stack.stack))
        typer.echo(exports(stack.stack), nl=False)
        _say("Running. Ctrl-C stops both.")
        try:
            stopped.wait()
        finally:
            address_file(data_dir).unlink(missing_ok=True)
    _say("Stopped.")


@app.command()
def env(data_dir: DataDir = DEFAULT_DIR) -> None:
    """Print `export` lines for the stack that `up` runs: eval "$(lull-devstack env)"."""
    try:
        typer.echo(address_file(data_dir).read_text(), nl=False)
    except FileNotFoundError:
        raise DevStackError(
            f"No stack runs in {data_dir}: start one with `lull-devstack up`."
        ) from None


@app.command()
def fetch() -> None:
    """Download Kafka's jars, check them, and start nothing."""
    ensure_jars(_say)
    _say(f"Kafka {kafka_version(pinned_jars())} is in {jars_dir()}")


@app.command("warm")
def warm_up() -> None:
    """Prepare Kafka for fast starts, once; only where it comes from packages."""
    kafka, _ = choices(kafka=True, postgres=False, say=_say)
    if kafka is not None and kafka.source == "packages":
        warm(_say)


@app.command()
def pin(version: Annotated[str, typer.Argument(help="As 4.1.2")]) -> None:
    """Write the list of pinned jars anew, for this version of Kafka."""
    _say(f"Wrote {write_pins(version, _say)}")


@app.command()
def where() -> None:
    """Say which source would be taken, and why."""
    for choice in choices(kafka=True, postgres=True, say=_say):
        if choice:
            typer.echo(choice.why)


def address_file(data_dir: Path) -> Path:
    return data_dir / "env.sh"


def exports(stack: Stack) -> str:
    values = {KAFKA_ADDRESS: stack.kafka_bootstrap, POSTGRES_ADDRESS: stack.postgres_dsn}
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def main() -> None:
    """One sentence instead of a stack trace for what a person can mend."""
    try:
        app()
    except DevStackError as error:
        _say(str(error))
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
