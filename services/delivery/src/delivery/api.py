"""HTTP in: what happened to a conversation, and why; what happened in a workspace."""

import hmac
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from common.catalog import APPS
from common.config import accepted
from common.outcomes import Outcome
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from delivery.domain.selection import Place, Selection
from delivery.ports import LedgerAway

_WORKSPACE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONVERSATION: Final = re.compile(r"[0-9]{1,20}")
_REASON: Final = re.compile(r"[a-z0-9_.:-]{1,80}")
_KNOWN: Final = frozenset({"app", "outcome", "reason", "since", "until", "cursor", "limit"})
PAGE: Final = 50
PAGE_MAX: Final = 500

Read = TypeVar("Read")


class History(Protocol):
    async def deliveries(self, workspace_id: str, conversation_id: str) -> list[dict[str, Any]]: ...

    async def page(
        self, selection: Selection, after: Place | None, limit: int
    ) -> tuple[list[dict[str, Any]], Place | None]: ...


def problem(status: int, title: str) -> Response:
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status},
        status_code=status,
        media_type="application/problem+json",
    )


def bears(request: Request, token: SecretStr) -> bool:
    """Whether it carries this token, or another value of it; each is told in constant time."""
    given = request.headers.get("authorization", "").encode()
    return any(hmac.compare_digest(given, f"Bearer {one}".encode()) for one in accepted(token))


async def read_body(request: Request, max_bytes: int) -> bytes | None:
    """The whole of it; None where it is longer."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)


def delivery_api(history: History, more: Sequence[BaseRoute] = ()) -> Starlette:
    """The internal API; ids and times only, so it asks for no credential on its own network.

    Args:
        history: where the answers come from.
        more: routes that change something, and see to their own credential.

    """

    async def conversation(request: Request) -> Response:
        workspace_id = request.path_params["workspace_id"]
        conversation_id = request.path_params["conversation_id"]
        if not (_WORKSPACE.fullmatch(workspace_id) and _CONVERSATION.fullmatch(conversation_id)):
            return problem(404, "no such conversation")
        try:
            entries = await history.deliveries(workspace_id, conversation_id)
        except LedgerAway:
            return problem(503, "the ledger cannot be read now")
        if not entries:
            return problem(404, "nothing was asked for this conversation")
        return JSONResponse(
            {
                "workspace_id": workspace_id,
                "conversation_id": conversation_id,
                "deliveries": entries,
            }
        )

    async def workspace(request: Request) -> Response:
        workspace_id = request.path_params["workspace_id"]
        if not _WORKSPACE.fullmatch(workspace_id):
            return problem(404, "no such workspace")
        try:
            selection, after, limit = _asked(workspace_id, request)
        except ValueError as error:
            return problem(400, str(error))
        try:
            entries, place = await history.page(selection, after, limit)
        except LedgerAway:
            return problem(503, "the ledger cannot be read now")
        return JSONResponse(
            {
                "workspace_id": workspace_id,
                "deliveries": entries,
                "next_cursor": place.cursor() if place else None,
            }
        )

    base = "/v1/deliveries/{workspace_id}"
    return Starlette(
        routes=[
            Route(base, workspace, methods=["GET"]),
            Route(f"{base}/{{conversation_id}}", conversation, methods=["GET"]),
            *more,
        ]
    )


def _asked(workspace_id: str, request: Request) -> tuple[Selection, Place | None, int]:
    """Raises ValueError with a sentence that says what would be right."""
    query = request.query_params
    unknown = sorted(set(query) - _KNOWN)
    if unknown:
        raise ValueError(f"unknown parameter; known are {', '.join(sorted(_KNOWN))}")

    def one(name: str, read: Callable[[str], Read], right: str) -> Read | None:
        raw = query.get(name)
        try:
            return None if raw is None else read(raw)
        except (ValueError, OverflowError):
            raise ValueError(f"{name}: {right}") from None

    def several(name: str) -> list[str]:
        return [part for raw in query.getlist(name) for part in raw.split(",") if part]

    apps, outcomes = several("app"), several("outcome")
    if not set(apps) <= set(APPS):
        raise ValueError(f"app: one or more of {', '.join(APPS)}")
    if not set(outcomes) <= {outcome.value for outcome in Outcome}:
        raise ValueError(f"outcome: one or more of {', '.join(Outcome)}")
    selection = Selection(
        workspace_id=workspace_id,
        apps=tuple(dict.fromkeys(apps)),
        outcomes=tuple(Outcome(name) for name in dict.fromkeys(outcomes)),
        reason=one("reason", reason, "a code as the list shows it"),
        since=one("since", instant, INSTANT),
        until=one("until", instant, INSTANT),
    )
    after = one("cursor", Place.at, "the next_cursor of the page before")
    limit = one("limit", _limit, f"1 to {PAGE_MAX}")
    return selection, after, PAGE if limit is None else limit


INSTANT: Final = "an instant with its offset, such as 2026-11-22T10:15:00Z"


def instant(raw: str) -> datetime:
    at = datetime.fromisoformat(raw)
    if at.tzinfo is None:
        raise ValueError("no offset")
    return at


def reason(raw: str) -> str:
    if not _REASON.fullmatch(raw):
        raise ValueError("not a code")
    return raw


def _limit(raw: str) -> int:
    limit = int(raw)
    if not 1 <= limit <= PAGE_MAX:
        raise ValueError("out of range")
    return limit
