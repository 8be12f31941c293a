"""What a partition went through, kept for the metrics over all of its assignments."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from debounce.domain.quiet import Quiet

DELAY_BUCKETS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 3600.0)


@dataclass(slots=True)
class Counts:
    settled: int = 0
    repeats: int = 0
    clamped: int = 0
    ticks_asked: int = 0
    ticks_read: int = 0
    delays: list[int] = field(default_factory=lambda: [0] * (len(DELAY_BUCKETS_S) + 1))
    delays_sum_s: float = 0.0

    def add(self, rule: Quiet) -> None:
        """Take over what the rule has counted since the last time."""
        self.repeats += rule.repeats
        self.clamped += rule.clamped
        rule.repeats = rule.clamped = 0

    def published(self, due_ms: Sequence[int], now_ms: int) -> None:
        """Settled events acknowledged now. `due_ms` ascends, so buckets are counted at once."""
        self.settled += len(due_ms)
        self.delays_sum_s += (now_ms * len(due_ms) - sum(due_ms)) / 1000
        # A delay of at most d means due at now - d or later.
        later = len(due_ms)
        for bucket, delay_s in enumerate(DELAY_BUCKETS_S):
            first = bisect_left(due_ms, now_ms - delay_s * 1000, 0, later)
            self.delays[bucket] += later - first
            later = first
        self.delays[-1] += later
