"""What all calls share: the envelope of one record, and lists by pages with an order."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from starlette.responses import Response

from simulators.crm import Record
from simulators.http import Call, Json, RefusedError
from simulators.vendor import answer
from simulators.zendesk_sell.errors import error, invalid

Some = TypeVar("Some", bound=Record)
PER_PAGE, PER_PAGE_MAX = 25, 100
_ORDERS: Mapping[str, Callable[[Record], tuple[float, int]]] = {
    "created_at": lambda record: (record.created_at, int(record.id)),
    "updated_at": lambda record: (record.updated_at, int(record.id)),
    "id": lambda record: (0, int(record.id)),
}


def one(kind: str, body: Json) -> Response:
    return answer({"data": body, "meta": {"type": kind}})


def data_of(call: Call, resource: str) -> Json:
    data = call.json().get("data")
    if not isinstance(data, dict):
        raise RefusedError(error(422, "incorrect_payload", "data is missing", resource=resource))
    return data


def listed(call: Call, kind: str, found: list[Some], show: Callable[[Some], Json]) -> Response:
    query = call.query
    if "ids" in query:
        wanted = set(query["ids"].split(","))
        found = [record for record in found if record.id in wanted]
    name, _, direction = query.get("sort_by", "id:asc").partition(":")
    if name not in _ORDERS:
        raise RefusedError(error(400, "invalid_param", "sort_by is not valid"))
    found.sort(key=_ORDERS[name], reverse=direction == "desc")
    number, size = (
        _number(call, "page", 1, 10**9),
        _number(call, "per_page", PER_PAGE, PER_PAGE_MAX),
    )
    start = (number - 1) * size
    page = found[start : start + size]
    own = f"{call.base_url}{call.path}"
    links = {"self": f"{own}?page={number}&per_page={size}"}
    if start + size < len(found):
        links["next_page"] = f"{own}?page={number + 1}&per_page={size}"
    items = [{"data": show(record), "meta": {"type": kind}} for record in page]
    meta = {"type": "collection", "count": len(items), "links": links}
    return answer({"items": items, "meta": meta})


def _number(call: Call, name: str, usual: int, most: int) -> int:
    text = call.query.get(name, str(usual))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise RefusedError(error(400, "invalid_param", f"{name} is not valid"))
    return int(text)


def required(data: Json, resource: str, *names: str) -> None:
    """One of these fields has to be there, and filled."""
    if not any(data.get(name) for name in names):
        raise RefusedError(invalid("missing", resource, names[0], f"{names[0]} can't be blank"))
