"""docs/delivery-states.md names what the code knows, no more and no less."""

import re
from pathlib import Path

import delivery.domain
from delivery.domain.row import Lost, Waiting

REPOSITORY = Path(__file__).parents[4]
PAGE = (REPOSITORY / "docs/delivery-states.md").read_text()


def table(first_heading: str) -> set[str]:
    """The names in the first column of the table that is headed so."""
    rows = PAGE.split(f"| {first_heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return {re.sub(r"[`| ]", "", row.split("|")[1]) for row in rows}


def test_every_wait_is_in_the_table() -> None:
    assert table("waits for") == {wait.value for wait in Waiting}


def test_every_module_named_as_a_decision_exists() -> None:
    modules = {path.stem for path in Path(delivery.domain.__path__[0]).glob("*.py")}
    assert table("module") <= modules


def test_each_way_to_lose_a_note_is_drawn() -> None:
    drawn = {lost: f"Ours --> {lost.title().replace('_', '')}" for lost in Lost}
    assert [lost for lost, line in drawn.items() if line not in PAGE] == []
