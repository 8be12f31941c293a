"""`POST /webhooks/intercom`: 200 only once what it says is on Kafka.

Intercom tries once more, a minute later, after any answer but 2xx; 410 would end the subscription
and 429 hold everything back, so neither is ever given.
"""

from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Counter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingest.api.body import read_body
from ingest.api.problems import http_problem, problem
from ingest.handlers import Answer, Ingest

_webhooks = Counter(
    "lull_ingest_webhooks_total", "Webhooks by answer and class of topic", ["answer", "topic_class"]
)

_UNREAD = {408: "too_slow", 413: "too_long", 415: "compressed", 400: "cut_off"}
_REFUSALS = {
    Answer.UNSIGNED: (401, "The signature is missing or does not fit the body."),
    Answer.MALFORMED: (400, "The body is not a JSON object that is accepted."),
    # It can never succeed, and 200 would say that it did: one retry of Intercom's is the price
    # of seeing it in its own statistics too.
    Answer.UNUSABLE: (400, "The notification lacks an id or time, or has one out of bounds."),
    Answer.UNAVAILABLE: (503, "The event could not be stored; please send it again."),
}


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    ingest: Ingest
    body_max_bytes: int
    read_timeout: timedelta

    async def head(self, _: Request) -> Response:
        """Intercom asks so when the address is saved."""
        return Response()

    async def post(self, request: Request) -> Response:
        try:
            body = await read_body(request, self.body_max_bytes, self.read_timeout)
        except HTTPException as error:
            _webhooks.labels(_UNREAD[error.status_code], "unread").inc()
            return http_problem(request, error)
        answer, topic = await self.ingest.notify(body, request.headers.get("x-hub-signature"))
        _webhooks.labels(answer, topic or "unread").inc()
        if answer in _REFUSALS:
            return problem(*_REFUSALS[answer])
        return Response()
