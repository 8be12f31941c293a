"""`POST .../search`: groups are joined by OR, filters within a group by AND."""

from collections.abc import Callable

from simulators.clock import parse_time
from simulators.crm import Person, Record
from simulators.http import Json
from simulators.hubspot.store import properties_of

MAX_GROUPS, MAX_FILTERS, MAX_LIMIT = 5, 6, 200


class BadSearchError(Exception):
    """The search can't be understood; the text says why."""


def passes(record: Record, groups: list[Json]) -> bool:
    if len(groups) > MAX_GROUPS or any(len(g.get("filters", [])) > MAX_FILTERS for g in groups):
        message = f"at most {MAX_GROUPS} groups of {MAX_FILTERS} filters"
        raise BadSearchError(message)
    return not groups or any(all(_holds(record, f) for f in g["filters"]) for g in groups)


def _holds(record: Record, condition: Json) -> bool:
    name, operator = condition.get("propertyName"), condition.get("operator")
    values = _values(record, str(name))
    if operator == "HAS_PROPERTY":
        return bool(values)
    if operator == "NOT_HAS_PROPERTY":
        return not values
    if operator in ("IN", "NOT_IN"):
        listed = {str(v).lower() for v in condition.get("values", [])}
        return any(v.lower() in listed for v in values) is (operator == "IN")
    wanted = str(condition.get("value", ""))
    if operator in _TESTS:
        return any(_TESTS[operator](value, wanted) for value in values)
    if operator in ("NEQ", "NOT_CONTAINS_TOKEN"):
        positive = _TESTS[{"NEQ": "EQ"}.get(operator, "CONTAINS_TOKEN")]
        return not any(positive(value, wanted) for value in values)
    message = f"operator not simulated: {operator}"
    raise BadSearchError(message)


def _values(record: Record, name: str) -> list[str]:
    if name == "associations.contact" and not isinstance(record, Person):
        return list(getattr(record, "person_ids", []))
    value = properties_of(record).get(name)
    return [] if value is None else [value]


def _order(value: str) -> float:
    """Numbers and times are compared as numbers; epoch milliseconds and ISO forms mix."""
    try:
        return parse_time(value)
    except ValueError:
        return float("nan")


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "EQ": lambda value, wanted: value.lower() == wanted.lower(),
    "CONTAINS_TOKEN": lambda value, wanted: wanted.strip("*").lower() in value.lower(),
    "LT": lambda value, wanted: _order(value) < _order(wanted),
    "LTE": lambda value, wanted: _order(value) <= _order(wanted),
    "GT": lambda value, wanted: _order(value) > _order(wanted),
    "GTE": lambda value, wanted: _order(value) >= _order(wanted),
}
