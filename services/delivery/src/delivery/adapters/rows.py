"""Ledger rows between PostgreSQL's columns and our values."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.events import CrmPerson, Trigger
from common.outcomes import Outcome
from common.updates import Update

from delivery.domain.answer import outcome_id
from delivery.domain.row import (
    Distrust,
    Key,
    Known,
    Lost,
    Request,
    Row,
    UnknownWrite,
    Waiting,
    Written,
)

COLUMNS = """
    id, workspace_id, conversation_id, crm, crm_account, wanted, taken, done, open_requests,
    seen_actions, answered_through_at, answered_through_part, not_before_quiet, not_before_retry,
    waiting, reason, attempts, failing_since, looks, person_id, note_id, note_period,
    note_through_at, note_through_part, activity_id, activity_period,
    activity_person_id, activity_through_at, activity_through_part,
    unknown_write, unknown_activity, lost, lost_through_at, lost_through_part, handed_over, heal_at,
    heal_periods, heal_persons, heal_text, users, persons, note_sure_at, activity_sure_at,
    (SELECT max(before) FROM ledger_distrust) AS distrust_before,
    (SELECT max(declared_at) FROM ledger_distrust) AS distrust_declared_at,
    lease_token, lease_until > now() AS leased, now() AS at
"""


def row_of(record: Mapping[str, Any]) -> Row:
    return Row(
        key=Key(
            record["workspace_id"],
            record["conversation_id"],
            record["crm"],
            record["crm_account"],
        ),
        wanted=record["wanted"],
        taken=record["taken"],
        done=record["done"],
        requests=tuple(request_of(item) for item in json.loads(record["open_requests"])),
        seen_actions=tuple(record["seen_actions"]),
        answered_through=_update(record, "answered_through"),
        not_before_quiet=record["not_before_quiet"],
        not_before_retry=record["not_before_retry"],
        waiting=Waiting(record["waiting"]) if record["waiting"] else None,
        reason=record["reason"],
        attempts=record["attempts"],
        failing_since=record["failing_since"],
        looks=record["looks"],
        leased=bool(record["leased"]),
        known=_known(record),
        distrust=Distrust(record["distrust_before"], record["distrust_declared_at"])
        if record["distrust_before"]
        else None,
    )


def request_columns(row: Row) -> dict[str, Any]:
    """What intake changes."""
    return {
        "wanted": row.wanted,
        "open_requests": [request_json(request) for request in row.requests],
        "seen_actions": list(row.seen_actions),
    }


def answer_columns(row: Row) -> dict[str, Any]:
    """What a finished attempt changes."""
    return {
        **request_columns(row),
        "taken": row.taken,
        "done": row.done,
        **_update_columns("answered_through", row.answered_through),
        "not_before_quiet": row.not_before_quiet,
        "not_before_retry": row.not_before_retry,
        "waiting": row.waiting,
        "reason": row.reason,
        "attempts": row.attempts,
        "failing_since": row.failing_since,
        "looks": row.looks,
        **known_columns(row.known),
    }


def answer_rows(before: Row, after: Row) -> list[dict[str, Any]]:
    """The rows of `answers`, one per app that was answered and not merely superseded."""
    requests = {outcome_id(before.key, request): request for request in before.requests}
    newest = {
        outcome.app: {
            "app": outcome.app,
            "outcome": outcome.outcome,
            "reason": outcome.reason,
            "decided_at": outcome.decided_at.isoformat(),
            "through_at": outcome.updated_at.isoformat() if outcome.updated_at else None,
            "through_part": outcome.part_id,
            "request": request_json(requests[outcome.outcome_id]),
        }
        for outcome in after.outcomes
        if outcome.outcome is not Outcome.SUPERSEDED
    }
    return list(newest.values())


def known_columns(known: Known) -> dict[str, Any]:
    note, activity = known.note, known.activity
    return {
        "person_id": known.person_id,
        "note_id": note.id if note else None,
        "note_period": note.period if note else None,
        **_update_columns("note_through", note.through if note else None),
        "activity_id": activity.id if activity else None,
        "activity_period": activity.period if activity else None,
        "activity_person_id": known.activity_person_id,
        **_update_columns("activity_through", activity.through if activity else None),
        "unknown_write": _unknown_json(known.unknown_note),
        "unknown_activity": _unknown_json(known.unknown_activity),
        "lost": known.lost,
        **_update_columns("lost_through", known.lost_through),
        "handed_over": known.handed_over,
        "heal_periods": list(known.heal_periods),
        "heal_persons": list(known.heal_persons),
        "heal_text": known.heal_text,
        "users": list(known.users),
        "persons": list(known.persons),
        "note_sure_at": known.note_sure_at,
        "activity_sure_at": known.activity_sure_at,
        "heal_at": known.heal_at,  # the last one: `save` relies on it
    }


def _known(record: Mapping[str, Any]) -> Known:
    return Known(
        person_id=record["person_id"],
        note=Written(record["note_id"], record["note_period"], _update(record, "note_through"))
        if record["note_id"]
        else None,
        activity=Written(
            record["activity_id"], record["activity_period"], _update(record, "activity_through")
        )
        if record["activity_id"]
        else None,
        activity_person_id=record["activity_person_id"],
        unknown_note=_unknown(record["unknown_write"]),
        unknown_activity=_unknown(record["unknown_activity"]),
        lost=Lost(record["lost"]) if record["lost"] else None,
        lost_through=_update(record, "lost_through"),
        handed_over=record["handed_over"],
        heal_at=record["heal_at"],
        heal_periods=tuple(record["heal_periods"]),
        heal_persons=tuple(record["heal_persons"]),
        heal_text=record["heal_text"],
        users=tuple(record["users"]),
        persons=tuple(record["persons"]),
        note_sure_at=record["note_sure_at"],
        activity_sure_at=record["activity_sure_at"],
    )


def _update(record: Mapping[str, Any], name: str) -> Update | None:
    at, part = record[f"{name}_at"], record[f"{name}_part"]
    return None if at is None else Update(at, part)


def _update_columns(name: str, update: Update | None) -> dict[str, Any]:
    return {
        f"{name}_at": update.updated_at if update else None,
        f"{name}_part": update.part_id if update else None,
    }


def _update_of(value: list[Any] | None) -> Update | None:
    return Update(datetime.fromisoformat(value[0]), value[1]) if value else None


def _update_json(update: Update | None) -> list[Any] | None:
    return [update.updated_at.isoformat(), update.part_id] if update else None


def _unknown(value: str | None) -> UnknownWrite | None:
    if value is None:
        return None
    fields = json.loads(value)
    return UnknownWrite(
        fields["person_id"],
        fields["period"],
        datetime.fromisoformat(fields["started_at"]),
        _update_of(fields["through"]),
        fields["probes"],
    )


def _unknown_json(unknown: UnknownWrite | None) -> dict[str, Any] | None:
    if unknown is None:
        return None
    return {
        "person_id": unknown.person_id,
        "period": unknown.period,
        "started_at": unknown.started_at.isoformat(),
        "through": _update_json(unknown.through),
        "probes": unknown.probes,
    }


def request_of(fields: dict[str, Any]) -> Request:
    return Request(
        number=fields["number"],
        trigger=Trigger(fields["trigger"]),
        app=fields["app"],
        asked_at=datetime.fromisoformat(fields["asked_at"]),
        update=_update_of(fields.get("update")),
        action_id=fields.get("action_id"),
        actor_id=fields.get("actor_id"),
        person=CrmPerson(**fields["person"]) if fields.get("person") else None,
    )


def request_json(request: Request) -> dict[str, Any]:
    fields = {
        "number": request.number,
        "trigger": request.trigger,
        "app": request.app,
        "asked_at": request.asked_at.isoformat(),
        "update": _update_json(request.update),
        "action_id": request.action_id,
        "actor_id": request.actor_id,
        "person": request.person.model_dump() if request.person else None,
    }
    return {name: value for name, value in fields.items() if value is not None}
