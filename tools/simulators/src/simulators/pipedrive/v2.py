"""Pipedrive API v2: persons, activities, deals. RFC 3339 times, real booleans, cursor paging."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.responses import Response

from simulators.clock import iso_seconds, parse_time
from simulators.crm import Activity, Deal, Person, Record
from simulators.http import Call, Json, RefusedError, Routes
from simulators.pipedrive.caller import Caller
from simulators.pipedrive.errors import bad_request, error
from simulators.pipedrive.store import ACTIVITY_TYPES, NOTE_MAX_BYTES
from simulators.vendor import answer

NEEDS_CONTACT_SYNC = ("notes", "im", "birthday", "job_title", "postal_address")
READ_ONLY_PERSON = (
    "'person_id' is a read-only field. Add a primary participant to set 'person_id' instead."
)
Some = TypeVar("Some", bound=Record)

routes: Routes[Caller] = Routes()


@routes.on("GET", "/api/v2/persons/search")
def _search(call: Call, caller: Caller) -> Response:
    """By email or name; the index lags behind the records."""
    term = call.query.get("term", "")
    exact = call.query.get("exact_match") == "true"
    if len(term) < (1 if exact else 2):
        return bad_request("term is too short")
    fields = [f for f in call.query.get("fields", "email,name,phone").split(",") if f]
    visible = caller.account.searchable(
        caller.account.persons.values(), call.now, caller.search_lag_s
    )
    hits = [p for p in visible if _found(p, term.lower(), fields, exact=exact)]
    items = [
        {
            "result_score": 1.0 if exact else 0.5,
            "item": {
                "id": int(p.id),
                "type": "person",
                "name": p.name,
                "phones": [p.phone] if p.phone else [],
                "emails": list(p.emails),
                "visible_to": 3,
                "owner": {"id": _owner(caller, p)},
                "organization": None,
                "custom_fields": [],
                "notes": [],
            },
        }
        for p in hits
    ]
    shown, following = _page(call, items)
    return answer(
        {
            "success": True,
            "data": {"items": shown},
            "additional_data": {"next_cursor": following},
        }
    )


@routes.on("GET", "/api/v2/persons")
def _persons(call: Call, caller: Caller) -> Response:
    return _list(call, list(caller.account.persons.values()), lambda p: _person_json(caller, p))


@routes.on("POST", "/api/v2/persons")
def _create_person(call: Call, caller: Caller) -> Response:
    body = call.json()
    _refuse_contact_sync_fields(body)
    if not body.get("name"):
        return bad_request("name: Required")
    person = caller.account.add_person(
        call.now,
        "api",
        name=str(body["name"]),
        emails=_primary_first(body.get("emails")),
        phone=next(iter(_primary_first(body.get("phones"))), None),
        extra={"owner_id": body.get("owner_id"), "org_id": body.get("org_id")},
    )
    caller.account.calls["person.create"] += 1
    return answer({"success": True, "data": _person_json(caller, person)})


@routes.on("GET", "/api/v2/persons/{id}")
def _person(call: Call, caller: Caller) -> Response:
    return answer({"success": True, "data": _person_json(caller, _live_person(call, caller))})


@routes.on("PATCH", "/api/v2/persons/{id}")
def _change_person(call: Call, caller: Caller) -> Response:
    person, body = _live_person(call, caller), call.json()
    _refuse_contact_sync_fields(body)
    person.name = str(body.get("name") or person.name)
    if "emails" in body:
        person.emails = _primary_first(body["emails"])
    if "phones" in body:
        person.phone = next(iter(_primary_first(body["phones"])), None)
    person.touch(call.now, "api")
    caller.account.calls["person.update"] += 1
    return answer({"success": True, "data": _person_json(caller, person)})


@routes.on("GET", "/api/v2/activities")
def _activities(call: Call, caller: Caller) -> Response:
    found = list(caller.account.activities.values())
    if "person_id" in call.query:  # the primary participant
        found = [a for a in found if a.person_ids[:1] == [call.query["person_id"]]]
    if "done" in call.query:
        found = [a for a in found if a.done is (call.query["done"] == "true")]
    return _list(call, found, _activity_json)


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
    return answer({"success": True, "data": _activity_json(activity)})


@routes.on("DELETE", "/api/v2/activities/{id}")
def _delete_activity(call: Call, caller: Caller) -> Response:
    activity = _live_activity(call, caller)
    activity.delete(call.now, "api")
    caller.account.calls["activity.delete"] += 1
    return answer({"success": True, "data": {"id": int(activity.id)}})


@routes.on("GET", "/api/v2/deals")
def _deals(call: Call, caller: Caller) -> Response:
    found = list(caller.account.deals.values())
    if "person_id" in call.query:
        found = [d for d in found if call.query["person_id"] in d.person_ids]
    return _list(call, found, lambda d: _deal_json(caller, d))


@routes.on("POST", "/api/v2/deals")
def _create_deal(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    if not body.get("title"):
        return bad_request("title: Required")
    person_ids = [_participant(caller, body["person_id"])] if body.get("person_id") else []
    deal = Deal(
        id=account.new_id(),
        created_at=call.now,
        created_by="api",
        updated_at=call.now,
        updated_by="api",
        person_ids=person_ids,
        title=str(body["title"]),
        extra={"value": body.get("value", 0), "currency": body.get("currency", "EUR")},
    )
    account.deals[deal.id] = deal
    account.calls["deal.create"] += 1
    return answer({"success": True, "data": _deal_json(caller, deal)})


@routes.on("GET", "/api/v2/deals/{id}")
def _deal(call: Call, caller: Caller) -> Response:
    deal = caller.account.deals.get(call.params["id"])
    if deal is None or deal.deleted:
        return error(404, "Deal not found")
    return answer({"success": True, "data": _deal_json(caller, deal)})


def _list(call: Call, found: list[Some], show: Callable[[Some], Json]) -> Response:
    """Filters and order that all lists share."""
    query = call.query
    found = [r for r in found if not r.deleted]
    if "ids" in query:
        wanted = set(query["ids"].split(","))
        found = [r for r in found if r.id in wanted]
    if "updated_since" in query:
        since = parse_time(query["updated_since"])
        found = [r for r in found if r.updated_at >= since]
    keys: dict[str, Callable[[Some], Any]] = {
        "id": lambda r: int(r.id),
        "update_time": lambda r: r.updated_at,
        "add_time": lambda r: r.created_at,
    }
    order = keys.get(query.get("sort_by", "id"), keys["id"])
    found.sort(key=order, reverse=query.get("sort_direction") == "desc")
    shown, following = _page(call, [show(r) for r in found])
    return answer({"success": True, "data": shown, "additional_data": {"next_cursor": following}})


def _page(call: Call, items: Sequence[Json]) -> tuple[list[Json], str | None]:
    """One page and the cursor of the next: the position of its first item."""
    limit = min(int(call.query.get("limit", "100")), 500)
    start = int(call.query.get("cursor") or 0)
    following = str(start + limit) if start + limit < len(items) else None
    return list(items[start : start + limit]), following


def _found(person: Person, term: str, fields: list[str], *, exact: bool) -> bool:
    texts: list[str] = []
    texts += person.emails if "email" in fields else []
    texts += [person.name] if "name" in fields else []
    texts += [person.phone] if "phone" in fields and person.phone else []
    return any(term == t.lower() if exact else term in t.lower() for t in texts)


def _live_person(call: Call, caller: Caller) -> Person:
    """Deleted and merged persons answer 404; nothing leads to the survivor."""
    person = caller.account.live_person(call.params["id"])
    if person is None:
        raise RefusedError(error(404, "Person not found"))
    return person


def _live_activity(call: Call, caller: Caller) -> Activity:
    activity = caller.account.activities.get(call.params["id"])
    if activity is None or activity.deleted:
        raise RefusedError(error(404, "Activity not found"))
    return activity


def _refuse_contact_sync_fields(body: Json) -> None:
    sent = [name for name in NEEDS_CONTACT_SYNC if name in body]
    if sent:
        raise RefusedError(error(403, f"{sent[0]} needs contact sync to be enabled"))


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
    return [_participant(caller, p["person_id"]) for p in given]


def _participant(caller: Caller, person_id: object) -> str:
    person = caller.account.live_person(str(person_id))
    if person is None:
        raise RefusedError(bad_request(f"person {person_id} does not exist"))
    return person.id


def _primary_first(values: list[Json] | None) -> list[str]:
    ordered = sorted(values or [], key=lambda v: not v.get("primary"))
    return [str(v["value"]) for v in ordered]


def _kept(body: Json) -> Json:
    names = ("duration", "busy", "deal_id", "org_id", "public_description", "priority")
    return {name: body[name] for name in names if name in body}


def _owner(caller: Caller, record: Record) -> int:
    return int(record.extra.get("owner_id") or caller.user_id)


def _person_json(caller: Caller, person: Person) -> Json:
    first, _, last = person.name.partition(" ")
    return {
        "id": int(person.id),
        "name": person.name,
        "first_name": first,
        "last_name": last or None,
        "owner_id": _owner(caller, person),
        "org_id": person.extra.get("org_id"),
        "add_time": iso_seconds(person.created_at),
        "update_time": iso_seconds(person.updated_at),
        "emails": [
            {"value": e, "primary": i == 0, "label": "work"} for i, e in enumerate(person.emails)
        ],
        "phones": [{"value": person.phone, "primary": True, "label": "work"}]
        if person.phone
        else [],
        "is_deleted": person.deleted,
        "visible_to": 3,
        "label_ids": [],
        "picture_id": None,
        "custom_fields": {},
    }


def _activity_json(activity: Activity) -> Json:
    extra = activity.extra
    primary = int(activity.person_ids[0]) if activity.person_ids else None
    return {
        "id": int(activity.id),
        "subject": activity.subject,
        "type": activity.type,
        "owner_id": int(activity.user_id),
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


def _deal_json(caller: Caller, deal: Deal) -> Json:
    return {
        "id": int(deal.id),
        "title": deal.title,
        "owner_id": _owner(caller, deal),
        "person_id": int(deal.person_ids[0]) if deal.person_ids else None,
        "org_id": None,
        "pipeline_id": 1,
        "stage_id": 1,
        "value": deal.extra.get("value") or 0,
        "currency": deal.extra.get("currency") or "EUR",
        "add_time": iso_seconds(deal.created_at),
        "update_time": iso_seconds(deal.updated_at),
        "is_deleted": deal.deleted,
        "status": "open",
        "visible_to": 3,
        "custom_fields": {},
    }
