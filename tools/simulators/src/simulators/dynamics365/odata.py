"""OData's `$filter`, as far as it is used here: comparisons joined by `and`, `or`, parentheses.

A text stands in single quotes, with a quote inside it doubled; a guid, number or time stands bare.
What does not parse is refused as a whole, as Dataverse does, and never half understood.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from simulators.clock import parse_time

Row = Mapping[str, Any]
Test = Callable[[Row], bool]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<mark>[(),])|(?P<word>[A-Za-z0-9_.:+-]+))"
)
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OPERATORS: Final = {"eq", "ne", "gt", "ge", "lt", "le"}
_FUNCTIONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "contains": lambda value, part: part in value,
    "startswith": lambda value, part: value.startswith(part),
    "endswith": lambda value, part: value.endswith(part),
}


class BadQueryError(Exception):
    """The query cannot be understood; the text says where."""


def filter_of(text: str, columns: set[str]) -> Test:
    """Raises BadQueryError."""
    parser = _Parser(_tokens(text), columns)
    test = parser.either()
    if parser.left:
        raise BadQueryError(f"Syntax error at '{parser.left[0]}'")
    return test


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadQueryError(f"Syntax error at position {at} in the filter")
        tokens.append(match["text"] or match["mark"] or match["word"])
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str], columns: set[str]) -> None:
        self.left = tokens
        self._columns = columns

    def either(self) -> Test:
        tests = [self._both()]
        while self._next_is("or"):
            tests.append(self._both())
        return lambda row: any(test(row) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._next_is("and"):
            tests.append(self._one())
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        word = self._take()
        if word == "(":
            test = self.either()
            self._expect(")")
            return test
        if word in _FUNCTIONS:
            self._expect("(")
            column = self._column(self._take())
            self._expect(",")
            wanted = str(_literal(self._take())).lower()
            self._expect(")")
            holds = _FUNCTIONS[word]
            return lambda row: holds(str(row.get(column) or "").lower(), wanted)
        column, operator = self._column(word), self._take()
        if operator not in _OPERATORS:
            raise BadQueryError(f"no such operator: {operator}")
        value = _literal(self._take())
        return lambda row: _compare(row.get(column), operator, value)

    def _column(self, name: str) -> str:
        if name not in self._columns:
            raise BadQueryError(f"Could not find a property named '{name}'")
        return name

    def _take(self) -> str:
        if not self.left:
            raise BadQueryError("Syntax error: the filter ends too early")
        return self.left.pop(0)

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise BadQueryError(f"Syntax error: '{token}' was expected")

    def _next_is(self, word: str) -> bool:
        if self.left and self.left[0] == word:
            self.left.pop(0)
            return True
        return False


def _literal(token: str) -> str | int | float | bool | None:
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    if token in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[token]
    if _GUID.fullmatch(token):
        return token.lower()
    try:
        return int(token)
    except ValueError:
        pass
    try:
        return _moment(token)
    except ValueError:
        raise BadQueryError(f"not a value: {token}") from None


def _moment(text: str) -> float:
    datetime.fromisoformat(text)
    return parse_time(text)


def _compare(value: object, operator: str, wanted: str | int | float | bool | None) -> bool:
    """Text ignores case; a time is compared as an instant; null equals null alone."""
    if isinstance(value, str) and isinstance(wanted, float):
        value = _moment(value)
    elif isinstance(value, str) and isinstance(wanted, str):
        value, wanted = value.lower(), wanted.lower()
    if operator in ("eq", "ne"):
        return (value == wanted) is (operator == "eq")
    if value is None or wanted is None or isinstance(value, str) is not isinstance(wanted, str):
        return False
    order = (value > wanted) - (value < wanted)  # type: ignore[operator]
    return {"gt": order > 0, "ge": order >= 0, "lt": order < 0, "le": order <= 0}[operator]
