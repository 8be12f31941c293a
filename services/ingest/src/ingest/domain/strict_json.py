"""JSON read strictly: what two parsers could read differently is refused.

UTF-8 without a byte order mark, an object at the top, no key twice, no NaN, bounded depth.
"""

import json
from typing import Any, Final, NoReturn

DEPTH_MAX: Final = 64  # Intercom's notifications are about 10 deep


class Malformed(ValueError):
    """Not a JSON document that we accept. Carries no part of it."""


def parse_object(raw: bytes) -> dict[str, Any]:
    """The document's object.

    Raises:
        Malformed: always with a fixed sentence, never with a word of the input.

    """
    try:
        document = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except Malformed:
        raise
    except RecursionError:
        raise Malformed("nested too deeply") from None
    except ValueError:  # not UTF-8, not JSON, a number of thousands of digits
        raise Malformed("not JSON in UTF-8") from None
    if not isinstance(document, dict):
        raise Malformed("not a JSON object")
    _refuse_depth(document)
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a key stands twice in one object")
    return found


def _no_constant(_: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON")


def _refuse_depth(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    for _ in range(DEPTH_MAX):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise Malformed("nested too deeply")
