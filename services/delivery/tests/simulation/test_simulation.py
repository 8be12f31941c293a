"""Delivery's core in seeded worlds, and the proof that they would show a bug."""

from collections.abc import Iterator

import pytest
import structlog
from delivery.simulation.many import be_silent, simulate_many
from delivery.simulation.plants import PLANTS
from delivery.simulation.world import simulate

HISTORIES = {"quick": 2_000, "faults": 20_000, "long": 500_000}
ENOUGH_TO_FIND_A_BUG = 1_500  # most need fewer than 50
# Where rarer ones were last seen: the search begins there, to be short. It goes on if they moved.
LAST_SEEN_NEAR = {
    "one look, and too early": 1_150,
    "a late update is never written over": 350,
    "a removal reaches the latest note only": 120,
    "removals reach nothing where the latest is people's": 250,
    "healing needs the recorded one listed": 350,
}


@pytest.fixture
def silent() -> Iterator[None]:
    """No log lines of the replicas."""
    before = structlog.get_config()
    be_silent()
    yield
    structlog.configure(**before)


def test_no_history_breaks_a_promise(size: str) -> None:
    broken = [
        (report.seed, report.violations)
        for report in simulate_many(0, HISTORIES[size])
        if report.violations
    ]

    assert not broken, "replay one with `python -m delivery.simulation --seed <seed>`"


def test_a_seed_gives_the_same_history_every_time(silent: None) -> None:
    first = [simulate(seed) for seed in range(5)]

    assert first == [simulate(seed) for seed in range(5)]


@pytest.mark.parametrize("plant", [name for name in PLANTS if name != "none"])
def test_a_planted_bug_is_found(plant: str, silent: None) -> None:
    with PLANTS[plant]():
        begin = LAST_SEEN_NEAR.get(plant, 0)
        seeds = range(begin, begin + ENOUGH_TO_FIND_A_BUG)
        assert any(simulate(seed).violations for seed in seeds)
