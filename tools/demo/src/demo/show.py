"""What a person sees of it in the terminal: progress, and the final table."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

from demo.run import Report

USUAL_QUIET_S = 900.0

# A pipe has no width; 120 columns keep each row of the table on a line or two.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


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
    table = Table(title="What became of each conversation", title_justify="left", box=box.SIMPLE)
    for title in ("", "conversation", "outcome", "why it must be so"):
        table.add_column(title)
    for name, group in groupby(report.lines, key=lambda line: line.conversation):
        lines = list(group)
        right = not any(line.faults for line in lines)
        table.add_row(
            "[green]ok[/green]" if right else "[red]x[/red]",
            name,
            "\n".join(f"{line.app}: {line.outcome}" for line in lines),
            lines[0].why,
        )
    console.print(table)
    for line in report.lines:
        for fault in line.faults:
            console.print(f"[red]{line.conversation} / {line.app}: {fault}[/red]")
    for fault in report.other_faults:
        console.print(f"[red]{fault}[/red]")
    right_lines = sum(not line.faults for line in report.lines)
    console.print(
        f"{right_lines} of {len(report.lines)} as the scenario file says they must be, "
        f"after {report.seconds:.0f} s and {report.messages} messages."
    )


def quiet_period(seconds: float) -> None:
    if seconds != USUAL_QUIET_S:
        console.print(
            f"The quiet period is shortened to {seconds:g} s here; it is 15 minutes in production."
        )
