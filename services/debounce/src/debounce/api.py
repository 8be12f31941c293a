"""HTTP in: is a conversation pending, until when, and which replica knows; how many wait."""

import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from debounce.pending import NotConnected, PendingView
from debounce.ports import OwnerUnknown

_WORKSPACE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONVERSATION = re.compile(r"[0-9]{1,20}")


def _problem(status: int, title: str) -> Response:
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status},
        status_code=status,
        media_type="application/problem+json",
    )


def debounce_api(view: PendingView) -> Starlette:
    """The internal API; ids and times only, so it asks for no credential on its own network."""

    async def conversation(request: Request) -> Response:
        workspace_id = request.path_params["workspace_id"]
        conversation_id = request.path_params["conversation_id"]
        if not (_WORKSPACE.fullmatch(workspace_id) and _CONVERSATION.fullmatch(conversation_id)):
            return _problem(404, "no such conversation")
        try:
            answer = await view.find(f"{workspace_id}:{conversation_id}".encode())
        except NotConnected:
            return _problem(503, "not connected to Kafka yet")
        except OwnerUnknown as error:
            return _problem(503, f"not ours, and Kafka does not say whose it is: {error}")
        body: dict[str, object] = {
            "workspace_id": workspace_id,
            "conversation_id": conversation_id,
            "partition": answer.partition,
            "owner": answer.owner,
            "answered_by": view.instance,
            "pending": None,
        }
        if answer.ours:
            body |= {"pending": answer.waiting is not None, "caught_up": answer.caught_up}
        if answer.waiting is not None:
            body |= {
                "due_at": answer.waiting.due_at.isoformat(),
                "updated_at": answer.waiting.updated_at.isoformat(),
            }
        return JSONResponse(body)

    async def workspace(request: Request) -> Response:
        workspace_id = request.path_params["workspace_id"]
        if not _WORKSPACE.fullmatch(workspace_id):
            return _problem(404, "no such workspace")
        counts = await view.count(workspace_id.encode())
        return JSONResponse(
            {
                "workspace_id": workspace_id,
                "pending": sum(counts.values()),
                "partitions": {str(number): count for number, count in sorted(counts.items())},
                "answered_by": view.instance,
            }
        )

    return Starlette(
        routes=[
            Route("/v1/pending/{workspace_id}", workspace, methods=["GET"]),
            Route("/v1/pending/{workspace_id}/{conversation_id}", conversation, methods=["GET"]),
        ]
    )
