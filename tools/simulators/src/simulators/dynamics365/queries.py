"""Reading: one row by its id, and tables by `$filter`, `$orderby`, `$select`, page by page.

A filter reads the table itself, no index: what was written is there at once, whatever the lag.
"""

import re

from starlette.responses import Response

from simulators.crm import Record
from simulators.dynamics365.caller import Caller
from simulators.dynamics365.errors import bad_request, not_found
from simulators.dynamics365.odata import BadQueryError, filter_of
from simulators.dynamics365.tables import LOOKUP, TABLES, Table, etag
from simulators.http import Call, Json, RefusedError, Routes
from simulators.vendor import answer

ROOT = "/api/data/v9.2"
MAX_PAGE = 5_000
_PAGE_SIZE = re.compile(r"odata\.maxpagesize=(\d+)")

routes: Routes[Caller] = Routes()


@routes.on("GET", ROOT + "/WhoAmI")
def _who_am_i(call: Call, caller: Caller) -> Response:
    return answer(
        {
            "@odata.context": _context(caller, "Microsoft.Dynamics.CRM.WhoAmIResponse"),
            "BusinessUnitId": caller.account.organization_id,
            "UserId": caller.user_id,
            "OrganizationId": caller.account.organization_id,
        }
    )


@routes.on("GET", ROOT + "/systemusers")
def _users(call: Call, caller: Caller) -> Response:
    rows: list[Json] = [
        {
            "systemuserid": user.id,
            "fullname": user.name,
            "internalemailaddress": user.email,
            "isdisabled": False,
        }
        for user in caller.account.users.values()
    ]
    return _page(call, caller, "systemusers", "systemuserid", set(rows[0]), rows)


@routes.on("GET", ROOT + "/{table}({row})")
def _read(call: Call, caller: Caller) -> Response:
    table, record = found(call, caller)
    row = shown(caller, table, record)
    context = _context(caller, f"{call.params['table']}/$entity")
    return answer({"@odata.context": context, **selected(call, table.key, row)})


@routes.on("GET", ROOT + "/{table}")
def _list(call: Call, caller: Caller) -> Response:
    name = call.params["table"]
    table = table_of(name)
    rows = [shown(caller, table, record) for record in caller.account.rows(name)]
    columns = set(table.columns(caller.account, table.sample))
    return _page(call, caller, name, table.key, columns, rows)


def table_of(name: str) -> Table:
    if name not in TABLES:
        text = f"Resource not found for the segment '{name}'."
        raise RefusedError(answer({"error": {"code": "0x8006088a", "message": text}}, 404))
    return TABLES[name]


def found(call: Call, caller: Caller) -> tuple[Table, Record]:
    table = table_of(call.params["table"])
    record = caller.account.row(call.params["table"], call.params["row"].lower())
    if record is None:
        raise RefusedError(not_found(table.logical, call.params["row"]))
    return table, record


def shown(caller: Caller, table: Table, record: Record) -> Json:
    return {"@odata.etag": etag(record), **table.columns(caller.account, record)}


def _page(
    call: Call, caller: Caller, name: str, key: str, columns: set[str], rows: list[Json]
) -> Response:
    query = call.query
    try:
        if "$filter" in query:
            holds = filter_of(query["$filter"], columns)
            rows = [row for row in rows if holds(row)]
        for order in reversed(query.get("$orderby", "").split(",")):
            column, _, direction = order.strip().partition(" ")
            if column:
                rows.sort(key=lambda row: str(row[column]), reverse=direction == "desc")
    except (BadQueryError, KeyError) as problem:
        raise RefusedError(bad_request(str(problem))) from None
    start = int(query.get("$skiptoken", "0"))
    size = _PAGE_SIZE.search(call.headers.get("prefer", ""))
    limit = min(int(query.get("$top") or (size[1] if size else MAX_PAGE)), MAX_PAGE)
    page = rows[start : start + limit]
    body: Json = {
        "@odata.context": _context(caller, name),
        "value": [selected(call, key, row) for row in page],
    }
    if "$top" not in query and start + limit < len(rows):
        again = call.query.multi_items()
        kept = "&".join(f"{k}={v}" for k, v in again if k != "$skiptoken")
        body["@odata.nextLink"] = (
            f"{caller.base_url}{ROOT}/{name}?{kept}&$skiptoken={start + limit}"
        )
    return answer(body)


def selected(call: Call, key: str, row: Json) -> Json:
    """The wanted columns; the key and the etag come whatever is asked for."""
    wanted = [name for name in call.query.get("$select", "").split(",") if name]
    unknown = [name for name in wanted if name not in row]
    if unknown:
        raise RefusedError(bad_request(f"Could not find a property named '{unknown[0]}'"))
    annotated = "odata.include-annotations" in call.headers.get("prefer", "")
    plain = {k: v for k, v in row.items() if annotated or LOOKUP not in k}
    if not wanted:
        return plain
    keep = {"@odata.etag", key, *wanted, *(f"{name}{LOOKUP}" for name in wanted)}
    return {k: v for k, v in plain.items() if k in keep}


def _context(caller: Caller, what: str) -> str:
    return f"{caller.base_url}{ROOT}/$metadata#{what}"
