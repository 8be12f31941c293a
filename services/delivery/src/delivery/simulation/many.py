"""Many histories, on two processors."""

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import structlog

from delivery.simulation.plants import PLANTS
from delivery.simulation.world import Report, simulate

CHUNK = 50


def simulate_many(
    first: int, histories: int, plant: str = "none", processes: int = 2
) -> Iterator[Report]:
    """In the order of their seeds."""
    begins = range(first, first + histories, CHUNK)
    ends = [min(begin + CHUNK, first + histories) for begin in begins]
    # Spawned: a child of a process with threads must not be forked.
    context = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=be_silent) as pool:
        for reports in pool.map(simulate_some, begins, ends, [plant] * len(ends)):
            yield from reports


def be_silent() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def simulate_some(first: int, end: int, plant: str) -> list[Report]:
    with PLANTS[plant]():
        return [simulate(seed) for seed in range(first, end)]
