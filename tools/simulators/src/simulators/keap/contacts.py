"""Contacts: found by filter, read, created, changed. A deleted or merged one answers 404."""

from typing import Final

from starlette.responses import Response

from simulators.clock import iso
from simulators.crm import Person
from simulators.http import Call, Json, RefusedError, Routes
from simulators.keap.caller import Caller
from simulators.keap.errors import error, not_found
from simulators.keap.lists import by_time, conditions, matches, ordered, page
from simulators.vendor import answer

BASE: Final = "/crm/rest/v2/contacts"
EMAIL_FIELDS: Final = ("EMAIL1", "EMAIL2", "EMAIL3")
EMAIL_MAX_CHARS: Final = {"EMAIL1": 75, "EMAIL2": 100, "EMAIL3": 100}
PHONE_FIELDS: Final = ("PHONE1", "PHONE2", "PHONE3", "PHONE4", "PHONE5")
LISTS: Final = ("email_addresses", "phone_numbers", "addresses")
NAME_MAX_CHARS: Final = 40

routes: Routes[Caller] = Routes()


@routes.on("GET", BASE)
def _list(call: Call, caller: Caller) -> Response:
    """Where a search lag is set, what is searched by address or phone lags behind by it."""
    known = ("email", "given_name", "family_name", "ids", "phone_number", "phone_fields")
    wanted = conditions(call, known)
    account = caller.account
    found = [p for p in account.persons.values() if not p.deleted]
    if {"email", "phone_number"} & wanted.keys():
        found = account.searchable(found, call.now, caller.search_lag_s)
    if "email" in wanted:
        found = [p for p in found if any(matches(wanted["email"], e) for e in p.emails)]
    if "ids" in wanted:
        found = [p for p in found if p.id in wanted["ids"].split(",")]
    if "phone_number" in wanted:
        if "PHONE1" not in wanted.get("phone_fields", "").split(","):
            raise RefusedError(error(400, "phone_fields is required with phone_number"))
        found = [p for p in found if p.phone == wanted["phone_number"]]
    for name, index in (("given_name", 0), ("family_name", 1)):
        if name in wanted:
            found = [p for p in found if matches(wanted[name], _names(p)[index])]
    ordered(
        call,
        found,
        {"id": lambda p: int(p.id), "create_time": by_time, "email": lambda p: p.emails[:1]},
    )
    shown = {n for n in call.query.get("fields", "").split(",") if n} | {"id"}
    return page(call, "contacts", [_only(contact_json(p), shown) for p in found])


@routes.on("POST", BASE)
def _create(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    emails, phones = _emails(body), _phones(body)
    if not any(body.get(name) for name in LISTS):
        raise RefusedError(error(400, "email_addresses, phone_numbers or addresses is required"))
    option = call.query.get("duplicate_option")
    known = [p for p in account.persons.values() if not p.deleted and _same(p, emails)]
    if option and emails and known:
        _change(known[0], body, call.now)
        account.calls["person.update"] += 1
        return answer(contact_json(known[0]))
    person = account.add_person(
        call.now,
        "api",
        name=_name(body),
        emails=emails,
        phone=phones[0] if phones else None,
        extra=_kept(body),
    )
    account.calls["person.create"] += 1
    return answer(contact_json(person), 201)


@routes.on("GET", BASE + "/{id}")
def _read(call: Call, caller: Caller) -> Response:
    return answer(contact_json(living(caller, call.params["id"])))


@routes.on("PATCH", BASE + "/{id}")
def _patch(call: Call, caller: Caller) -> Response:
    """Lists are replaced whole, where the mask (or its absence) names them."""
    person, body = living(caller, call.params["id"]), call.json()
    mask = call.query.getlist("update_mask")
    _change(person, {k: v for k, v in body.items() if not mask or k in mask}, call.now)
    caller.account.calls["person.update"] += 1
    return answer(contact_json(person))


def living(caller: Caller, contact_id: str) -> Person:
    person = caller.account.live_person(contact_id)
    if person is None:
        raise RefusedError(not_found("Contact", contact_id))
    return person


def _change(person: Person, body: Json, now: float) -> None:
    if "given_name" in body or "family_name" in body:
        first, last = _names(person)
        person.name = _name({"given_name": first, "family_name": last} | body)
    if "email_addresses" in body:
        person.emails = _emails(body)
    if "phone_numbers" in body:
        person.phone = next(iter(_phones(body)), None)
    person.extra |= _kept(body)
    person.touch(now, "api")


def _same(person: Person, emails: list[str]) -> bool:
    return bool({e.lower() for e in person.emails} & {e.lower() for e in emails})


def _emails(body: Json) -> list[str]:
    by_field: dict[str, str] = {}
    for item in body.get("email_addresses") or []:
        field, email = item.get("field", "EMAIL1"), str(item["email"])
        if field not in EMAIL_MAX_CHARS or len(email) > EMAIL_MAX_CHARS[field]:
            raise RefusedError(error(400, "email_addresses: not valid", str(field)))
        by_field[field] = email
    return [by_field[field] for field in EMAIL_FIELDS if field in by_field]


def _phones(body: Json) -> list[str]:
    given = {i.get("field", "PHONE1"): str(i["number"]) for i in body.get("phone_numbers") or []}
    return [given[field] for field in PHONE_FIELDS if field in given]


def _name(body: Json) -> str:
    names = [str(body.get(name) or "") for name in ("given_name", "family_name")]
    if any(len(name) > NAME_MAX_CHARS for name in names):
        raise RefusedError(error(400, f"a name is longer than {NAME_MAX_CHARS} characters"))
    return " ".join(filter(None, names))


def _names(person: Person) -> tuple[str, str]:
    first, _, last = person.name.partition(" ")
    return first, last


def _kept(body: Json) -> Json:
    return {name: body[name] for name in ("owner_id", "job_title") if name in body}


def _only(contact: Json, names: set[str]) -> Json:
    return {name: value for name, value in contact.items() if name in names}


def contact_json(person: Person) -> Json:
    first, last = _names(person)
    return {
        "id": person.id,
        "given_name": first or None,
        "family_name": last or None,
        "email_addresses": [
            {"email": email, "field": field, "is_opt_in": False}
            for field, email in zip(EMAIL_FIELDS, person.emails, strict=False)
        ],
        "phone_numbers": [{"number": person.phone, "field": "PHONE1", "type": "Work"}]
        if person.phone
        else [],
        "addresses": [],
        "tag_ids": [],
        "owner_id": person.extra.get("owner_id"),
        "create_time": iso(person.created_at),
        "update_time": iso(person.updated_at),
    }
