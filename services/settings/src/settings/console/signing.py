"""Signing in and out, and coming back from a vendor."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from common.catalog import APPS
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from settings.api.problems import REFUSALS
from settings.console.limit import Limit, Network, client_address
from settings.console.pages import notice, page
from settings.console.visitors import Visitors, field, form
from settings.domain.authorizations import INTERCOM, Purpose
from settings.handlers.connecting import (
    AccountNotChosen,
    AuthorizationRefused,
    Callback,
    Connections,
)
from settings.handlers.signing_in import NotInstalledYet, SignedIn

_MOST_CHARS = 4_096


@dataclass(frozen=True, slots=True)
class Signing:
    visitors: Visitors
    connections: Connections
    limit: Limit
    proxies: Sequence[Network]

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/oauth/callback/intercom", self.from_intercom),
            Route("/oauth/callback/{crm}", self.from_crm),
        ]

    async def sign_in(self, request: Request) -> Response:
        wait_s = self.limit.wait_s(self._address(request), time.monotonic())
        if wait_s is not None:
            return notice(
                429,
                "One moment",
                "There were many sign-ins from your network within a minute. Try again shortly.",
                headers={"Retry-After": str(int(wait_s) + 1)},
                sign_in=True,
            )
        try:
            purpose = Purpose(field(await form(request), "purpose"))
        except ValueError:
            raise HTTPException(400) from None
        leaving = await self.visitors.sign_in.leave(await self.visitors.session(request), purpose)
        response = page("leaving.html", to="Intercom", url=leaving.url)
        if leaving.session_id is not None:
            self.visitors.keep(response, leaving.session_id)
        return response

    async def sign_out(self, request: Request) -> Response:
        session = await self.visitors.session(request)
        if session is not None:
            await self.visitors.sign_in.end(session)
        response = RedirectResponse("/", 303)
        self.visitors.forget(response)
        return response

    async def from_intercom(self, request: Request) -> Response:
        session = await self.visitors.session(request)
        try:
            came = await self.visitors.sign_in.come_back(session, _callback(request))
        except AuthorizationRefused as refused:
            return _refused(refused)
        if isinstance(came, SignedIn):
            self.visitors.names.forget(came.workspace_id)
            response: Response = RedirectResponse("/", 303)  # the code leaves the address bar
            self.visitors.keep(response, came.session_id)
            return response
        if isinstance(came, NotInstalledYet):
            return page("not_installed.html", name=came.workspace_name)
        return notice(
            200,
            "Connected",
            "The workspace is connected. Sign in to go on.",
            sign_in=True,
        )

    async def from_crm(self, request: Request) -> Response:
        session = await self.visitors.session(request)
        crm = request.path_params["crm"]
        if crm == INTERCOM:
            raise HTTPException(404)
        try:
            connected = await self.connections.complete_app(
                crm, _callback(request), session.key if session else None
            )
        except AccountNotChosen as several:
            if session is None or several.workspace_id not in session.teammates:
                return _refused(several)
            return page("choose_account.html", several=several, app=APPS[several.app])
        except AuthorizationRefused as refused:
            return _refused(refused)
        if session is None or connected.workspace_id not in session.teammates:
            return notice(200, "Connected", "The app is connected. Sign in to go on.", sign_in=True)
        return RedirectResponse(f"/?did={connected.did}&app={connected.app}", 303)

    def _address(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        return client_address(peer, forwarded.split(",") if forwarded else [], self.proxies)


def _callback(request: Request) -> Callback:
    query = request.query_params
    values = [query.get(name, "") for name in ("state", "code", "error")]
    if any(len(value) > _MOST_CHARS for value in values):
        raise HTTPException(400)
    state, code, error = values
    return Callback(state, code or None, bool(error))


def _refused(error: AuthorizationRefused) -> Response:
    sentence = REFUSALS[error.refusal]
    return notice(
        400,
        "That did not work",
        f"{sentence[0].upper()}{sentence[1:]}.",
        code=error.refusal,
        sign_in=True,
    )
