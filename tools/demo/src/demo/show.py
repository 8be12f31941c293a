"""What a person sees of it in the terminal: progress, the final table, where to go on."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

from demo.environment import local
from demo.product import Product
from demo.run import Report

console = Console(highlight=False)


class Progress:
    """A line that changes in a terminal; a line for each change elsewhere."""

    def __init__(self) -> None:
        self._status = console.status("Starting") if console.is_terminal else None
        self._last = ""

    def say(self, line: str) -> None:
        if line == self._last:
            return
        self._last = line
        if self._status is not None:
            self._status.update(line)
        else:
            console.print(line)

    @contextmanager
    def shown(self) -> Iterator[None]:
        if self._status is None:
            yield
        else:
            with self._status:
                yield


def report(report: Report) -> None:
    table = Table(title="What became of each conversation", title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("conversation")
    table.add_column("app")
    table.add_column("outcome")
    table.add_column("why it must be so")
    for line in report.lines:
        mark = "[red]x[/red]" if line.faults else "[green]ok[/green]"
        table.add_row(mark, line.conversation, line.app, line.outcome, line.why)
    console.print(table)
    for line in report.lines:
        for fault in line.faults:
            console.print(f"[red]{line.conversation} / {line.app}: {fault}[/red]")
    for fault in report.other_faults:
        console.print(f"[red]{fault}[/red]")
    right = sum(not line.faults for line in report.lines)
    console.print(
        f"{right} of {len(report.lines)} as the scenario file says they must be, "
        f"after {report.seconds:.0f} s and {report.messages} messages."
    )


def addresses(product: Product) -> None:
    table = Table(title="Open", title_justify="left", show_header=False)
    if product.simulators is not None:
        table.add_row("Intercom and the CRMs, simulated", f"{product.simulators}/")
    ports = product.ports
    table.add_row("settings, its API's description", f"{local(ports.settings)}/docs")
    table.add_row("ingest, webhooks come in here", f"{local(ports.ingest)}/webhooks/intercom")
    table.add_row(
        "why? (any conversation)",
        f"{local(ports.delivery)}/v1/deliveries/<workspace>/<conversation>",
    )
    for name in ("ingest", "debounce", "delivery", "settings"):
        table.add_row(f"health of {name}", f"{product.health_url(name)}/readyz, /healthz, /metrics")
    if product.stack is not None:
        table.add_row("Kafka", product.stack.kafka_bootstrap)
        table.add_row("PostgreSQL", product.stack.postgres_dsn.rpartition("@")[2])
    table.add_row("logs", str(product.logs))
    console.print(table)
