"""`POST /internal/v1/eligibility` without the framework: it is asked thousands of times a second.

The framework describes the operation, and answers whatever is not a plain question: a body that is
not valid, a database that is away. Both say the same of the same question.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from common.outcomes import Outcome
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from settings.api.gate import replayed
from settings.api.models import EligibilityAnswer, EligibilityQueries
from settings.domain.judging import Query
from settings.ports.faults import StoreUnavailable

PATH: Final = "/internal/v1/eligibility"
_JSON: Final = (b"content-type", b"application/json")
_ANSWERS: Final = {
    reason: EligibilityAnswer(eligible=reason is None, reason=reason).model_dump_json().encode()
    for reason in (None, *Outcome)
}

Judge = Callable[[Sequence[Query]], Awaitable[Sequence[Outcome | None]]]


class QuickEligibility:
    """ASGI middleware, behind the gate: it is handed the whole body in one piece."""

    def __init__(self, app: ASGIApp, judge: Judge) -> None:
        self._app = app
        self._judge = judge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http"
            or scope["path"] != PATH
            or scope["method"] != "POST"
            or _JSON not in scope["headers"]
        ):
            await self._app(scope, receive, send)
            return
        body = (await receive()).get("body", b"")
        try:
            asked = EligibilityQueries.model_validate_json(body)
            reasons = await self._judge([query.query() for query in asked.queries])
        except (ValidationError, StoreUnavailable):
            await self._app(scope, replayed(body, receive), send)
            return
        answer = b'{"answers":[%b]}' % b",".join([_ANSWERS[reason] for reason in reasons])
        length = str(len(answer)).encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [_JSON, (b"content-length", length)],
            }
        )
        await send({"type": "http.response.body", "body": answer})
