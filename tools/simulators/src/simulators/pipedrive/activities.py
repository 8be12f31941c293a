"""Activities in API v2. Their person is the primary participant; `person_id` is read-only."""

from starlette.responses import Response

from simulators.clock import iso_seconds
from simulators.crm import Activity
from simulators.http import Call, Json, RefusedError, Routes
from simulators.pipedrive.caller import Caller
from simulators.pipedrive.errors import bad_request, error
from simulators.pipedrive.paging import listed
from simulators.pipedrive.persons import living
from simulators.pipedrive.store import ACTIVITY_TYPES, NOTE_MAX_BYTES
from simulators.vendor import answer

READ_ONLY_PERSON = (
    "'person_id' is a read-only field. Add a primary participant to set 'person_id' instead."
)

routes: Routes[Caller] = Routes()


@routes.on("GET", "/api/v2/activities")
def _activities(call: Call, caller: Caller) -> Response:
    found = list(caller.account.activities.values())
    if "person_id" in call.query:  # the primary participant
        found = [a for a in found if a.person_ids[:1] == [call.query["person_id"]]]
    if "done" in call.query:
        found = [a for a in found if a.done is (call.query["done"] == "true")]
    return listed(call, found, _activity_json)


@routes.on("POST", "/api/v2/activities")
def _create_activity(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    _check_activity(body)
    note = str(body.get("note") or "")
    activity = Activity(
        id=account.new_id(),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=_participants(caller, body),
        subject=str(body.get("subject") or "Call"),
        type=str(body.get("type") or "call"),
        done=bool(body.get("done", False)),
        due_date=body.get("due_date"),
        due_time=body.get("due_time"),
        body=account.sanitize(note),
        body_sent=note,
        user_id=caller.user_id,
        extra=_kept(body),
    )
    account.activities[activity.id] = activity
    account.calls["activity.create"] += 1
    account.happened("activity.added", activity, call.now)
    return answer({"success": True, "data": _activity_json(activity)})


@routes.on("GET", "/api/v2/activities/{id}")
def _activity(call: Call, caller: Caller) -> Response:
    return answer({"success": True, "data": _activity_json(_live_activity(call, caller))})


@routes.on("PATCH", "/api/v2/activities/{id}")
def _change_activity(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    activity = _live_activity(call, caller)
    _check_activity(body)
    activity.subject = str(body.get("subject", activity.subject))
    activity.type = str(body.get("type", activity.type))
    activity.done = bool(body.get("done", activity.done))
    activity.due_date = body.get("due_date", activity.due_date)
    activity.due_time = body.get("due_time", activity.due_time)
    if "participants" in body:
        activity.person_ids = _participants(caller, body)
    if "note" in body:
        activity.body_sent = str(body["note"] or "")
        activity.body = account.sanitize(activity.body_sent)
    activity.extra |= _kept(body)
    activity.touch(call.now, "api")
    account.calls["activity.update"] += 1
    account.happened("activity.updated", activity, call.now)
    return answer({"success": True, "data": _activity_json(activity)})


@routes.on("DELETE", "/api/v2/activities/{id}")
def _delete_activity(call: Call, caller: Caller) -> Response:
    activity = _live_activity(call, caller)
    activity.delete(call.now, "api")
    caller.account.calls["activity.delete"] += 1
    return answer({"success": True, "data": {"id": int(activity.id)}})


def _live_activity(call: Call, caller: Caller) -> Activity:
    activity = caller.account.activities.get(call.params["id"])
    if activity is None or activity.deleted:
        raise RefusedError(error(404, "Activity not found"))
    return activity


def _check_activity(body: Json) -> None:
    if "person_id" in body:
        raise RefusedError(bad_request(READ_ONLY_PERSON))
    if body.get("type") is not None and body["type"] not in ACTIVITY_TYPES:
        raise RefusedError(bad_request("type: no such activity type"))
    if len(str(body.get("note") or "").encode()) > NOTE_MAX_BYTES:
        raise RefusedError(bad_request(f"note: longer than {NOTE_MAX_BYTES} bytes"))


def _participants(caller: Caller, body: Json) -> list[str]:
    """Person ids, the primary one first."""
    given = body.get("participants") or []
    given = sorted(given, key=lambda p: not p.get("primary"))
    return [living(caller, p["person_id"]) for p in given]


def _kept(body: Json) -> Json:
    names = ("duration", "busy", "deal_id", "org_id", "public_description", "priority", "owner_id")
    return {name: body[name] for name in names if name in body}


def _activity_json(activity: Activity) -> Json:
    extra = activity.extra
    primary = int(activity.person_ids[0]) if activity.person_ids else None
    return {
        "id": int(activity.id),
        "subject": activity.subject,
        "type": activity.type,
        "owner_id": int(extra.get("owner_id") or activity.user_id),
        "creator_user_id": int(activity.user_id),
        "is_deleted": activity.deleted,
        "add_time": iso_seconds(activity.created_at),
        "update_time": iso_seconds(activity.updated_at),
        "deal_id": extra.get("deal_id"),
        "lead_id": None,
        "person_id": primary,
        "org_id": extra.get("org_id"),
        "project_id": None,
        "due_date": activity.due_date,
        "due_time": activity.due_time,
        "duration": extra.get("duration"),
        "busy": bool(extra.get("busy", False)),
        "done": activity.done,
        "marked_as_done_time": iso_seconds(activity.updated_at) if activity.done else None,
        "location": None,
        "participants": [
            {"person_id": int(p), "primary": i == 0} for i, p in enumerate(activity.person_ids)
        ],
        "conference_meeting_client": None,
        "conference_meeting_url": None,
        "conference_meeting_id": None,
        "public_description": extra.get("public_description"),
        "priority": extra.get("priority"),
        "note": activity.body or None,
    }
