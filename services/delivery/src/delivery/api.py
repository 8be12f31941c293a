"""HTTP in: what happened to a conversation, and why."""

import re
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from delivery.ports import LedgerAway

_WORKSPACE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONVERSATION = re.compile(r"[0-9]{1,20}")


class History(Protocol):
    async def deliveries(self, workspace_id: str, conversation_id: str) -> list[dict[str, Any]]: ...


def _problem(status: int, title: str) -> Response:
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status},
        status_code=status,
        media_type="application/problem+json",
    )


def delivery_api(history: History) -> Starlette:
    """The internal API; ids and times only, so it asks for no credential on its own network."""

    async def deliveries(request: Request) -> Response:
        workspace_id = request.path_params["workspace_id"]
        conversation_id = request.path_params["conversation_id"]
        if not (_WORKSPACE.fullmatch(workspace_id) and _CONVERSATION.fullmatch(conversation_id)):
            return _problem(404, "no such conversation")
        try:
            entries = await history.deliveries(workspace_id, conversation_id)
        except LedgerAway:
            return _problem(503, "the ledger cannot be read now")
        if not entries:
            return _problem(404, "nothing was asked for this conversation")
        return JSONResponse(
            {
                "workspace_id": workspace_id,
                "conversation_id": conversation_id,
                "deliveries": entries,
            }
        )

    path = "/v1/deliveries/{workspace_id}/{conversation_id}"
    return Starlette(routes=[Route(path, deliveries, methods=["GET"])])
