"""One API call as the vendors' handlers see it, and the table that finds the handler."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.routing import compile_path

Json = dict[str, Any]
Context = TypeVar("Context")
MAX_BODY = 4 * 1024 * 1024


class RefusedError(Exception):
    """A handler's way to end a call with an error answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


@dataclass(slots=True)
class Call:
    """A request, read whole. `path` is below the vendor's root."""

    method: str
    path: str
    query: QueryParams
    headers: Headers
    body: bytes
    base_url: str  # the vendor's root, as the caller reaches it
    now: float
    params: dict[str, str] = field(default_factory=dict)

    def json(self) -> Json:
        """The body as an object.

        Raises:
            ValueError: it is no JSON object.

        """
        value = json.loads(self.body or b"{}")
        if not isinstance(value, dict):
            message = "the body is not a JSON object"
            raise ValueError(message)
        return value

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))

    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


Handler = Callable[[Call, Context], Response]


class Routes(Generic[Context]):
    """Method and path template to handler; the first match wins."""

    def __init__(self) -> None:
        self._table: list[tuple[str, Any, Handler[Context]]] = []

    def on(self, method: str, template: str) -> Callable[[Handler[Context]], Handler[Context]]:
        pattern, _, _ = compile_path(template)

        def register(handler: Handler[Context]) -> Handler[Context]:
            self._table.append((method, pattern, handler))
            return handler

        return register

    def joined(self, other: "Routes[Context]") -> "Routes[Context]":
        both: Routes[Context] = Routes()
        both._table = self._table + other._table
        return both

    def find(self, method: str, path: str) -> tuple[Handler[Context], dict[str, str]] | None:
        for known_method, pattern, handler in self._table:
            if known_method == method and (match := pattern.match(path)):
                return handler, match.groupdict()
        return None
