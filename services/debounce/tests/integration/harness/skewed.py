"""`python skewed.py <seconds> <plant>`: debounce where the clock is wrong by so much.

As shipped if the plant is "none"; else with one of the simulation's bugs in it.
"""

import sys
from datetime import UTC, datetime, timedelta

from common.clock import SystemClock
from debounce import app
from debounce.simulation.plants import PLANTS

AHEAD, PLANT = timedelta(seconds=float(sys.argv[1])), sys.argv[2]
del sys.argv[1:]


def _now(_: object) -> datetime:
    return datetime.now(UTC) + AHEAD  # noqa: TID251 - it stands in for the one clock


setattr(SystemClock, "now", _now)  # noqa: B010 - assigning a method is no clearer to mypy
with PLANTS[PLANT]():
    app.main()
