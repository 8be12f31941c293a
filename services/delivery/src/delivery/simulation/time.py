"""An event loop whose time jumps to the next thing to do: hours take milliseconds."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class NothingToDoError(Exception):
    """Everybody waits for somebody else."""


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0  # each history has a loop of its own
        self._selector = self  # asks itself how long to wait

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> tuple[()]:
        if timeout is None:
            raise NothingToDoError
        self._now += timeout
        return ()

    def _process_events(self, event_list: Any) -> None:
        """There are none: no sockets."""

    def _write_to_self(self) -> None:
        """No other thread ever wakes this loop."""


def instant(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


async def until(at: float) -> None:
    """Sleep until this second of the history."""
    await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
