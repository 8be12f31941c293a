"""Pipedrive API v1: who am I, activity types, notes. Plain UTC times, paging by offset."""

from typing import Any

from starlette.responses import Response

from simulators.clock import parse_time, plain
from simulators.crm import Note
from simulators.http import Call, Json, RefusedError, Routes
from simulators.pipedrive.caller import Caller
from simulators.pipedrive.errors import error
from simulators.pipedrive.store import ACTIVITY_TYPES, NOTE_MAX_BYTES
from simulators.vendor import answer

OWNERS = ("person_id", "deal_id", "org_id", "lead_id", "project_id", "task_id")
FLAGS = ("deal", "organization", "person", "project", "task")
SORTABLE = {"id", "add_time", "update_time"}

routes: Routes[Caller] = Routes()


@routes.on("GET", "/api/v1/users/me")
def _me(call: Call, caller: Caller) -> Response:
    account = caller.account
    user = account.users[caller.user_id]
    data = {
        "id": int(user.id),
        "name": user.name,
        "email": user.email,
        "default_currency": "EUR",
        "locale": "en_GB",
        "lang": 1,
        "phone": None,
        "activated": True,
        "active_flag": True,
        "is_you": True,
        "is_deleted": False,
        "timezone_name": "Europe/Vienna",
        "timezone_offset": "+01:00",
        "company_id": account.company_id,
        "company_name": account.name,
        "company_domain": account.id,
        "company_country": "AT",
        "language": {"language_code": "en", "country_code": "GB"},
    }
    return answer({"success": True, "data": data})


@routes.on("GET", "/api/v1/users")
def _users(call: Call, caller: Caller) -> Response:
    data = [
        {"id": int(user.id), "name": user.name, "email": user.email, "active_flag": True}
        for user in caller.account.users.values()
    ]
    return answer({"success": True, "data": data})


@routes.on("GET", "/api/v1/activityTypes")
def _activity_types(call: Call, caller: Caller) -> Response:
    data = [
        {
            "id": number,
            "name": key.capitalize(),
            "icon_key": key,
            "color": "FFFFFF",
            "order_nr": number,
            "key_string": key,
            "active_flag": True,
            "is_custom_flag": False,
            "add_time": "2020-01-01T00:00:00Z",
            "update_time": "2020-01-01T00:00:00Z",
        }
        for number, key in enumerate(ACTIVITY_TYPES, 1)
    ]
    return answer({"success": True, "data": data})


@routes.on("POST", "/api/v1/notes")
def _create(call: Call, caller: Caller) -> Response:
    body = call.json()
    account = caller.account
    content = _content(body.get("content"))
    if not any(body.get(owner) for owner in OWNERS):
        return error(
            400, "One of lead_id, deal_id, person_id, org_id, project_id, task_id is required"
        )
    note = account.add_note(
        call.now,
        "api",
        person_ids=_person_ids(caller, body),
        body=content,
        user_id=str(body.get("user_id") or caller.user_id),
        said_at=_said_at(body, call.now),
        extra=_kept(body),
    )
    account.calls["note.create"] += 1
    return answer({"success": True, "data": _note_json(caller, note)})


@routes.on("GET", "/api/v1/notes")
def _list(call: Call, caller: Caller) -> Response:
    query = call.query
    notes = [n for n in caller.account.notes.values() if not n.deleted]
    if "person_id" in query:
        notes = [n for n in notes if query["person_id"] in n.person_ids]
    if "user_id" in query:
        notes = [n for n in notes if n.user_id == query["user_id"]]
    if "deal_id" in query:
        notes = [n for n in notes if str(n.extra.get("deal_id")) == query["deal_id"]]
    if "updated_since" in query:
        since = parse_time(query["updated_since"])
        notes = [n for n in notes if n.updated_at >= since]
    if "start_date" in query:
        notes = [n for n in notes if plain(n.said_at)[:10] >= query["start_date"]]
    if "end_date" in query:
        notes = [n for n in notes if plain(n.said_at)[:10] <= query["end_date"]]
    _sort(notes, query.get("sort", "id"))
    start, limit = int(query.get("start", "0")), min(int(query.get("limit", "100")), 500)
    shown = [_note_json(caller, n) for n in notes[start : start + limit]]
    pagination: Json = {
        "start": start,
        "limit": limit,
        "more_items_in_collection": start + limit < len(notes),
    }
    if start + limit < len(notes):
        pagination["next_start"] = start + limit
    return answer({"success": True, "data": shown, "additional_data": {"pagination": pagination}})


