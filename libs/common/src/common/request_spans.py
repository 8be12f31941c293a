"""A server span for each request that a listener answers: method, route, status, and no more.

Only what is among the listener's own paths is told: any other path, like a header, is the caller's.
"""

from collections.abc import Collection
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import tracing

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestSpans:
    """Pure ASGI, to be put up where tracing is on: what is published inside sees the request."""

    def __init__(self, app: ASGIApp, recorder: tracing.Recorder, paths: Collection[str]) -> None:
        self._app = app
        self._recorder = recorder
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # what an error on the way out is answered with

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        request = tracing.Received()
        token = tracing.received.set(request)
        try:
            await self._app(scope, receive, send_and_note)
        finally:
            tracing.received.reset(token)
            self._tell(request, scope, status)

    def _tell(self, request: tracing.Received, scope: Scope, status: int) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "http.response.status_code": status,
        }
        name: str = method
        if scope["path"] in self._paths:
            attributes["http.route"] = scope["path"]
            name = f"{method} {scope['path']}"
        self._recorder.noted(
            name, "server", attributes, at=request.placed(), since_ns=request.since_ns
        )
