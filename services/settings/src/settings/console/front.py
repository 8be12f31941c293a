"""One public listener for programs and for people: whose request it is, the request itself says."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_API = "/v1/"
_CALLBACK = "/oauth/callback/"


class Front:
    """The API under /v1; a vendor's redirect is a browser's where it asks for a page; the rest."""

    def __init__(self, api: ASGIApp, console: ASGIApp) -> None:
        self._api = api
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._console
        if scope["type"] == "http":
            path = scope["path"]
            wants_page = (
                scope["method"] == "GET"  # whatever else comes there is a vendor's own notice
                and "text/html" in Headers(scope=scope).get("accept", "")
            )
            if path.startswith(_API) or (path.startswith(_CALLBACK) and not wants_page):
                app = self._api
        await app(scope, receive, send)
