"""Persons in API v2: found by address, created, changed. A merged one leaves no trace."""

from starlette.responses import Response

from simulators.clock import iso_seconds
from simulators.crm import Person, Record
from simulators.http import Call, Json, RefusedError, Routes
from simulators.pipedrive.caller import Caller
from simulators.pipedrive.errors import bad_request, error
from simulators.pipedrive.paging import listed, page
from simulators.vendor import answer

NEEDS_CONTACT_SYNC = ("notes", "im", "birthday", "job_title", "postal_address")

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
                "owner": {"id": owner_of(caller, p)},
                "organization": None,
                "custom_fields": [],
                "notes": [],
            },
        }
        for p in hits
    ]
    shown, following = page(call, items)
    return answer(
        {
            "success": True,
            "data": {"items": shown},
            "additional_data": {"next_cursor": following},
        }
    )


@routes.on("GET", "/api/v2/persons")
def _persons(call: Call, caller: Caller) -> Response:
    return listed(call, list(caller.account.persons.values()), lambda p: _person_json(caller, p))


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


def living(caller: Caller, person_id: object) -> str:
    person = caller.account.live_person(str(person_id))
    if person is None:
        raise RefusedError(bad_request(f"person {person_id} does not exist"))
    return person.id


def owner_of(caller: Caller, record: Record) -> int:
    return int(record.extra.get("owner_id") or caller.user_id)


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


def _refuse_contact_sync_fields(body: Json) -> None:
    sent = [name for name in NEEDS_CONTACT_SYNC if name in body]
    if sent:
        raise RefusedError(error(403, f"{sent[0]} needs contact sync to be enabled"))


def _primary_first(values: list[Json] | None) -> list[str]:
    ordered = sorted(values or [], key=lambda v: not v.get("primary"))
    return [str(v["value"]) for v in ordered]


def _person_json(caller: Caller, person: Person) -> Json:
    first, _, last = person.name.partition(" ")
    return {
        "id": int(person.id),
        "name": person.name,
        "first_name": first,
        "last_name": last or None,
        "owner_id": owner_of(caller, person),
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
