"""HubSpot's calls on one object at a time: create, read, change, archive; and lists of them."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from simulators.clock import parse_time
from simulators.crm import Activity, Deal, Note, Person, Record
from simulators.http import Call, Json, RefusedError, Routes
from simulators.hubspot.caller import Caller
from simulators.hubspot.errors import error, not_found, validation
from simulators.hubspot.store import (
    ASSOCIATION_TYPES,
    KINDS,
    NOTE_MAX_CHARS,
    HubSpotAccount,
    kind_of,
    owner_id_of,
    shown,
)
from simulators.vendor import answer, no_content

OBJECTS = "/crm/objects/2026-09/{kind}"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_SINGULAR = {"contacts": "person", "notes": "note", "tasks": "activity", "deals": "deal"}

routes: Routes[Caller] = Routes()


def names(call: Call, parameter: str = "properties") -> list[str]:
    """`a,b` and `a` `b` given twice are both in use."""
    return [n for value in call.query.getlist(parameter) for n in value.split(",") if n]


def kind_in(call: Call) -> str:
    kind = call.params["kind"]
    if kind not in KINDS:
        raise RefusedError(
            error(400, "VALIDATION_ERROR", f"Unable to infer object type from: {kind}")
        )
    return kind


def find(account: HubSpotAccount, kind: str, object_id: str, *, archived: bool = False) -> Record:
    """The object; for a merged contact the one it went into."""
    if kind == "contacts":
        record: Record | None = account.survivor_of(object_id)
    else:
        record = account.records(kind).get(object_id)
    if record is None or record.deleted is not archived:
        raise RefusedError(not_found(object_id))
    return record


def find_by(call: Call, account: HubSpotAccount, kind: str) -> Record:
    object_id, property_name = call.params["id"], call.query.get("idProperty")
    archived = call.query.get("archived", "").lower() == "true"
    if property_name is None or property_name == "hs_object_id":
        return find(account, kind, object_id, archived=archived)
    if kind != "contacts" or property_name != "email":
        raise RefusedError(
            error(400, "VALIDATION_ERROR", f"{property_name} is not a unique identifier property")
        )
    person = account.contact_by_email(object_id)
    if person is None:
        raise RefusedError(not_found(object_id))
    return person


@routes.on("POST", OBJECTS)
def _create(call: Call, caller: Caller) -> Response:
    kind, body = kind_in(call), call.json()
    given = _properties(body)
    _check_owner(caller.account, given)
    if not isinstance(body.get("associations"), list):
        return error(400, "VALIDATION_ERROR", "associations is required; send [] if there are none")
    contacts = _associated(caller.account, kind, body["associations"])
    record = create(caller, kind, given, contacts, call.now)
    return answer(shown(record, given), 201)


def create(
    caller: Caller, kind: str, given: dict[str, str], contacts: list[str], now: float
) -> Record:
    if kind == "contacts":
        record: Record = _create_contact(caller.account, given, now)
    elif kind == "notes":
        record = _create_note(caller, given, contacts, now)
    elif kind == "tasks":
        record = _create_task(caller, given, contacts, now)
    else:
        record = _create_deal(caller.account, given, contacts, now)
    caller.account.calls[f"{_SINGULAR[kind]}.create"] += 1
    return record


@routes.on("GET", OBJECTS)
def _list(call: Call, caller: Caller) -> Response:
    kind = kind_in(call)
    archived = call.query.get("archived", "").lower() == "true"
    records = [r for r in caller.account.records(kind).values() if r.deleted is archived]
    limit, after = int(call.query.get("limit", "10")), int(call.query.get("after", "0"))
    if not 1 <= limit <= 100:
        return error(400, "VALIDATION_ERROR", "limit must be between 1 and 100")
    results = [
        with_associations(caller.account, r, shown(r, names(call)), names(call, "associations"))
        for r in records[after : after + limit]
    ]
    return answer(paged({"results": results}, after + limit, len(records)))


@routes.on("GET", OBJECTS + "/{id}")
def _read(call: Call, caller: Caller) -> Response:
    record = find_by(call, caller.account, kind_in(call))
    body = shown(record, names(call))
    return answer(with_associations(caller.account, record, body, names(call, "associations")))


@routes.on("PATCH", OBJECTS + "/{id}")
def _change(call: Call, caller: Caller) -> Response:
    kind = kind_in(call)
    record = find_by(call, caller.account, kind)
    given = _properties(call.json())
    change(caller.account, record, given, call.now)
    caller.account.calls[f"{_SINGULAR[kind]}.update"] += 1
    return answer(shown(record, given))


@routes.on("DELETE", OBJECTS + "/{id}")
def _archive(call: Call, caller: Caller) -> Response:
    kind = kind_in(call)
    record = caller.account.records(kind).get(call.params["id"])
    if record is not None and not record.deleted:
        record.delete(call.now, "api")
        caller.account.calls[f"{_SINGULAR[kind]}.delete"] += 1
    return no_content()


def with_associations(
    account: HubSpotAccount, record: Record, body: Json, wanted: list[str]
) -> Json:
    if wanted:
        kind = kind_of(record)
        body["associations"] = {
            to: {
                "results": [
                    {"id": i, "type": f"{kind[:-1]}_to_{to[:-1]}"}
                    for i in linked(account, record, to)
                ]
            }
            for to in wanted
        }
    return body


def linked(account: HubSpotAccount, record: Record, to_kind: str) -> list[str]:
    """Ids of the objects of that kind associated with the record."""
    if isinstance(record, Person):
        if to_kind not in KINDS:
            return []
        others = account.records(to_kind).values()
        return [o.id for o in others if not o.deleted and record.id in getattr(o, "person_ids", [])]
    return list(getattr(record, "person_ids", [])) if to_kind == "contacts" else []


def paged(body: Json, following: int, total: int) -> Json:
    if following < total:
        body["paging"] = {"next": {"after": str(following)}}
    return body


def _properties(body: Json) -> dict[str, str]:
    given = body.get("properties")
    if not isinstance(given, dict):
        raise RefusedError(error(400, "VALIDATION_ERROR", "properties is required"))
    return {str(k): "" if v is None else str(v) for k, v in given.items()}


def _check_owner(account: HubSpotAccount, given: Mapping[str, str]) -> None:
    owner = given.get("hubspot_owner_id")
    if owner and owner not in map(owner_id_of, account.users):
        raise RefusedError(validation(f"{owner} is no owner", "INVALID_OWNER", "hubspot_owner_id"))


def _associated(account: HubSpotAccount, kind: str, associations: list[Json]) -> list[str]:
    """Contacts to tie a new object to; other objects are accepted and not kept.

    A contact that is gone is refused. What HubSpot does with it is not documented.
    """
    expected = ASSOCIATION_TYPES.get((kind, "contacts"))
    contacts = []
    for association in associations:
        type_ids = {t.get("associationTypeId") for t in association.get("types", [])}
        if expected not in type_ids:
            continue  # a wrong type id makes a note that nobody sees on the contact
        person = account.live_person(str(association["to"]["id"]))
        if person is None:
            raise RefusedError(
                error(400, "VALIDATION_ERROR", "One or more associations are not valid")
            )
        contacts.append(person.id)
    return contacts


def _create_contact(account: HubSpotAccount, given: dict[str, str], now: float) -> Person:
    email = given.get("email", "")
    if email and not _EMAIL.fullmatch(email):
        raise RefusedError(
            validation(f"Email address {email} is invalid", "INVALID_EMAIL", "email")
        )
    existing = account.contact_by_email(email) if email else None
    if existing is not None:
        raise RefusedError(
            error(409, "CONFLICT", f"Contact already exists. Existing ID: {existing.id}")
        )
    known = ("email", "firstname", "lastname", "phone")
    return account.add_person(
        now,
        "api",
        name=" ".join(n for n in (given.get("firstname"), given.get("lastname")) if n),
        emails=[email] if email else [],
        phone=given.get("phone") or None,
        extra={k: v for k, v in given.items() if k not in known},
    )


def _create_note(caller: Caller, given: dict[str, str], contacts: list[str], now: float) -> Note:
    known = ("hs_timestamp", "hs_note_body")
    return caller.account.add_note(
        now,
        "api",
        person_ids=contacts,
        body=_checked_body(given.get("hs_note_body", ""), "hs_note_body"),
        user_id=caller.user_id,
        said_at=_timestamp(given),
        extra={k: v for k, v in given.items() if k not in known},
    )


def _create_task(
    caller: Caller, given: dict[str, str], contacts: list[str], now: float
) -> Activity:
    account = caller.account
    body = _checked_body(given.get("hs_task_body", ""), "hs_task_body")
    known = ("hs_task_subject", "hs_task_body", "hs_task_type", "hs_task_status")
    _timestamp(given)
    task = Activity(
        id=account.new_id(),
        created_at=now,
        created_by="api",
        updated_at=now,
        updated_by="api",
        person_ids=contacts,
        subject=given.get("hs_task_subject", ""),
        type=given.get("hs_task_type", "TODO"),
        done=given.get("hs_task_status") == "COMPLETED",
        due_date=given["hs_timestamp"],
        due_time=None,
        body=account.sanitize(body),
        body_sent=body,
        user_id=caller.user_id,
        extra={k: v for k, v in given.items() if k not in known},
    )
    account.activities[task.id] = task
    return task


def _create_deal(
    account: HubSpotAccount, given: dict[str, str], contacts: list[str], now: float
) -> Deal:
    if not given.get("dealname") or not given.get("dealstage"):
        missing = "dealstage" if given.get("dealname") else "dealname"
        raise RefusedError(validation(f"{missing} is required", "REQUIRED_PROPERTY", missing))
    deal = Deal(
        id=account.new_id(),
        created_at=now,
        created_by="api",
        updated_at=now,
        updated_by="api",
        person_ids=contacts,
        title=given.get("dealname", ""),
        extra={k: v for k, v in given.items() if k != "dealname"},
    )
    account.deals[deal.id] = deal
    return deal


def change(account: HubSpotAccount, record: Record, given: Mapping[str, str], now: float) -> None:
    """Apply changed properties."""
    rest: dict[str, Any] = dict(given)
    if isinstance(record, Note):
        if "hs_timestamp" in rest:
            record.said_at = _timestamp(rest)
            del rest["hs_timestamp"]
        if "hs_note_body" in rest:
            body = _checked_body(rest.pop("hs_note_body"), "hs_note_body")
            account.set_note_body(record, body, now, "api")
        else:
            record.touch(now, "api")
    else:
        if isinstance(record, Person):
            _change_contact(record, rest)
        elif isinstance(record, Activity):
            _change_task(account, record, rest)
        elif isinstance(record, Deal):
            record.title = rest.pop("dealname", record.title)
        record.touch(now, "api")
    record.extra |= rest


def _change_contact(person: Person, rest: dict[str, Any]) -> None:
    first, _, last = person.name.partition(" ")
    pair = (rest.pop("firstname", first), rest.pop("lastname", last))
    person.name = " ".join(n for n in pair if n)
    person.phone = rest.pop("phone", person.phone) or None
    if email := rest.pop("email", None):
        person.emails = [email, *person.emails[1:]]


def _change_task(account: HubSpotAccount, task: Activity, rest: dict[str, Any]) -> None:
    task.subject = rest.pop("hs_task_subject", task.subject)
    if "hs_task_status" in rest:
        task.done = rest.pop("hs_task_status") == "COMPLETED"
    if "hs_task_body" in rest:
        task.body_sent = _checked_body(rest.pop("hs_task_body"), "hs_task_body")
        task.body = account.sanitize(task.body_sent)


def _checked_body(body: str, name: str) -> str:
    if len(body) > NOTE_MAX_CHARS:
        text = f"{name} was {len(body)} characters long; the maximum is {NOTE_MAX_CHARS}"
        raise RefusedError(validation(text, "INVALID_LENGTH", name))
    return body


def _timestamp(given: Mapping[str, str]) -> float:
    try:
        return parse_time(given["hs_timestamp"])
    except KeyError:
        raise RefusedError(
            validation("hs_timestamp is required", "MISSING_REQUIRED_PROPERTY", "hs_timestamp")
        ) from None
    except ValueError:
        raise RefusedError(
            validation("hs_timestamp is not a date", "INVALID_DATE", "hs_timestamp")
        ) from None
