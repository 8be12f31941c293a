"""The simulators' clock: the machine's time, plus what the control API moved it forward."""

import time
from datetime import UTC, datetime


class Clock:
    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> float:
        """Unix seconds, with fractions."""
        return time.time() + self._ahead_s

    def advance(self, seconds: float) -> None:
        self._ahead_s += seconds


def iso(at: float) -> str:
    """RFC 3339 with milliseconds, as HubSpot writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_seconds(at: float) -> str:
    """RFC 3339 with whole seconds, as Pipedrive's v2 writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(at: float) -> str:
    """`YYYY-MM-DD HH:MM:SS` in UTC, as Pipedrive's v1 writes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def parse_time(text: str) -> float:
    """Unix seconds from epoch milliseconds or any ISO form; no zone means UTC.

    Raises:
        ValueError: the text is none of these.

    """
    if text.isdigit():
        return int(text) / 1000
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
