"""Two ways to count calls: a window that starts anew on a grid, and one that rolls."""

import math
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class GridWindow:
    """At most `limit` units per window of `seconds`; windows start at multiples of `seconds`."""

    limit: int
    seconds: float
    _window: int = -1
    _used: int = 0

    def take(self, now: float, cost: int = 1) -> bool:
        """Whether there was enough left; what is left after a refusal is gone too."""
        self._turn(now)
        enough = self._used + cost <= self.limit
        self._used = self._used + cost if enough else max(self._used, self.limit)
        return enough

    def remaining(self, now: float) -> int:
        self._turn(now)
        return max(0, self.limit - self._used)

    def resets_at(self, now: float) -> float:
        return (math.floor(now / self.seconds) + 1) * self.seconds

    def _turn(self, now: float) -> None:
        window = math.floor(now / self.seconds)
        if window != self._window:
            self._window, self._used = window, 0


@dataclass(slots=True)
class RollingWindow:
    """At most `limit` calls in any stretch of `seconds`."""

    limit: int
    seconds: float
    _calls: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> bool:
        self._drop_old(now)
        if len(self._calls) >= self.limit:
            return False
        self._calls.append(now)
        return True

    def remaining(self, now: float) -> int:
        self._drop_old(now)
        return max(0, self.limit - len(self._calls))

    def _drop_old(self, now: float) -> None:
        while self._calls and self._calls[0] <= now - self.seconds:
            self._calls.popleft()
