"""Writing: rows are created by POST, and by PATCH at an id that the caller chose.

A PATCH is an upsert. `If-None-Match: *` makes it create only (412 where the row is there), and
`If-Match: *` change only (404 where it is not).
"""

import re
import uuid
from typing import Any, Final

from starlette.responses import Response

from simulators.crm import Activity, Deal, Note, Person, Record
from simulators.dynamics365.caller import Caller
from simulators.dynamics365.errors import bad_request, error, exists_already, not_found
from simulators.dynamics365.queries import ROOT, found, selected, shown, table_of
from simulators.dynamics365.store import (
    NOTE_MAX_CHARS,
    Case,
    DynamicsAccount,
    kind_of,
    names_of,
    new_row,
)
from simulators.dynamics365.tables import Table, etag
from simulators.http import Call, Json, RefusedError, Routes
from simulators.vendor import answer, no_content

_SINGULAR: Final = {
    "contacts": "person",
    "leads": "person",
    "annotations": "note",
    "incidents": "case",
    "opportunities": "deal",
    "tasks": "activity",
}
_BIND: Final = re.compile(r"/?(\w+)\(([0-9a-fA-F-]{36})\)")
_EMAILS: Final = ("emailaddress1", "emailaddress2", "emailaddress3")
_KEPT: Final = ("jobtitle", "description", "subject", "companyname", "mobilephone", "statecode")

routes: Routes[Caller] = Routes()


@routes.on("POST", ROOT + "/{table}")
def _post(call: Call, caller: Caller) -> Response:
    table, body = table_of(call.params["table"]), call.json()
    row_id = str(body.pop(table.key, uuid.uuid4())).lower()
    if caller.account.row(call.params["table"], row_id) is not None:
        return error(412, "0x80040237", "Cannot insert duplicate key.")
    return _created(call, caller, table, row_id, body)


@routes.on("PATCH", ROOT + "/{table}({row})")
def _patch(call: Call, caller: Caller) -> Response:
    name, row_id, body = call.params["table"], call.params["row"].lower(), call.json()
    table = table_of(name)
    try:
        uuid.UUID(row_id)
    except ValueError:
        return bad_request("The key is not a guid")
    record = caller.account.row(name, row_id)
    if record is None:
        if "if-match" in call.headers:
            return not_found(table.logical, row_id)
        return _created(call, caller, table, row_id, body)
    if call.headers.get("if-none-match") == "*":
        return exists_already()
    wanted = call.headers.get("if-match", "*")
    if wanted not in ("*", etag(record)):
        return error(412, "0x80060882", "The version of the existing record doesn't match.")
    _change(caller.account, record, body, call.now)
    caller.account.calls[f"{_SINGULAR[name]}.update"] += 1
    return _done(call, caller, table, record, 200)


@routes.on("DELETE", ROOT + "/{table}({row})")
def _delete(call: Call, caller: Caller) -> Response:
    _, record = found(call, caller)
    if isinstance(record, Person):
        caller.account.delete_person(record, call.now, "api")
    else:
        record.delete(call.now, "api")
    caller.account.calls[f"{_SINGULAR[call.params['table']]}.delete"] += 1
    return no_content()


def _created(call: Call, caller: Caller, table: Table, row_id: str, body: Json) -> Response:
    name = call.params["table"]
    record = _new(caller, name, row_id, body, call.now)
    caller.account.calls[f"{_SINGULAR[name]}.create"] += 1
    return _done(call, caller, table, record, 201)


def _done(call: Call, caller: Caller, table: Table, record: Record, status: int) -> Response:
    """204 with the row's address, or the row itself where the caller asked for it."""
    address = f"{caller.base_url}{ROOT}/{call.params['table']}({record.id})"
    if "return=representation" in call.headers.get("prefer", ""):
        response = answer(selected(call, table.key, shown(caller, table, record)), status)
    else:
        response = no_content()
    response.headers["OData-EntityId"] = address
    return response


