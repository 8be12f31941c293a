"""Notes on people. A note has no date of its own; an update must hold its content."""

from typing import Final

from starlette.responses import Response

from simulators.clock import iso
from simulators.crm import Note
from simulators.http import Call, Json, RefusedError, Routes
from simulators.salesloft.caller import Caller
from simulators.salesloft.errors import error, invalid, not_found
from simulators.salesloft.lists import TIMES, href, listed, one, values
from simulators.salesloft.store import CONTENT_MAX_CHARS
from simulators.vendor import no_content

PATH: Final = "/v2/notes.json"
ONE: Final = "/v2/notes/{id}.json"

routes: Routes[Caller] = Routes()


@routes.on("POST", PATH)
def _create(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    content = _content(body)
    if str(body.get("associated_with_type", "")).lower() != "person":
        return invalid("associated_with_type", "is not valid")
    person = account.live_person(str(body.get("associated_with_id")))
    if person is None:
        return invalid("associated_with_id", "is not valid")
    note = account.add_note(
        call.now,
        "api",
        person_ids=[person.id],
        body=content,
        user_id=_author(caller, body.get("user_guid")),
        said_at=call.now,
        extra={name: body.get(name) for name in ("subject", "skip_crm_sync")},
    )
    account.calls["note.create"] += 1
    return one(_note_json(note))


@routes.on("GET", PATH)
def _list(call: Call, caller: Caller) -> Response:
    found = [n for n in caller.account.notes.values() if not n.deleted]
    if "associated_with_id" in call.query:
        if call.query.get("associated_with_type", "").lower() != "person":
            return invalid("associated_with_type", "can't be blank")
        found = [n for n in found if call.query["associated_with_id"] in n.person_ids]
    if ids := values(call, "ids"):
        found = [n for n in found if n.id in ids]
    return listed(call, found, _note_json, TIMES)


@routes.on("GET", ONE)
def _read(call: Call, caller: Caller) -> Response:
    return one(_note_json(_live(call, caller)))


@routes.on("PUT", ONE)
def _change(call: Call, caller: Caller) -> Response:
    note = _live(call, caller)
    caller.account.set_note_body(note, _content(call.json()), call.now, "api")
    caller.account.calls["note.update"] += 1
    return one(_note_json(note))


@routes.on("DELETE", ONE)
def _delete(call: Call, caller: Caller) -> Response:
    _live(call, caller).delete(call.now, "api")
    caller.account.calls["note.delete"] += 1
    return no_content()


def _live(call: Call, caller: Caller) -> Note:
    note = caller.account.notes.get(call.params["id"])
    if note is None or note.deleted:
        raise RefusedError(not_found())
    return note


def _content(body: Json) -> str:
    content = body.get("content")
    if not isinstance(content, str) or not content:
        raise RefusedError(invalid("content", "can't be blank"))
    if len(content) > CONTENT_MAX_CHARS:
        raise RefusedError(invalid("content", "is too long"))
    return content


def _author(caller: Caller, guid: object) -> str:
    """The caller, or whom a team admin names."""
    if guid is None:
        return caller.user_id
    if not caller.is_team_admin:
        raise RefusedError(error(403, "user_guid is for team admins"))
    named = [u for u in caller.account.users if caller.account.guid(u) == guid]
    if not named:
        raise RefusedError(invalid("user_guid", "is not valid"))
    return named[0]


def _note_json(note: Note) -> Json:
    return {
        "id": int(note.id),
        "created_at": iso(note.created_at),
        "updated_at": iso(note.updated_at),
        "content": note.body,
        "associated_type": "person",
        "associated_with": href("people", note.person_ids[0] if note.person_ids else None),
        "user": href("users", note.user_id),
        "call": None,
    }
