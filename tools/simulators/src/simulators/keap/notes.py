"""Notes: below their contact, and all of an account by filter. No field dates them."""

from typing import Final

from starlette.responses import Response

from simulators.clock import iso, parse_time
from simulators.crm import Note, User
from simulators.http import Call, Json, RefusedError, Routes
from simulators.keap.caller import Caller
from simulators.keap.contacts import living
from simulators.keap.errors import error, not_found
from simulators.keap.lists import by_time, conditions, matches, ordered, page
from simulators.keap.store import TEXT_MAX_BYTES, TITLE_MAX_CHARS
from simulators.vendor import answer, no_content

OF_CONTACT: Final = "/crm/rest/v2/contacts/{contact}/notes"
FIELDS: Final = ("title", "text", "type", "user_id", "is_pinned", "contact_id")
FILTERS: Final = (
    "id", "ids", "title", "contact_id", "assigned_to_user_id", "since_time", "until_time",
)  # fmt: skip

routes: Routes[Caller] = Routes()


@routes.on("GET", "/crm/rest/v2/notes")
def _all(call: Call, caller: Caller) -> Response:
    """Forgetting the filter lists the whole account."""
    return _listed(call, caller, None)


@routes.on("GET", OF_CONTACT)
def _of_contact(call: Call, caller: Caller) -> Response:
    return _listed(call, caller, living(caller, call.params["contact"]).id)


@routes.on("POST", OF_CONTACT)
def _create(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    person = living(caller, call.params["contact"])
    _check(caller, body)
    if not body.get("title") and not body.get("type"):
        raise RefusedError(error(400, "title or type is required"))
    note = account.add_note(
        call.now,
        "api",
        person_ids=[person.id],
        body=str(body.get("text") or ""),
        user_id=str(body["user_id"]),
        said_at=call.now,
        extra={name: body.get(name) for name in ("title", "type")},
    )
    account.calls["note.create"] += 1
    return answer(_note_json(caller, note), 201)


@routes.on("GET", OF_CONTACT + "/{id}")
def _read(call: Call, caller: Caller) -> Response:
    return answer(_note_json(caller, _live_note(call, caller)))


@routes.on("PATCH", OF_CONTACT + "/{id}")
def _change(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    note = _live_note(call, caller)
    _check(caller, body)
    mask = call.query.getlist("update_mask") or list(FIELDS)
    given = {name: body[name] for name in mask if name in body}
    note.extra |= {name: given[name] for name in ("title", "type") if name in given}
    note.user_id = str(given.get("user_id", note.user_id))
    if "text" in given:
        account.set_note_body(note, str(given["text"] or ""), call.now, "api")
    else:
        note.touch(call.now, "api")
    account.calls["note.update"] += 1
    return answer(_note_json(caller, note))


@routes.on("DELETE", OF_CONTACT + "/{id}")
def _delete(call: Call, caller: Caller) -> Response:
    _live_note(call, caller).delete(call.now, "api")
    caller.account.calls["note.delete"] += 1
    return no_content()


def _live_note(call: Call, caller: Caller) -> Note:
    """The note, which is found below its own contact alone."""
    contact, note = call.params["contact"], caller.account.notes.get(call.params["id"])
    if note is None or note.deleted or contact not in note.person_ids:
        raise RefusedError(not_found("Note", call.params["id"]))
    return note


def _listed(call: Call, caller: Caller, contact: str | None) -> Response:
    wanted = conditions(call, FILTERS)
    found = [n for n in caller.account.notes.values() if not n.deleted]
    contact = contact or wanted.get("contact_id")
    if contact is not None:
        found = [n for n in found if contact in n.person_ids]
    ids = wanted.get("ids", wanted.get("id"))
    if ids is not None:
        found = [n for n in found if n.id in ids.split(",")]
    if "title" in wanted:  # a bare value is searched anywhere
        sought = wanted["title"]
        found = [
            n
            for n in found
            if matches(sought, str(n.extra.get("title") or ""))
            or sought.lower() in str(n.extra.get("title") or "").lower()
        ]
    if "since_time" in wanted:
        found = [n for n in found if n.created_at >= parse_time(wanted["since_time"])]
    if "until_time" in wanted:
        found = [n for n in found if n.created_at <= parse_time(wanted["until_time"])]
    updated = {"update_time": lambda n: n.updated_at, "id": lambda n: int(n.id)}
    ordered(call, found, {"create_time": by_time, **updated})
    return page(call, "notes", [_note_json(caller, n) for n in found])


def _check(caller: Caller, body: Json) -> None:
    if str(body.get("user_id") or "") not in caller.account.users:
        raise RefusedError(error(400, "user_id is not valid", "user_id"))
    if len(str(body.get("text") or "").encode()) > TEXT_MAX_BYTES:
        raise RefusedError(error(400, "text is too long", "text"))
    if len(str(body.get("title") or "")) > TITLE_MAX_CHARS:
        raise RefusedError(error(400, "title is too long", "title"))


def _note_json(caller: Caller, note: Note) -> Json:
    user = caller.account.users.get(note.user_id)
    return {
        "id": note.id,
        "text": note.body,
        "title": note.extra.get("title"),
        "type": note.extra.get("type") or "Other",
        "contact_id": note.person_ids[0] if note.person_ids else None,
        "assigned_to_user": basic_user(user) if user else None,
        "create_time": iso(note.created_at),
        "update_time": iso(note.updated_at),
        "created_by_user_id": note.user_id,
        "last_updated_by_user_id": note.user_id,
        "pinned_at": None,
    }


def basic_user(user: User) -> Json:
    first, _, last = user.name.partition(" ")
    return {
        "id": user.id,
        "given_name": first,
        "family_name": last or None,
        "email_address": user.email,
    }
