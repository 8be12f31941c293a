"""What a settled event changes in a row: a repeat nothing, anything else raises `wanted`."""

from dataclasses import dataclass, replace
from datetime import datetime

from common.events import ConversationSettled
from common.outcomes import Outcome
from common.updates import Update

from delivery.domain.answer import Verdict, outcome_of
from delivery.domain.row import Request, Row

# Ids of actions are kept to recognise a repeat. Kafka hands an event out again for at most the
# topic's 7 days; no conversation sees this many actions in that time by human hands.
SEEN_ACTIONS_MAX = 256


@dataclass(frozen=True, slots=True)
class Folded:
    row: Row
    accepted: int  # apps for which the event is new
    repeated: int


def fold(row: Row, event: ConversationSettled, apps: tuple[str, ...], now: datetime) -> Folded:
    """The row after this event, asked for these apps (all of the row's CRM account)."""
    accepted = [app for app in apps if not _is_repeat(row, event, app)]
    folded = row
    for app in accepted:
        folded = _accept(folded, event, app, now)
    if event.action_id is not None and accepted:
        new = tuple(_action(event.action_id, app) for app in accepted)
        folded = replace(folded, seen_actions=(*row.seen_actions, *new)[-SEEN_ACTIONS_MAX:])
    return Folded(folded, len(accepted), len(apps) - len(accepted))


def take_over(row: Row, requests: tuple[Request, ...]) -> Row:
    """The row with requests of another one: the connection now leads to another CRM account."""
    for request in requests:
        number = next_number(row)
        row = replace(row, wanted=number, requests=(*row.requests, replace(request, number=number)))
    actions = (_action(request.action_id, request.app) for request in requests if request.action_id)
    return replace(row, seen_actions=(*row.seen_actions, *actions)[-SEEN_ACTIONS_MAX:])


def next_number(row: Row) -> int:
    """After a restore, greater than any that was given out before it: outcomes' ids hang on it."""
    used = row.wanted
    if row.distrust is not None:
        used = max(used, int(row.distrust.declared_at.timestamp()))
    return used + 1


def without(row: Row, app: str) -> tuple[Row, tuple[Request, ...]]:
    """The row without this app's open requests, and those, for another row to take over."""
    leaving = tuple(request for request in row.requests if request.app == app)
    staying = tuple(request for request in row.requests if request.app != app)
    left = replace(row, requests=staying)
    return (left if staying else replace(left, taken=row.wanted, done=row.wanted)), leaving


def announced(event: ConversationSettled) -> Update | None:
    if event.updated_at is None or event.part_id is None:
        return None
    return Update(event.updated_at, event.part_id)


def _action(action_id: str, app: str) -> str:
    return f"{app}:{action_id}"


def _is_repeat(row: Row, event: ConversationSettled, app: str) -> bool:
    if event.action_id is not None:
        return _action(event.action_id, app) in row.seen_actions
    update = announced(event)
    if update is None:
        return True
    answered = row.answered_through is not None and update <= row.answered_through
    asked = any(
        request.update is not None and update <= request.update
        for request in row.requests
        if (request.trigger, request.app) == (event.trigger, app)
    )
    return answered or asked


def _accept(row: Row, event: ConversationSettled, app: str, now: datetime) -> Row:
    request = Request(
        number=next_number(row),
        trigger=event.trigger,
        app=app,
        asked_at=now,
        update=announced(event),
        action_id=event.action_id,
        actor_id=event.actor_id,
        person=event.person,
    )
    # The open requests are a set: of two that ask the same, the newer stands for both.
    replaced = tuple(old for old in row.requests if asks_the_same(old, request))
    return replace(
        row,
        wanted=request.number,
        requests=(*(old for old in row.requests if old not in replaced), request),
        outcomes=(
            *row.outcomes,
            *(
                outcome_of(row, old, Verdict(Outcome.SUPERSEDED), now)
                for old in replaced
                if not old.is_our_own
            ),
        ),
    )


def asks_the_same(old: Request, new: Request) -> bool:
    return (old.trigger, old.app, old.actor_id, old.person, old.is_our_own) == (
        new.trigger,
        new.app,
        new.actor_id,
        new.person,
        new.is_our_own,
    )
