"""`POST /canvas/initialize` and `/canvas/submit`: Intercom asks for our card in its inbox.

A request holds a contact and what a teammate typed, so nothing of it is logged or kept.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prometheus_client import Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.api.body import read_body
from ingest.api.problems import http_problem, problem
from ingest.domain.canvas_kit import Canvas
from ingest.inbox import Inbox, Unsigned, Unusable

_answers = Counter("lull_ingest_canvas_total", "Canvas Kit's requests", ["request", "status"])
_seconds = Histogram(
    "lull_ingest_canvas_seconds",
    "Until a card was answered",
    ["request"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
)
_NO_STORE: Final = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class CanvasEndpoints:
    inbox: Inbox
    body_max_bytes: int
    read_timeout: timedelta

    async def initialize(self, request: Request) -> Response:
        return await self._answer("initialize", self.inbox.initialize, request)

    async def submit(self, request: Request) -> Response:
        return await self._answer("submit", self.inbox.submit, request)

    async def _answer(
        self, name: str, serve: Callable[[bytes, str | None], Awaitable[Canvas]], request: Request
    ) -> Response:
        with _seconds.labels(name).time():
            answer = await self._served(serve, request)
        _answers.labels(name, str(answer.status_code)).inc()
        return answer

    async def _served(
        self, serve: Callable[[bytes, str | None], Awaitable[Canvas]], request: Request
    ) -> Response:
        try:
            body = await read_body(request, self.body_max_bytes, self.read_timeout)
        except HTTPException as error:
            return http_problem(request, error)
        try:
            canvas = await serve(body, request.headers.get("x-body-signature"))
        except Unsigned:
            return problem(401, "The signature is missing or does not fit the body.")
        except Unusable:
            return problem(400, "The body is not a request of Canvas Kit's for the inbox.")
        return JSONResponse(canvas, headers=_NO_STORE)
