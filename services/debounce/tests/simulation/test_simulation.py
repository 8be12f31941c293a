"""The whole service in seeded worlds, and the proof that they would show a bug."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from debounce.simulation.many import simulate_many
from debounce.simulation.plants import PLANTS
from debounce.simulation.time import VirtualLoop
from debounce.simulation.world import simulate

HISTORIES = {"quick": 2_000, "faults": 20_000, "long": 1_000_000}
ENOUGH_TO_FIND_A_BUG = 2_000  # most need fewer than 20, the rarest about 300


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    """And no log lines of the replicas."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    loop = VirtualLoop()
    yield loop
    loop.close()
    structlog.configure(**before)


def test_no_history_breaks_a_promise(size: str) -> None:
    broken = [
        (report.seed, report.violations)
        for report in simulate_many(0, HISTORIES[size])
        if report.violations
    ]

    assert not broken, "replay one with `python -m debounce.simulation --seed <seed>`"


def test_a_seed_gives_the_same_history_every_time(loop: VirtualLoop) -> None:
    first = [simulate(seed, loop) for seed in range(5)]

    assert first == [simulate(seed, loop) for seed in range(5)]


@pytest.mark.parametrize("plant", [name for name in PLANTS if name != "none"])
def test_a_planted_bug_is_found(plant: str, loop: VirtualLoop) -> None:
    with PLANTS[plant]():
        assert any(simulate(seed, loop).violations for seed in range(ENOUGH_TO_FIND_A_BUG))
