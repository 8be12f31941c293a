"""People: found by address, read, created, changed, deleted. An address is unique in the team."""

from typing import Final

from starlette.responses import Response

from simulators.clock import iso
from simulators.crm import Person
from simulators.http import Call, Json, RefusedError, Routes
from simulators.salesloft.caller import Caller
from simulators.salesloft.errors import invalid, not_found
from simulators.salesloft.lists import TIMES, href, listed, one, values
from simulators.vendor import no_content

ADDRESSES: Final = ("email_address", "secondary_email_address", "personal_email_address")
KEPT: Final = ("title", "tags", "owner_id", "account_id", "city", "country")

routes: Routes[Caller] = Routes()


@routes.on("GET", "/v2/people.json")
def _list(call: Call, caller: Caller) -> Response:
    """Where a search lag is set, what is searched by address lags behind by it."""
    account = caller.account
    wanted = {email.lower() for email in values(call, "email_addresses")}
    found = [p for p in account.persons.values() if not p.deleted]
    if wanted:
        found = account.searchable(found, call.now, caller.search_lag_s)
        found = [p for p in found if wanted & {e.lower() for e in p.emails}]
    if ids := values(call, "ids"):
        found = [p for p in found if p.id in ids]
    return listed(call, found, lambda p: _person_json(caller, p), TIMES)


@routes.on("POST", "/v2/people.json")
def _create(call: Call, caller: Caller) -> Response:
    account, body = caller.account, call.json()
    emails = _emails(body)
    if not body.get("email_address") and not (body.get("phone") and body.get("last_name")):
        return invalid("email_address", "can't be blank")
    _check_taken(caller, emails, None)
    person = account.add_person(
        call.now,
        "api",
        name=_name(body),
        emails=emails,
        phone=body.get("phone"),
        extra={name: body[name] for name in KEPT if name in body},
    )
    account.calls["person.create"] += 1
    return one(_person_json(caller, person))


@routes.on("GET", "/v2/people/{id}.json")
def _read(call: Call, caller: Caller) -> Response:
    return one(_person_json(caller, _live(call, caller)))


@routes.on("PUT", "/v2/people/{id}.json")
def _change(call: Call, caller: Caller) -> Response:
    person, body = _live(call, caller), call.json()
    first, _, last = person.name.partition(" ")
    person.name = _name({"first_name": first, "last_name": last} | body)
    if any(name in body for name in ADDRESSES):
        kept = dict(zip(ADDRESSES, person.emails, strict=False))
        emails = _emails(kept | body)
        _check_taken(caller, emails, person)
        person.emails = emails
    person.phone = body.get("phone", person.phone)
    person.extra |= {name: body[name] for name in KEPT if name in body}
    person.touch(call.now, "api")
    caller.account.calls["person.update"] += 1
    return one(_person_json(caller, person))


@routes.on("DELETE", "/v2/people/{id}.json")
def _delete(call: Call, caller: Caller) -> Response:
    _live(call, caller).delete(call.now, "api")
    return no_content()


def _live(call: Call, caller: Caller) -> Person:
    """Deleted and merged people answer 404; nothing leads to the one that is left."""
    person = caller.account.live_person(call.params["id"])
    if person is None:
        raise RefusedError(not_found())
    return person


def _check_taken(caller: Caller, emails: list[str], but: Person | None) -> None:
    new = {email.lower() for email in emails[:1]}
    for person in caller.account.persons.values():
        if not person.deleted and person is not but and new & {e.lower() for e in person.emails}:
            raise RefusedError(invalid("email_address", "is already taken"))


def _emails(body: Json) -> list[str]:
    return [str(body[name]) for name in ADDRESSES if body.get(name)]


def _name(body: Json) -> str:
    return " ".join(filter(None, (body.get("first_name"), body.get("last_name"))))


def _person_json(caller: Caller, person: Person) -> Json:
    first, _, last = person.name.partition(" ")
    emails = [*person.emails, None, None, None][:3]
    owner = str(person.extra.get("owner_id") or caller.account.first_user())
    return {
        "id": int(person.id),
        "created_at": iso(person.created_at),
        "updated_at": iso(person.updated_at),
        "first_name": first or None,
        "last_name": last or None,
        "display_name": person.name or emails[0],
        **dict(zip(ADDRESSES, emails, strict=True)),
        "full_email_address": f'"{person.name}" <{emails[0]}>' if emails[0] else None,
        "phone": person.phone,
        "title": person.extra.get("title"),
        "tags": person.extra.get("tags") or [],
        "owner": href("users", owner),
        "account": None,
        "crm_id": None,
        "crm_url": None,
        "custom_fields": {},
        "do_not_contact": False,
    }
