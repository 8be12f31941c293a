"""Many histories, on all processors."""

import logging
from collections.abc import Iterator
from multiprocessing import get_context

import structlog

from debounce.simulation.plants import PLANTS
from debounce.simulation.time import VirtualLoop
from debounce.simulation.world import Report, simulate

CHUNK = 100


def simulate_many(
    first: int, histories: int, plant: str = "none", processes: int | None = None
) -> Iterator[Report]:
    """In any order; all processors at work."""
    chunks = [
        (begin, min(CHUNK, first + histories - begin), plant)
        for begin in range(first, first + histories, CHUNK)
    ]
    with get_context("spawn").Pool(processes) as pool:
        for reports in pool.imap_unordered(_simulate_chunk, chunks):
            yield from reports


def _simulate_chunk(work: tuple[int, int, str]) -> list[Report]:
    first, count, plant = work
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    loop = VirtualLoop()
    try:
        with PLANTS[plant]():
            return [simulate(seed, loop) for seed in range(first, first + count)]
    finally:
        loop.close()
