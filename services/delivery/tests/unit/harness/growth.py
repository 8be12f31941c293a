"""How the cost of a call grows with the length of what it is given."""

import time
from collections.abc import Callable

TIMES_LONGER = 8
ROUNDS = 3
# Linear is 8, quadratic 64; between them lies what a noisy machine adds.
LINEAR = 24.0
# Below this a call is over before the clock's grain and the caches say anything about its growth.
TOO_SHORT_TO_JUDGE = 0.005


def growth(call: Callable[[int], object], length: int) -> float:
    """Times the CPU that `call(length)` takes as one of an eighth of it, best of a few rounds:
    the same on a slow machine as on a fast one.
    """
    short = max(_seconds(call, length // TIMES_LONGER), TOO_SHORT_TO_JUDGE)
    return _seconds(call, length) / short


def _seconds(call: Callable[[int], object], length: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        call(length)
        best = min(best, time.process_time() - began)
    return best
