"""In front of every page: headers on each answer, and refusals before anything is looked at."""

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from settings.api.gate import replayed, whole_body
from settings.console.origin import is_our_own

# Forms go to us alone: people reach a vendor by a link of their own page (`leaving.html`), since
# browsers hold a form's redirects against form-action too, and vendors redirect among many hosts.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # A callback's address holds a code, so other sites learn of none; our own pages do, since with
    # `no-referrer` browsers would hide the origin of our own forms too.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS = "max-age=63072000; includeSubDomains"


class Guard:
    """ASGI middleware of the console."""

    def __init__(self, app: ASGIApp, origin: str, refuse: Callable[[int], Response]) -> None:
        """Serve requests of our own `origin`; `refuse` makes the page of a status."""
        self._app = app
        self._origin = origin
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._harden(MutableHeaders(scope=message))
            await send(message)

        headers = Headers(scope=scope)
        if not is_our_own(scope["method"], headers, self._origin):
            await self._refuse(403)(scope, receive, send_with_headers)
            return
        body = await whole_body(receive, headers)
        if body is None:
            await self._refuse(413)(scope, receive, send_with_headers)
            return
        await self._app(scope, replayed(body, receive), send_with_headers)

    def _harden(self, headers: MutableHeaders) -> None:
        headers.setdefault("Cache-Control", "no-store")
        for name, value in _HEADERS.items():
            headers[name] = value
        if self._origin.startswith("https://"):
            headers["Strict-Transport-Security"] = _HSTS
