"""When to ask the log for the time: the only thing a service clock decides here.

A partition that nobody writes to has no time of its own. When its end is reached and its oldest
conversation should be due, a tick is appended and read back; its append time moves log time. If
the service's clock is wrong, a tick is asked for too early (and settles nothing) or, at worst, as
late as the elapsed time since the last record says.
"""

from dataclasses import dataclass
from typing import Final

# Records that flow move log time by themselves; a tick is for the partition that has gone silent.
SILENT_FOR_S: Final = 0.3
LOST_AFTER_S: Final = 5.0


@dataclass(slots=True)
class Ticks:
    """Of one partition. `elapsed_s` is a clock that only counts on (monotonic), in seconds."""

    _read_at_s: float = 0.0
    _log_time_ms: int = 0
    _asked_at_s: float | None = None
    _fruitless: bool = False  # the last tick came back before anything was due

    def record_read(self, elapsed_s: float, log_time_ms: int) -> None:
        self._read_at_s = elapsed_s
        self._log_time_ms = log_time_ms
        self._fruitless = False

    def tick_read(self, elapsed_s: float, log_time_ms: int) -> None:
        """It came back, ours or another's: the log's time was read just now."""
        self.record_read(elapsed_s, log_time_ms)
        self._asked_at_s = None
        self._fruitless = True

    def asked(self, elapsed_s: float) -> None:
        self._asked_at_s = elapsed_s

    def wanted(self, due_ms: int | None, *, at_end: bool, now_ms: int, elapsed_s: float) -> bool:
        """Whether to append a tick now.

        Args:
            due_ms: log time at which the oldest pending conversation settles.
            at_end: no record is known to wait in the log.
            now_ms: the service's clock, which may be wrong.
            elapsed_s: as above.

        """
        if due_ms is None or not at_end or elapsed_s - self._read_at_s < SILENT_FOR_S:
            return False
        if self._asked_at_s is not None and elapsed_s - self._asked_at_s < LOST_AFTER_S:
            return False
        # Records are read after they were appended, so the log's time is at least this by now.
        log_now_ms = self._log_time_ms + (elapsed_s - self._read_at_s) * 1000
        if log_now_ms >= due_ms:
            return True
        # After a backlog log time lies far behind, and only the service's clock can tell. Where
        # the log has just answered "not yet", that clock runs ahead and is not asked again.
        return now_ms >= due_ms and not self._fruitless
