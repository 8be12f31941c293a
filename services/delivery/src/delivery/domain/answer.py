"""What an attempt's findings mean for its row: who is answered, how, and what waits for what."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid5

from common.events import DeliveryOutcome, Trigger
from common.outcomes import Outcome
from common.updates import Update

from delivery.domain.row import Key, Known, Request, Row, Waiting

_OUTCOME_IDS = UUID("6f0d3f0e-3f3a-5a57-9a55-1d1f8f0c7e21")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one request ends."""

    outcome: Outcome
    reason: str | None = None
    through: Update | None = None  # after a write: the newest reply in the text


@dataclass(frozen=True, slots=True)
class Wait:
    """Why the requests that stay open cannot be answered now, and until when."""

    waiting: Waiting
    until: datetime
    reason: str | None = None
    holds_connection: bool = False  # until then no row of the connection need be tried
    holds_vendor: bool = False  # nor any row of this CRM


@dataclass(frozen=True, slots=True)
class Result:
    """What one attempt leaves behind. A request without a verdict stays open."""

    known: Known
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    wait: Wait | None = None
    healed_at: datetime | None = None  # the `heal_at` that was served


def spread(requests: Iterable[Request], verdict: Verdict) -> dict[int, Verdict]:
    """One verdict for all: of each app's requests the newest gets it, and answers the others.

    A removal answers no other: what comes of the next one may be less than what was asked here.
    Neither does a request of our own, which nobody hears of.
    """
    asked = sorted(
        requests, key=lambda r: (not r.is_our_own, r.trigger is not Trigger.REMOVED, r.number)
    )
    newest = {request.app: request.number for request in asked}.values()
    folded = replace(verdict, outcome=Outcome.SUPERSEDED, reason=None)
    return {r.number: verdict if r.number in newest else folded for r in asked}


def finished(row: Row, result: Result, now: datetime) -> Row:
    """The row after an attempt. Requests that came in meanwhile stay open."""
    verdicts = _with_covered(row, result)
    ended = [request for request in row.requests if request.number in verdicts]
    open_requests = tuple(request for request in row.requests if request.number not in verdicts)
    told = [request for request in ended if not request.is_our_own]
    known = replace(result.known, heal_at=_heal_at(row, result))
    known_row = replace(row, known=known)
    waits = _waits(row, result, answered=bool(ended), still_open=open_requests, now=now)
    return replace(
        waits,
        known=known,
        requests=open_requests,
        done=row.done if _asked_before(open_requests, row.taken) else row.taken,
        leased=False,
        answered_through=_through(row, told, verdicts),
        outcomes=(
            *row.outcomes,
            *(outcome_of(known_row, request, verdicts[request.number], now) for request in told),
        ),
    )


def outcome_id(key: Key, request: Request) -> str:
    """The same however often the outcome of this request is made."""
    place = (key.workspace_id, key.conversation_id, key.crm, key.crm_account)
    return str(uuid5(_OUTCOME_IDS, "/".join((*place, request.app, str(request.number)))))


def outcome_of(row: Row, request: Request, verdict: Verdict, now: datetime) -> DeliveryOutcome:
    """The event for one request."""
    key, known = row.key, row.known
    through = verdict.through or request.update
    return DeliveryOutcome(
        workspace_id=key.workspace_id,
        conversation_id=key.conversation_id,
        outcome_id=outcome_id(key, request),
        app=request.app,
        crm_account=key.crm_account,
        outcome=verdict.outcome,
        triggers=(request.trigger,),
        updated_at=through.updated_at if through else None,
        part_id=through.part_id if through else None,
        person_id=known.person_id,
        note_id=known.note.id if known.note else None,
        activity_id=known.activity.id if known.activity else None,
        reason=_code(verdict.reason),
        decided_at=now,
    )


def _code(reason: str | None) -> str | None:
    """A reason is a code; whatever an adapter made of it, it must not keep a row from ending."""
    return None if reason is None else re.sub(r"[^a-z0-9_.:-]", "_", reason.lower())[:80] or None


def _with_covered(row: Row, result: Result) -> dict[int, Verdict]:
    """Whatever was announced and stands in the text just written is answered by it too."""
    verdicts = dict(result.verdicts)
    own = {request.number for request in row.requests if request.is_our_own}
    throughs = [v.through for number, v in verdicts.items() if v.through and number not in own]
    if not throughs:
        return verdicts
    written = max(throughs)
    apps = {request.app for request in row.requests if request.number in verdicts}
    for request in row.requests:
        if (
            request.number <= row.taken
            and request.number not in verdicts
            and request.app in apps
            and request.update is not None
            and request.update <= written
        ):
            verdicts[request.number] = Verdict(Outcome.SUPERSEDED)
    return verdicts


def _through(row: Row, ended: Iterable[Request], verdicts: Mapping[int, Verdict]) -> Update | None:
    candidates = [row.answered_through]
    for request in ended:
        candidates += [request.update, verdicts[request.number].through]
    return max((update for update in candidates if update is not None), default=None)


def _heal_at(row: Row, result: Result) -> datetime | None:
    """The latest that anybody asked for, unless it is the one that was served."""
    asked = [row.known.heal_at, result.known.heal_at]
    return max((at for at in asked if at is not None and at != result.healed_at), default=None)


def _asked_before(requests: Iterable[Request], taken: int) -> bool:
    return any(request.number <= taken for request in requests)


def _waits(
    row: Row, result: Result, *, answered: bool, still_open: tuple[Request, ...], now: datetime
) -> Row:
    wait = result.wait
    if wait is None or not still_open:
        return replace(
            row,
            not_before_quiet=None,
            not_before_retry=None,
            waiting=None,
            reason=None,
            attempts=0,
            failing_since=None,
            looks=0,
        )
    failed = wait.waiting is Waiting.RETRY
    waiting = replace(
        row,
        waiting=wait.waiting,
        reason=wait.reason,
        attempts=row.attempts + 1 if failed else row.attempts,
        failing_since=_failing_since(row, wait, now),
        looks=row.looks + 1 if wait.waiting is Waiting.REPLY else (0 if answered else row.looks),
    )
    if wait.waiting is Waiting.QUIET:
        return replace(waiting, not_before_quiet=wait.until, not_before_retry=None)
    return replace(waiting, not_before_retry=wait.until)


def _failing_since(row: Row, wait: Wait, now: datetime) -> datetime | None:
    """A call that was held back neither failed nor succeeded."""
    if wait.waiting is Waiting.PAUSED:
        return row.failing_since
    return (row.failing_since or now) if wait.waiting is Waiting.RETRY else None
