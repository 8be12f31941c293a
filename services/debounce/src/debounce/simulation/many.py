"""Many histories, on all processors."""

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import structlog

from debounce.simulation.plants import PLANTS
from debounce.simulation.time import VirtualLoop
from debounce.simulation.world import Report, simulate

CHUNK = 100


def simulate_many(
    first: int, histories: int, plant: str = "none", processes: int | None = None
) -> Iterator[Report]:
    """By seed; all processors at work.

    Raises:
        BrokenProcessPool: A worker was killed. `multiprocessing.Pool` would wait for it for ever.

    """
    chunks = [
        (begin, min(CHUNK, first + histories - begin), plant)
        for begin in range(first, first + histories, CHUNK)
    ]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for reports in pool.map(_simulate_chunk, chunks):
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
