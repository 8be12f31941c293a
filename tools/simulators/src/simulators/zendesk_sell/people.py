"""Contacts and leads: found by address or phone, read, created, changed."""

from typing import Final

from starlette.responses import Response

from simulators.clock import iso_seconds
from simulators.crm import Person
from simulators.http import Call, Json, RefusedError, Routes
from simulators.zendesk_sell.caller import Caller
from simulators.zendesk_sell.errors import not_found
from simulators.zendesk_sell.lists import data_of, listed, one, required
from simulators.zendesk_sell.store import kind_of

KINDS: Final = {"contacts": "contact", "leads": "lead"}
KEPT: Final = ("mobile", "title", "description")
_UNSET: Final = (
    "address", "facebook", "fax", "industry", "linkedin", "skype", "twitter",
    "website",
)  # fmt: skip

routes: Routes[Caller] = Routes()


@routes.on("GET", "/v2/{kind}s")
def _list(call: Call, caller: Caller) -> Response:
    """A filter lags behind by the search lag, where one is set; the list itself does not."""
    kind, account, query = call.params["kind"], caller.account, call.query
    if kind not in KINDS.values():
        return not_found(kind)
    lag = caller.search_lag_s if {"email", "phone", "mobile"} & query.keys() else None
    found = [p for p in account.persons.values() if not p.deleted and kind_of(p) == kind]
    if lag is not None:
        found = account.searchable(found, call.now, lag)
    if "email" in query:
        wanted = query["email"].lower()
        found = [p for p in found if p.emails and p.emails[0].lower() == wanted]
    for name in ("phone", "mobile"):
        if name in query:
            found = [p for p in found if _phones(p)[name] == query[name]]
    return listed(call, kind, found, lambda p: _json(caller, p))


@routes.on("POST", "/v2/{kind}s")
def _create(call: Call, caller: Caller) -> Response:
    kind = call.params["kind"]
    if kind not in KINDS.values():
        return not_found(kind)
    data = data_of(call, kind)
    required(data, kind, "last_name", "name" if kind == "contact" else "organization_name")
    person = caller.account.add_person(
        call.now,
        "api",
        name=_name(data),
        emails=[str(data["email"])] if data.get("email") else [],
        phone=data.get("phone"),
        extra={"lead": kind == "lead", **{name: data.get(name) for name in KEPT}},
    )
    caller.account.calls["person.create"] += 1
    return one(kind, _json(caller, person))


@routes.on("GET", "/v2/{kind}s/{id}")
def _read(call: Call, caller: Caller) -> Response:
    return one(call.params["kind"], _json(caller, _live(call, caller)))


@routes.on("PUT", "/v2/{kind}s/{id}")
def _change(call: Call, caller: Caller) -> Response:
    person = _live(call, caller)
    data = data_of(call, call.params["kind"])
    first, _, last = person.name.partition(" ")
    person.name = _name({"first_name": first, "last_name": last} | data)
    if data.get("email"):
        person.emails = [str(data["email"])]
    person.phone = data.get("phone", person.phone)
    person.touch(call.now, "api")
    caller.account.calls["person.update"] += 1
    return one(call.params["kind"], _json(caller, person))


def _live(call: Call, caller: Caller) -> Person:
    person = caller.account.live(call.params["kind"], call.params["id"])
    if person is None:
        raise RefusedError(not_found(call.params["kind"]))
    return person


def _name(data: Json) -> str:
    parts = (data.get("first_name"), data.get("last_name"))
    return " ".join(p for p in parts if p) or str(
        data.get("name") or data.get("organization_name") or ""
    )


def _phones(person: Person) -> Json:
    return {"phone": person.phone, "mobile": person.extra.get("mobile")}


def _json(caller: Caller, person: Person) -> Json:
    first, _, last = person.name.partition(" ")
    owner = int(caller.account.first_user())
    shown: Json = {
        "id": int(person.id),
        "creator_id": owner,
        "owner_id": owner,
        "first_name": (first if last else None) or None,
        "last_name": last or first,
        "email": person.emails[0] if person.emails else None,
        **_phones(person),
        "title": person.extra.get("title"),
        "description": person.extra.get("description"),
        "tags": [],
        "custom_fields": {},
        "created_at": iso_seconds(person.created_at),
        "updated_at": iso_seconds(person.updated_at),
        **dict.fromkeys(_UNSET),
    }
    if kind_of(person) == "lead":
        return shown | {
            "organization_name": None,
            "source_id": None,
            "status": "New",
            "unqualified_reason_id": None,
        }
    return shown | {
        "name": person.name,
        "is_organization": False,
        "contact_id": None,
        "parent_organization_id": None,
        "customer_status": "none",
        "prospect_status": "none",
        "billing_address": None,
        "shipping_address": None,
    }
