"""Notes on contacts and leads: plain text, without a date of their own."""

from typing import Final

from starlette.responses import Response

from simulators.clock import iso_seconds
from simulators.crm import Note
from simulators.http import Call, Json, RefusedError, Routes
from simulators.vendor import no_content
from simulators.zendesk_sell.caller import Caller
from simulators.zendesk_sell.errors import invalid, not_found
from simulators.zendesk_sell.lists import data_of, listed, one
from simulators.zendesk_sell.store import CONTENT_MAX_CHARS, kind_of

PATH: Final = "/v2/notes"

routes: Routes[Caller] = Routes()


@routes.on("POST", PATH)
def _create(call: Call, caller: Caller) -> Response:
    account, data = caller.account, data_of(call, "note")
    content = _content(data)
    kind = data.get("resource_type")
    if kind not in ("contact", "lead"):
        return invalid("invalid_type", "note", "resource_type", "resource_type is not valid")
    person = account.live(kind, str(data.get("resource_id")))
    if person is None:
        return invalid("unknown", "note", "resource_id", "There is no such record")
    note = account.add_note(
        call.now,
        "api",
        person_ids=[person.id],
        body=content,
        user_id=caller.user_id,
        said_at=call.now,
    )
    account.calls["note.create"] += 1
    return one("note", _json(caller, note))


@routes.on("GET", PATH)
def _list(call: Call, caller: Caller) -> Response:
    query = call.query
    found = [n for n in caller.account.notes.values() if not n.deleted]
    if "resource_type" in query:
        found = [n for n in found if _kind(caller, n) == query["resource_type"]]
    if "resource_id" in query:
        found = [n for n in found if query["resource_id"] in n.person_ids]
    if "creator_id" in query:
        found = [n for n in found if n.user_id == query["creator_id"]]
    return listed(call, "note", found, lambda n: _json(caller, n))


@routes.on("GET", PATH + "/{id}")
def _read(call: Call, caller: Caller) -> Response:
    return one("note", _json(caller, _live(call, caller)))


@routes.on("PUT", PATH + "/{id}")
def _change(call: Call, caller: Caller) -> Response:
    note, data = _live(call, caller), data_of(call, "note")
    caller.account.set_note_body(note, _content(data), call.now, "api")
    caller.account.calls["note.update"] += 1
    return one("note", _json(caller, note))


@routes.on("DELETE", PATH + "/{id}")
def _delete(call: Call, caller: Caller) -> Response:
    _live(call, caller).delete(call.now, "api")
    caller.account.calls["note.delete"] += 1
    return no_content()


def _live(call: Call, caller: Caller) -> Note:
    note = caller.account.notes.get(call.params["id"])
    if note is None or note.deleted:
        raise RefusedError(not_found("note"))
    return note


def _content(data: Json) -> str:
    content = data.get("content")
    if not isinstance(content, str) or not content:
        raise RefusedError(invalid("missing", "note", "content", "content can't be blank"))
    if len(content) > CONTENT_MAX_CHARS:
        raise RefusedError(invalid("too_long", "note", "content", "content is too long"))
    return content


def _kind(caller: Caller, note: Note) -> str:
    person = caller.account.persons.get(note.person_ids[0]) if note.person_ids else None
    return kind_of(person) if person else "contact"


def _json(caller: Caller, note: Note) -> Json:
    return {
        "id": int(note.id),
        "creator_id": int(note.user_id),
        "resource_type": _kind(caller, note),
        "resource_id": int(note.person_ids[0]) if note.person_ids else None,
        "content": note.body,
        "is_important": False,
        "tags": [],
        "type": "regular",
        "created_at": iso_seconds(note.created_at),
        "updated_at": iso_seconds(note.updated_at),
    }
