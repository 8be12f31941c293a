"""A circuit breaker: when calls that keep failing are not even tried, and who tries next.

Closed -> open when 7 in 10 of the latest calls failed (of ten at least) -> after a pause one call
is let through as a probe -> closed if it succeeds, else open again for twice as long. It judges the
latest calls, not a stretch of time, so it opens at once under load and also where each failure is a
time-out of its own. Times are seconds of one clock; nothing here looks at one.

One circuit stands before each connection, one before each vendor. Of any one connection a vendor's
circuit counts at most a few calls, so that a single customer's trouble never stops the others.
"""

from dataclasses import dataclass, replace
from typing import Final

LATEST: Final = 20
AT_LEAST: Final = 10
FAILED_SHARE: Final = 0.7
OF_ONE_CONNECTION: Final = 3  # of a vendor's latest calls: four connections must be in trouble
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 120.0
STALE_AFTER_S: Final = 300.0  # what happened so long ago says nothing about now
PROBE_MAX_S: Final = 60.0  # one that was never heard of again, its attempt having been cut off
LOOK_AGAIN_S: Final = 1.0  # while somebody else's probe is under way


@dataclass(frozen=True, slots=True)
class Circuit:
    of_one: int = LATEST  # how many of the latest calls may be one connection's
    latest: tuple[tuple[str, bool], ...] = ()  # connection and whether it failed, oldest first
    heard_at: float = 0.0
    open_until: float | None = None  # None: closed
    probed_at: float | None = None  # one call is under way to see
    opened: int = 0  # times in a row

    @property
    def state(self) -> str:
        if self.open_until is None:
            return "closed"
        return "open" if self.probed_at is None else "half_open"

    def waits_s(self, now: float) -> float:
        """How long until a call may be tried; 0: now, though perhaps as a probe only."""
        if self.open_until is None:
            return 0.0
        if self.probed_at is not None and now < self.probed_at + PROBE_MAX_S:
            return LOOK_AGAIN_S
        return max(0.0, self.open_until - now)


def probing(circuit: Circuit, now: float) -> Circuit:
    """After a call was let through; only asked where `waits_s` is 0."""
    return circuit if circuit.open_until is None else replace(circuit, probed_at=now)


def succeeded(circuit: Circuit, connection: str, now: float, *, probe: bool) -> Circuit:
    if circuit.open_until is not None:
        return Circuit(circuit.of_one, heard_at=now) if probe else circuit
    return Circuit(circuit.of_one, _counted(circuit, connection, now, failed=False), now)


def failed(
    circuit: Circuit,
    connection: str,
    now: float,
    *,
    probe: bool,
    jitter: float,
    named_s: float | None = None,
) -> Circuit:
    """After a failure.

    Args:
        probe: this call was the probe; what others, sent before, tell of an open circuit is old.
        jitter: uniform in [0, 1), so that replicas do not probe together.
        named_s: the other side said when to come back: that is believed at once.

    """
    if circuit.open_until is not None and not probe:
        if named_s is None:
            return circuit
        return replace(circuit, open_until=max(circuit.open_until, now + named_s))
    latest = _counted(circuit, connection, now, failed=True)
    failures = sum(was_failure for _, was_failure in latest)
    many = len(latest) >= AT_LEAST and failures >= FAILED_SHARE * len(latest)
    if not (probe or many or named_s is not None):
        return replace(circuit, latest=latest, heard_at=now)
    pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(circuit.opened, 16))
    pause *= 0.5 + jitter / 2
    return Circuit(
        circuit.of_one,
        heard_at=now,
        open_until=now + (pause if named_s is None else named_s),
        opened=circuit.opened + 1,
    )


def unheard(circuit: Circuit, *, probe: bool) -> Circuit:
    """The call ended without saying anything of the other side; the next one may probe."""
    return replace(circuit, probed_at=None) if probe else circuit


def _counted(
    circuit: Circuit, connection: str, now: float, *, failed: bool
) -> tuple[tuple[str, bool], ...]:
    latest = () if now - circuit.heard_at > STALE_AFTER_S else circuit.latest
    if circuit.of_one < LATEST:
        theirs = [place for place, (one, _) in enumerate(latest) if one == connection]
        if len(theirs) >= circuit.of_one:
            latest = latest[: theirs[0]] + latest[theirs[0] + 1 :]
    return (*latest, (connection, failed))[-LATEST:]