@routes.on("GET", "/api/v1/notes/{id}")
def _read(call: Call, caller: Caller) -> Response:
    """A deleted note is still shown, with active_flag false."""
    note = caller.account.notes.get(call.params["id"])
    if note is None:
        return error(404, "Note not found")
    return answer({"success": True, "data": _note_json(caller, note)})


@routes.on("PUT", "/api/v1/notes/{id}")
def _change(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    note = account.notes.get(call.params["id"])
    if note is None or note.deleted:
        return error(404, "Note not found")
    if "person_id" in body:
        note.person_ids = _person_ids(caller, body)
    if "add_time" in body:
        note.said_at = _said_at(body, call.now)
    note.extra |= _kept(body)
    if "content" in body:
        account.set_note_body(note, _content(body["content"]), call.now, "api")
    else:
        note.touch(call.now, "api")
    account.calls["note.update"] += 1
    return answer({"success": True, "data": _note_json(caller, note)})


@routes.on("DELETE", "/api/v1/notes/{id}")
def _delete(call: Call, caller: Caller) -> Response:
    note = caller.account.notes.get(call.params["id"])
    if note is None or note.deleted:
        return error(404, "Note not found")
    note.delete(call.now, "api")
    caller.account.calls["note.delete"] += 1
    return answer({"success": True, "data": True})


def _content(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise RefusedError(error(400, "Content is required"))
    if len(value.encode()) > NOTE_MAX_BYTES:
        raise RefusedError(error(400, f"Note content exceeds {NOTE_MAX_BYTES} bytes"))
    return value


def _person_ids(caller: Caller, body: Json) -> list[str]:
    """The person, who must be there. What Pipedrive does with a deleted one is not documented."""
    if not body.get("person_id"):
        return []
    person = caller.account.live_person(str(body["person_id"]))
    if person is None:
        raise RefusedError(error(400, "person_id is not valid"))
    return [person.id]


def _said_at(body: Json, now: float) -> float:
    return parse_time(body["add_time"]) if body.get("add_time") else now


def _kept(body: Json) -> dict[str, Any]:
    """Fields that only come back as they were given."""
    wanted = [o for o in OWNERS if o != "person_id"] + [f"pinned_to_{f}_flag" for f in FLAGS]
    return {name: body[name] for name in wanted if name in body}


def _sort(notes: list[Note], order: str) -> None:
    for part in reversed(order.split(",")):
        name, _, direction = part.strip().partition(" ")
        if name not in SORTABLE:
            raise RefusedError(error(400, f"Cannot sort by {name}"))
        keys = {
            "id": lambda n: int(n.id),
            "add_time": lambda n: n.said_at,
            "update_time": lambda n: n.updated_at,
        }
        notes.sort(key=keys[name], reverse=direction.upper() == "DESC")


def _note_json(caller: Caller, note: Note) -> Json:
    account = caller.account
    user = account.users.get(note.user_id)
    person = account.persons.get(note.person_ids[0]) if note.person_ids else None
    flags = {f"pinned_to_{f}_flag": bool(note.extra.get(f"pinned_to_{f}_flag")) for f in FLAGS}
    return {
        "id": int(note.id),
        "active_flag": not note.deleted,
        "content": note.body,
        "add_time": plain(note.said_at),
        "update_time": plain(note.updated_at),
        "user_id": int(note.user_id),
        "last_update_user_id": int(note.user_id) if note.revision > 1 else None,
        "person_id": int(person.id) if person else None,
        "person": {"name": person.name} if person else None,
        "deal_id": note.extra.get("deal_id"),
        "deal": None,
        "org_id": note.extra.get("org_id"),
        "organization": None,
        "lead_id": note.extra.get("lead_id"),
        "project_id": note.extra.get("project_id"),
        "task_id": note.extra.get("task_id"),
        "user": {
            "name": user.name if user else "",
            "email": user.email if user else "",
            "icon_url": None,
            "is_you": note.user_id == caller.user_id,
        },
        **flags,
    }
