"""What all lists of API v2 share: filters, order, and paging by cursor."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from starlette.responses import Response

from simulators.clock import parse_time
from simulators.crm import Record
from simulators.http import Call, Json
from simulators.vendor import answer

Some = TypeVar("Some", bound=Record)


def listed(call: Call, found: list[Some], show: Callable[[Some], Json]) -> Response:
    """Filters and order that all lists share."""
    query = call.query
    found = [r for r in found if not r.deleted]
    if "ids" in query:
        wanted = set(query["ids"].split(","))
        found = [r for r in found if r.id in wanted]
    if "updated_since" in query:
        since = parse_time(query["updated_since"])
        found = [r for r in found if r.updated_at >= since]
    keys: dict[str, Callable[[Some], Any]] = {
        "id": lambda r: int(r.id),
        "update_time": lambda r: r.updated_at,
        "add_time": lambda r: r.created_at,
    }
    order = keys.get(query.get("sort_by", "id"), keys["id"])
    found.sort(key=order, reverse=query.get("sort_direction") == "desc")
    shown, following = page(call, [show(r) for r in found])
    return answer({"success": True, "data": shown, "additional_data": {"next_cursor": following}})


def page(call: Call, items: Sequence[Json]) -> tuple[list[Json], str | None]:
    """One page and the cursor of the next: the position of its first item."""
    limit = min(int(call.query.get("limit", "100")), 500)
    start = int(call.query.get("cursor") or 0)
    following = str(start + limit) if start + limit < len(items) else None
    return list(items[start : start + limit]), following
