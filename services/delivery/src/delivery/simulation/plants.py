"""Bugs to plant: the simulation is trusted only because it finds each of them."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from common.outcomes import Outcome

from delivery import attempt, healing, judging, sending
from delivery.accompanying import Accompanying
from delivery.domain import block, heal, probe, write
from delivery.domain.answer import Result, Verdict, finished, outcome_of
from delivery.domain.fold import without
from delivery.domain.note import Marker
from delivery.domain.row import Kind, Known, Request, Row, Written
from delivery.retracting import Retracting
from delivery.sending import Sending
from delivery.simulation import ledger
from delivery.working import NobodyLeft, Working

Plant = Callable[[], AbstractContextManager[None]]


def _replaced(owner: Any, name: str, wrong: Any) -> Plant:
    @contextmanager
    def plant() -> Iterator[None]:
        right = getattr(owner, name)
        setattr(owner, name, wrong)
        try:
            yield
        finally:
            setattr(owner, name, right)

    return plant


_next_step = write.next_step


def _no_probe(known: Known, *args: Any, **rest: Any) -> write.Step:
    return _next_step(replace(known, unknown_note=None), *args, **rest)


def _cleared_on_retry(row: Row, result: Result, now: datetime) -> Row:
    """Whoever waits for a retry forgets that its create's end is unknown."""
    known = replace(result.known, unknown_note=None, unknown_activity=None)
    forgets = result.wait is not None and result.wait.waiting == "retry"
    return finished(row, replace(result, known=known) if forgets else result, now)


def _answers_all(row: Row, result: Result, now: datetime) -> Row:
    """Requested times compared instead of counters: what came in meanwhile is answered too."""
    verdicts = dict(result.verdicts)
    if verdicts:
        for request in row.requests:
            if request.asked_at <= now:
                verdicts.setdefault(request.number, Verdict(Outcome.SUPERSEDED))
    return finished(row, replace(result, verdicts=verdicts), now)


def _outcome_dropped(row: Row, result: Result, now: datetime) -> Row:
    """Only the newest request's outcome leaves."""
    answered = finished(row, result, now)
    return replace(answered, outcomes=answered.outcomes[-1:])


def _answered_raised(row: Row, result: Result, now: datetime) -> Row:
    """To whatever is open, answered or not."""
    answered = finished(row, result, now)
    asked = [request.update for request in row.requests if request.update]
    covered = tuple(r for r in answered.requests if r.update is None)
    ended = [r for r in answered.requests if r.update is not None]
    told = (outcome_of(answered, r, Verdict(Outcome.SUPERSEDED), now) for r in ended)
    return replace(
        answered,
        requests=covered,
        answered_through=max(asked, default=answered.answered_through),
        outcomes=(*answered.outcomes, *told),
    )


def _by_prefix(marker: Marker) -> re.Pattern[str]:
    return re.compile(re.escape(str(marker)[:-1]) + r"[0-9/]*\]")


async def _lease_not_checked(self: Sending) -> None:
    await judging.look_again(self.needs, self.working)


async def _toggle_not_looked_at(self: Sending) -> None:
    left = self.working.claim.good_until - self.needs.limits.monotonic()
    if left < 20 or not self.working.left:
        raise NobodyLeft


def _quiet_not_checked(working: Working, conversation: Any, _: Any) -> None:
    judging.judge_by_conversation(working, conversation, timedelta(0))


_probed = probe.probed


def _healing_forgotten(known: Known, *args: Any, **rest: Any) -> probe.Probed:
    end = _probed(known, *args, **rest)
    return replace(end, known=replace(end.known, heal_at=known.heal_at))


def _owned_for_ever(stored: str, marker: Marker, note: Any) -> write.Rewrite:
    """People's edits are overwritten."""
    return write.Rewrite(note.body, changes=True)


def _together(*plants: Plant) -> Plant:
    @contextmanager
    def plant() -> Iterator[None]:
        with ExitStack() as stack:
            for each in plants:
                stack.enter_context(each())
            yield

    return plant


def _others_lost(row: Row, app: str) -> tuple[Row, tuple[Request, ...]]:
    kept, handed = without(row, app)
    return replace(kept, requests=()), handed


def _kept_if_listed(known: Known, *args: Any) -> heal.Healed:
    """Nothing is surplus where the recorded one is not among those found."""
    end = _healed(known, *args)
    recorded = known.record(args[0])
    listed = recorded is None or any(note.id == recorded.id for note in args[2])
    return end if listed else heal.Healed(known, ())


_healed = heal.healed


async def _never_again(self: Accompanying, known: Written) -> bool:
    """An activity that is gone stays gone, whoever took it."""
    await _kept(self, known)
    working = self.sending.working
    if working.known.activity is None:
        working.known = working.known.with_record("activity", known)
    return True


_kept = Accompanying._kept


async def _nothing_older(*_: Any) -> bool:
    return False


_retract = Retracting.run


async def _nothing_beside_theirs(self: Retracting, kind: Kind) -> bool:
    """Where people took or deleted the latest, its older ones are left as they are, too."""
    return self.sending.working.known.record(kind) is not None and await _retract(self, kind)


PLANTS: dict[str, Plant] = {
    "none": nullcontext,
    "no probe": _replaced(write, "next_step", _no_probe),
    "unknown_write cleared on retry": _replaced(ledger, "finished", _cleared_on_retry),
    "requested time instead of counters": _replaced(ledger, "finished", _answers_all),
    "outcome dropped on finish": _replaced(ledger, "finished", _outcome_dropped),
    "answered_through raised over open ones": _replaced(ledger, "finished", _answered_raised),
    "marker matched by prefix": _replaced(block, "_pattern", _by_prefix),
    "toggle look skipped": _replaced(Sending, "_clear_to_send", _toggle_not_looked_at),
    "quiet not checked on fresh data": _replaced(
        attempt, "judge_by_conversation", _quiet_not_checked
    ),
    "healing forgotten": _replaced(probe, "probed", _healing_forgotten),
    "people's edits overwritten": _replaced(write, "rewritten", _owned_for_ever),
    "lease not checked before send": _replaced(Sending, "_clear_to_send", _lease_not_checked),
    "one look, and too early": _together(
        _replaced(probe, "LOOKS", 1),
        _replaced(probe, "visible_at", lambda unknown, *_: unknown.started_at),
    ),
    "anybody's note is ours": _together(
        _replaced(probe, "is_by_us", lambda *_: True), _replaced(heal, "is_by_us", lambda *_: True)
    ),
    "a late update is never written over": _together(
        _replaced(attempt, "unsure_of_text", lambda known, _: known),
        _replaced(sending, "unsure_of_text", lambda known, _: known),
    ),
    "a restored ledger is trusted": _replaced(probe, "is_doubtful", lambda *_: False),
    "other apps' requests lost when one moves": _replaced(ledger, "without", _others_lost),
    "a removal reaches the latest note only": _replaced(Retracting, "run", _nothing_older),
    "removals reach nothing where the latest is people's": _replaced(
        Retracting, "run", _nothing_beside_theirs
    ),
    "an activity that went with its person stays gone": _replaced(
        Accompanying, "_kept", _never_again
    ),
    "healing needs the recorded one listed": _replaced(healing, "healed", _kept_if_listed),
}
