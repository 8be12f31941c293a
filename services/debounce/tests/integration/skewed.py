"""`python skewed.py <seconds>`: debounce as shipped, where the clock is wrong by so much."""

import sys
from datetime import UTC, datetime, timedelta

from common.clock import SystemClock
from debounce import app

AHEAD = timedelta(seconds=float(sys.argv.pop(1)))


def _now(_: object) -> datetime:
    return datetime.now(UTC) + AHEAD  # noqa: TID251 - it stands in for the one clock


setattr(SystemClock, "now", _now)  # noqa: B010 - assigning a method is no clearer to mypy
app.main()
