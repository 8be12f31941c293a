"""The console as one ASGI application, and what every fault of it looks like."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from common import log
from common.peers import PeerUnavailable
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from settings.console.admin_pages import AdminPages
from settings.console.app_page import AppPages
from settings.console.conversation_pages import ConversationPages
from settings.console.guard import Guard
from settings.console.history_pages import HistoryPages
from settings.console.pages import notice, page, static
from settings.console.signing import Signing
from settings.console.visitors import NotTheAdmin, SignedOut, Visitors
from settings.console.workspaces import WorkspacePages
from settings.ports.faults import NotInstalled, StoreUnavailable, TokenUnreadable, VendorUnavailable

_log = log.get(__name__)

_SENTENCES = {
    400: ("That did not work", "The form was not complete. Go back and try again."),
    403: ("Refused", "This request did not come from a page of the console."),
    404: ("Nothing here", "There is no such page, or it is not yours to see."),
    405: ("Nothing here", "This address takes no such request."),
    413: ("Too large", "That was more than the console takes."),
}


class Part(Protocol):
    def routes(self) -> list[Route]: ...


PARTS: tuple[type[Part], ...] = (
    Signing,
    WorkspacePages,
    AppPages,
    HistoryPages,
    ConversationPages,
    AdminPages,
)


def console_app(visitors: Visitors, parts: Sequence[Part], origin: str) -> ASGIApp:
    """Take the pages, and the origin at which browsers reach them."""
    app = Starlette(
        routes=[
            Route("/static/{digest}/{name}", static),
            *(route for part in parts for route in part.routes()),
        ]
    )
    _handle_faults(app, visitors)
    return Guard(app, origin, _fault)


def _fault(status: int) -> Response:
    title, text = _SENTENCES.get(status, ("That did not work", HTTPStatus(status).phrase + "."))
    return notice(status, title, text)


def _handle_faults(app: Starlette, visitors: Visitors) -> None:
    async def signed_out(_: Request, __: Exception) -> Response:
        return notice(
            401,
            "You are signed out",
            "Sessions end after a while without use. Sign in, and you can go on.",
            sign_in=True,
        )

    async def not_the_admin(_: Request, error: Exception) -> Response:
        assert isinstance(error, NotTheAdmin)  # noqa: S101 - registered for it alone
        visit = error.visit
        names = await visitors.names.of(visit.workspace.id)
        return page(
            "not_admin.html",
            403,
            viewer=await visitors.viewer([visit]),
            visit=visit,
            admin_name=names.name_of(visit.workspace.admin_id),
        )

    async def not_found(_: Request, __: Exception) -> Response:
        return _fault(404)

    async def http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
        response = _fault(error.status_code)
        response.headers.update(error.headers or {})
        return response

    async def vendor_unavailable(_: Request, __: Exception) -> Response:
        return notice(
            503,
            "The other side does not answer",
            "Intercom or the CRM cannot be asked now. Nothing was changed; try again in a moment.",
            headers={"Retry-After": "5"},
        )

    async def store_unavailable(_: Request, error: Exception) -> Response:
        if isinstance(error, TokenUnreadable):
            _log.critical("token.unreadable", reason=str(error))
        return notice(
            503,
            "One moment",
            "The database does not answer. Nothing is lost; try again in a moment.",
            headers={"Retry-After": "1"},
        )

    async def peer_unavailable(_: Request, __: Exception) -> Response:
        return notice(
            503,
            "One moment",
            "Our own delivery service does not answer. Nothing is lost; try again in a moment.",
            headers={"Retry-After": "5"},
        )

    async def unexpected(_: Request, __: Exception) -> Response:
        return notice(500, "Something went wrong here", "It has been logged. Try again.")

    app.add_exception_handler(SignedOut, signed_out)
    app.add_exception_handler(NotTheAdmin, not_the_admin)
    app.add_exception_handler(NotInstalled, not_found)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(VendorUnavailable, vendor_unavailable)
    app.add_exception_handler(StoreUnavailable, store_unavailable)
    app.add_exception_handler(PeerUnavailable, peer_unavailable)
    app.add_exception_handler(Exception, unexpected)
