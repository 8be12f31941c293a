"""What all lists share: the envelope, order, and pages by number. Unknown filters are ignored."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from starlette.responses import Response

from simulators.crm import Record
from simulators.http import Call, Json, RefusedError
from simulators.salesloft.errors import invalid
from simulators.vendor import answer

Some = TypeVar("Some")
PER_PAGE, PER_PAGE_MAX = 25, 500  # above 100 a page costs more
TIMES: Mapping[str, Callable[[Record], object]] = {
    "updated_at": lambda record: (record.updated_at, int(record.id)),
    "created_at": lambda record: (record.created_at, int(record.id)),
    "id": lambda record: int(record.id),
}


def values(call: Call, name: str) -> list[str]:
    """Given as `name[]=a&name[]=b`, or as `name=a,b`."""
    plain = [v for text in call.query.getlist(name) for v in text.split(",")]
    return [*call.query.getlist(f"{name}[]"), *plain]


def one(body: Json) -> Response:
    return answer({"data": body})


def page_of(call: Call) -> tuple[int, int]:
    """Number and size of the page that is asked for."""
    numbers = []
    for name, usual, most in (("page", 1, 10**9), ("per_page", PER_PAGE, PER_PAGE_MAX)):
        text = call.query.get(name, str(usual))
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise RefusedError(invalid(name, "is not valid"))
        numbers.append(int(text))
    return numbers[0], numbers[1]


def listed(
    call: Call,
    found: list[Some],
    show: Callable[[Some], Json],
    keys: Mapping[str, Callable[[Some], object]],
    usual: str = "updated_at",
) -> Response:
    name = call.query.get("sort_by", usual)
    if name not in keys:
        raise RefusedError(invalid("sort_by", "is not valid"))
    direction = call.query.get("sort_direction", "DESC")
    found.sort(key=keys[name], reverse=direction.upper() == "DESC")  # type: ignore[arg-type]
    number, size = page_of(call)
    start = (number - 1) * size
    shown = [show(record) for record in found[start : start + size]]
    paging = {
        "per_page": size,
        "current_page": number,
        "next_page": number + 1 if start + size < len(found) else None,
        "prev_page": number - 1 if number > 1 else None,
    }
    sorting = {"sort_by": name, "sort_direction": direction}
    metadata = {"filtering": {}, "paging": paging, "sorting": sorting}
    return answer({"data": shown, "metadata": metadata})


def href(kind: str, record_id: str | None) -> Json | None:
    """A pointer to another record."""
    if record_id is None:
        return None
    return {"id": int(record_id), "_href": f"https://api.salesloft.com/v2/{kind}/{record_id}"}
