"""How the cost of a call grows with the length of what it is given."""

import time
from collections.abc import Callable

TIMES_LONGER = 8
ROUNDS = 3
# Linear is 8, quadratic 64; between them lies what a noisy machine adds.
LINEAR = 24.0
# Below this a call is over before the clock's grain and the caches say anything about its growth.
SHORTEST_S = 0.005


def growth(call: Callable[[int], object], length: int) -> float:
    """Times the CPU that `call(length)` takes as one of an eighth of it, the same on a slow machine
    as on a fast one: best of a few rounds, of which one that is linear is enough.
    """
    short = max(min(_seconds(call, length // TIMES_LONGER) for _ in range(ROUNDS)), SHORTEST_S)
    best = float("inf")
    for _ in range(ROUNDS):
        best = min(best, _seconds(call, length) / short)
        if best < LINEAR:
            break
    return best


def _seconds(call: Callable[[int], object], length: int) -> float:
    began = time.process_time()
    call(length)
    return time.process_time() - began