def _new(caller: Caller, name: str, row_id: str, body: Json, now: float) -> Record:
    account = caller.account
    extra: Json = {column: body[column] for column in _KEPT if column in body}
    if name in ("contacts", "leads"):
        names = (body.get("firstname"), body.get("lastname"))
        return account.add_person(
            now,
            "api",
            name=" ".join(filter(None, names)),
            emails=[str(body[column]) for column in _EMAILS if body.get(column)],
            phone=body.get("telephone1"),
            person_id=row_id,
            extra=extra | {"lead": name == "leads", "names": names},
        )
    if name == "annotations":
        return account.add_note(
            now,
            "api",
            person_ids=_bound(account, body, "objectid_"),
            body=_notetext(body),
            user_id=caller.user_id,
            said_at=now,
            extra=extra | {"owner": _owner(account, body)},
            note_id=row_id,
        )
    if name == "incidents":
        case = Case(
            **new_row(now, row_id),
            person_ids=_bound(account, body, "primarycontactid"),
            title=str(body.get("title") or ""),
            extra=extra,
        )
        customer = next((k for k in body if k.startswith("customerid_")), None)
        if customer is not None:
            bound = _BIND.fullmatch(str(body[customer]))
            case.customer_id = bound[2].lower() if bound else None
            case.customer_kind = "account" if customer.startswith("customerid_acc") else "contact"
        account.cases[case.id] = case
        return case
    if name == "opportunities":
        deal = Deal(
            **new_row(now, row_id),
            person_ids=_bound(account, body, "parentcontactid", "originatingleadid"),
            title=str(body.get("name") or ""),
            extra=extra | {"owner": _owner(account, body)},
        )
        account.deals[deal.id] = deal
        return deal
    return _new_task(caller, row_id, body, now)


def _new_task(caller: Caller, row_id: str, body: Json, now: float) -> Activity:
    account = caller.account
    text = str(body.get("description") or "")
    task = Activity(
        **new_row(now, row_id),
        person_ids=_bound(account, body, "regardingobjectid_"),
        subject=str(body.get("subject") or ""),
        type="task",
        done=False,
        due_date=body.get("scheduledend"),
        due_time=None,
        body=account.sanitize(text),
        body_sent=text,
        user_id=_owner(account, body) or caller.user_id,
    )
    account.activities[task.id] = task
    return task


def _change(account: DynamicsAccount, record: Record, body: Json, now: float) -> None:
    record.extra |= {column: body[column] for column in _KEPT if column in body}
    if isinstance(record, Note):
        if "notetext" in body:
            account.set_note_body(record, _notetext(body), now, "api")
            return
    elif isinstance(record, Person):
        first, last = names_of(record)
        names = (body.get("firstname", first), body.get("lastname", last))
        record.extra["names"] = names
        record.name = " ".join(filter(None, names))
        if body.get("emailaddress1"):
            record.emails = [str(body["emailaddress1"]), *record.emails[1:]]
    record.touch(now, "api")


def _notetext(body: Json) -> str:
    text = str(body.get("notetext") or "")
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > NOTE_MAX_CHARS:
        raise RefusedError(
            error(
                400,
                "0x80044331",
                "The length of the 'notetext' attribute of the 'annotation' entity exceeded the "
                f"maximum allowed length of '{NOTE_MAX_CHARS}'.",
            )
        )
    return text


def _bound(account: DynamicsAccount, body: Json, *properties: str) -> list[str]:
    """The person that the row hangs on, who must be there."""
    for name, value in body.items():
        if not name.endswith("@odata.bind") or not name.startswith(properties):
            continue
        match = _BIND.fullmatch(str(value))
        if match is None:
            raise RefusedError(bad_request(f"'{name}' is not a reference"))
        table, row_id = match[1], match[2].lower()
        row = account.row(table, row_id) if table in ("contacts", "leads") else None
        if not isinstance(row, Person) or kind_of(row) != table:
            raise RefusedError(not_found(table.removesuffix("s"), row_id))
        return [row.id]
    return []


def _owner(account: DynamicsAccount, body: Json) -> Any:
    match = _BIND.fullmatch(str(body.get("ownerid@odata.bind", "")))
    if match is None:
        return None
    if match[1] != "systemusers" or match[2].lower() not in account.users:
        raise RefusedError(not_found("systemuser", match[2]))
    return match[2].lower()
