"""In front of both listeners: who calls, how much they send, and headers on every answer.

It stands outside the framework, so that a caller without a credential has no body parsed.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from settings.api.problems import problem

BODY_MAX_BYTES = 256 * 1024  # the largest request is an eligibility batch


class Callers:
    """Names by credential, compared in constant time."""

    def __init__(self, named_tokens: Sequence[tuple[str, str]]) -> None:
        self._digests = [(name, _digest(token)) for name, token in named_tokens]

    def name_of(self, authorization: str | None) -> str | None:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        given = _digest(token.strip())
        found = None
        for name, digest in self._digests:  # all of them, so that time tells nothing
            if hmac.compare_digest(given, digest):
                found = name
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class Gate:
    """ASGI middleware; the caller's name is in `request.state.caller`."""

    def __init__(self, app: ASGIApp, callers: Callers, is_open: Callable[[str], bool]) -> None:
        """Let paths through without a credential where `is_open` says so."""
        self._app = app
        self._callers = callers
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _hardened(message["headers"])
            await send(message)

        headers = Headers(scope=scope)
        caller = self._callers.name_of(headers.get("authorization"))
        if caller is None and not self._is_open(scope["path"]):
            refused = problem(
                401, "unauthorized", "a valid credential is needed", {"WWW-Authenticate": "Bearer"}
            )
            await refused(scope, receive, send_with_headers)
            return
        scope.setdefault("state", {})["caller"] = caller
        body = await whole_body(receive, headers)
        if body is None:
            refused = problem(413, "too_large", "the body is too large", {"Connection": "close"})
            await refused(scope, receive, send_with_headers)
            return
        await self._app(scope, replayed(body, receive), send_with_headers)


_HARDENING: Final = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",  # a callback's address holds a code
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
_NO_STORE: Final = (b"cache-control", b"no-store")


def _hardened(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Names are in lower case in ASGI."""
    kept = [header for header in headers if header[0] not in _HARDENING]
    if all(name != _NO_STORE[0] for name, _ in kept):
        kept.append(_NO_STORE)
    return [*kept, *_HARDENING.items()]


async def whole_body(receive: Receive, headers: Headers) -> bytes | None:
    """The whole body, or None where it is larger than allowed."""
    declared = headers.get("content-length", "0")
    if not declared.isdigit() or int(declared) > BODY_MAX_BYTES:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > BODY_MAX_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """What reads a request's body, once it has been taken in."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
