"""`make demo`, `make demo-kill`, `make up`, `make down`."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psutil
import typer
from devstack import DevStackError

from demo import show
from demo.addresses import addresses
from demo.environment import Ports, from_file
from demo.install import InstallFailed
from demo.kill import Killer
from demo.product import Product
from demo.run import Demo
from demo.scenario import USUAL, load

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

FOLDER = Path(".lull")
DEMO_QUIET_S = 4.0
UP_QUIET_S = 15.0

ScenarioFile = Annotated[Path, typer.Option(help="What is played, and what must come of it.")]
QuietPeriod = Annotated[float, typer.Option(help="Seconds; 900 in production.")]


@app.command("demo")
def demo(
    scenario: ScenarioFile = USUAL,
    quiet: QuietPeriod = DEMO_QUIET_S,
    patience: Annotated[
        float, typer.Option(help="Seconds that notes may take after the last message.")
    ] = 60.0,
    stay: Annotated[
        bool | None, typer.Option(help="Keep it running at the end; by default in a terminal.")
    ] = None,
) -> None:
    """Start everything, play scripted conversations, and judge what became of each."""
    progress = show.Progress()
    product = _fresh_product("demo", quiet, progress.say)

    show.quiet_period(quiet)
    with _stopped_at_the_end(product):
        with progress.shown():
            product.start()
            report = Demo(product.system, load(scenario), progress.say).run(deadline_s=patience)
        show.report(report)
        addresses(product)
        if (sys.stdin.isatty() if stay is None else stay) and report.right:
            show.console.print("Still running: look around. Ctrl-C ends it.")
            _until_interrupted(product)
    raise typer.Exit(0 if report.right else 1)


@app.command("kill")
def kill(
    scenario: ScenarioFile = USUAL,
    quiet: QuietPeriod = DEMO_QUIET_S,
    rounds: Annotated[int, typer.Option(help="How often each process is killed.")] = 1,
) -> None:
    """Play the demo while every process is killed -9 in turn; judged by the CRMs' stores alone."""
    progress = show.Progress()
    product = _fresh_product("demo-kill", quiet, progress.say)
    killer = Killer(product, progress.say, rounds)
    show.quiet_period(quiet)
    with _stopped_at_the_end(product):
        with progress.shown():
            product.start()
            report = Demo(product.system, load(scenario), progress.say, webhook_retry_s=15.0).run(
                after_round=lambda _: killer.strike(),
                while_waiting=killer.strike,
                by_outcomes=False,
                deadline_s=180.0,
            )
        show.report(report)
        show.console.print(f"Killed with -9 and started again: {', '.join(killer.killed)}.")
    raise typer.Exit(0 if report.right else 1)


@app.command("up")
def up(
    live: Annotated[
        Path | None,
        typer.Option(help="Env file with real credentials; without it, simulators are used."),
    ] = None,
    quiet: Annotated[float | None, typer.Option(help="Seconds of quiet.")] = None,
    replicas: Annotated[int, typer.Option(min=1, max=8, help="Of each service.")] = 1,
) -> None:
    """Start everything on its usual ports and leave it running; `down` ends it."""
    folder = FOLDER / "up"
    if _running(folder) is not None:
        show.console.print("It is up already. `make down` ends it.")
        raise typer.Exit(1)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "up.log"
    command = [sys.executable, "-m", "demo.main", "serve"]
    command += ["--live", str(live)] if live else []
    command += ["--quiet", str(quiet)] if quiet else []
    command += ["--replicas", str(replicas)]
    (folder / "ready").unlink(missing_ok=True)
    with log.open("w") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    (folder / "pid").write_text(str(child.pid))
    with show.console.status("Starting"):
        while child.poll() is None and not (folder / "ready").exists():
            time.sleep(0.1)
    show.console.print(log.read_text().strip())
    raise typer.Exit(0 if child.poll() is None else 1)


@app.command("serve", hidden=True)
def serve(live: Path | None = None, quiet: float | None = None, replicas: int = 1) -> None:
    """The process behind `up`."""
    folder = FOLDER / "up"
    quiet = quiet or (show.USUAL_QUIET_S if live else UP_QUIET_S)
    if live is None:
        _forget(folder)  # the simulators begin anew, so what was known of them is void
    product = Product(
        folder,
        quiet_period_s=quiet,
        ports=Ports.usual(),
        live=from_file(live) if live else None,
        replicas=replicas,
        on_progress=show.console.print,
    )
    show.quiet_period(quiet)
    with _stopped_at_the_end(product):
        product.start()
        if live is None:
            Demo(product.system, load(), lambda line: None).install()
        addresses(product)
        (folder / "ready").touch()
        _until_interrupted(product)


@app.command("down")
def down() -> None:
    """End what `up` started."""
    process = _running(FOLDER / "up")
    if process is None:
        show.console.print("Nothing is up.")
        return
    process.terminate()
    process.wait(60)
    show.console.print("Stopped.")


def _fresh_product(name: str, quiet: float, say: Callable[[str], None]) -> Product:
    folder = FOLDER / name
    _forget(folder)
    return Product(folder, quiet_period_s=quiet, on_progress=say)


def _forget(folder: Path) -> None:
    for name in ("data", "logs", "tokens.json"):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _running(folder: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(int((folder / "pid").read_text()))
        return process if "demo.main" in process.cmdline() else None
    except (FileNotFoundError, ValueError, psutil.Error):
        return None


@contextmanager
def _stopped_at_the_end(product: Product) -> Iterator[None]:
    """Stop the product however it ends; one sentence where something went wrong."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    except (DevStackError, InstallFailed) as error:
        show.console.print(f"[red]{error}[/red]")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        show.console.print("Stopping.")
    finally:
        product.stop()


def _until_interrupted(product: Product) -> None:
    while True:
        product.restart_ended()
        time.sleep(0.5)


if __name__ == "__main__":
    app()
