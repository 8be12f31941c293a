"""What all lists share: one `filter` text, an order, and pages by token."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from starlette.responses import Response

from simulators.crm import Record
from simulators.http import Call, Json, RefusedError
from simulators.keap.errors import error
from simulators.vendor import answer

Some = TypeVar("Some")
PAGE_MAX: Final = 1000
_CONDITION: Final = re.compile(r"(\w+)(==|!=|>=|<=|>|<)(.*)", re.DOTALL)


def conditions(call: Call, known: Sequence[str]) -> dict[str, str]:
    """Field to wanted value, out of `a==1;b==2`; only equality is simulated.

    Query parameters that Keap does not know are ignored; a filter on an unknown field is not.
    """
    wanted: dict[str, str] = {}
    for part in filter(None, call.query.get("filter", "").split(";")):
        match = _CONDITION.fullmatch(part)
        if match is None or match[1] not in known or match[2] != "==":
            raise RefusedError(error(400, f"Invalid filter: {part}"))
        wanted[match[1]] = match[3]
    return wanted


def matches(wanted: str, stored: str) -> bool:
    """Equal whatever the case; a trailing `*` asks for the beginning."""
    if wanted.endswith("*"):
        return stored.lower().startswith(wanted[:-1].lower())
    return stored.lower() == wanted.lower()


def ordered(call: Call, records: list[Some], keys: Mapping[str, Callable[[Some], object]]) -> None:
    """By `order_by`, e.g. `create_time desc`; by id where nothing is asked for."""
    name, _, direction = call.query.get("order_by", "id asc").partition(" ")
    if name not in keys or direction not in ("", "asc", "desc"):
        raise RefusedError(error(400, f"Invalid order_by: {name} {direction}"))
    records.sort(key=keys[name], reverse=direction == "desc")  # type: ignore[arg-type]


def page(call: Call, field: str, items: Sequence[Json], *, most: int = PAGE_MAX) -> Response:
    """One page, and a token for the next: the position of its first item."""
    size = int(call.query.get("page_size") or most)
    if not 0 <= size <= most:
        raise RefusedError(error(400, f"page_size must be at most {most}"))
    start = int(call.query.get("page_token") or 0)
    body: Json = {field: list(items[start : start + (size or most)])}
    if start + (size or most) < len(items):
        body["next_page_token"] = str(start + (size or most))
    return answer(body)


def by_time(record: Record) -> tuple[float, int]:
    return record.created_at, int(record.id)
