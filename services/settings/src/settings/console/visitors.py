"""Who asks for a page: nobody, a teammate of some workspaces, the admin of one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from common.catalog import APPS
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from settings.console.pages import page
from settings.domain.installations import Workspace
from settings.domain.sessions import CookieRule, Session
from settings.handlers.history import History
from settings.handlers.installations import Installations
from settings.handlers.signing_in import SignIn
from settings.handlers.teammates import TeammateNames
from settings.ports.faults import UnknownWorkspace


class SignedOut(Exception):
    """No session, or one that is over."""


class NotTheAdmin(Exception):
    """Signed in to this workspace, but its settings are another's to see and change."""

    def __init__(self, visit: "Visit") -> None:
        super().__init__(visit.workspace.id)
        self.visit = visit


@dataclass(frozen=True, slots=True)
class Visit:
    """A teammate in one of the workspaces that this browser is signed in to."""

    workspace: Workspace
    teammate_id: str

    @property
    def is_admin(self) -> bool:
        return self.workspace.admin_id == self.teammate_id


@dataclass(frozen=True, slots=True)
class Viewer:
    """What the head of a page says of whoever looks at it."""

    name: str
    several: bool  # signed in to more than one workspace


@dataclass(frozen=True, slots=True)
class Visitors:
    sign_in: SignIn
    installations: Installations
    names: TeammateNames
    history: History
    cookie: CookieRule
    quiet_period: timedelta  # as debounce has it, to be told

    async def session(self, request: Request) -> Session | None:
        return await self.sign_in.session(request.cookies.get(self.cookie.name))

    async def signed_in(self, request: Request) -> Session:
        session = await self.session(request)
        if session is None or not session.signed_in:
            raise SignedOut
        return session

    async def visits(self, session: Session) -> list[Visit]:
        found = []
        for workspace_id, teammate_id in session.teammates.items():
            try:
                found.append(Visit(await self.installations.workspace(workspace_id), teammate_id))
            except UnknownWorkspace:
                continue  # forgotten since
        return found

    async def admin(self, request: Request) -> Visit:
        """The admin of the workspace in the address.

        Raises:
            SignedOut, NotTheAdmin: see each.
            HTTPException: 404 for every workspace this browser is not signed in to, real or not.

        """
        session = await self.signed_in(request)
        teammate_id = session.teammates.get(request.path_params["workspace_id"])
        if teammate_id is None:
            raise HTTPException(404)
        try:
            workspace = await self.installations.workspace(request.path_params["workspace_id"])
        except UnknownWorkspace:
            raise HTTPException(404) from None
        visit = Visit(workspace, teammate_id)
        if not visit.is_admin:
            raise NotTheAdmin(visit)
        return visit

    async def viewer(self, visits: list[Visit]) -> Viewer | None:
        if not visits:
            return None
        names = await self.names.of(visits[0].workspace.id)
        return Viewer(names.name_of(visits[0].teammate_id), len(visits) > 1)

    async def page(
        self, visit: Visit, template: str, tab: str | None, status: int = 200, **values: Any
    ) -> Response:
        """A page of one workspace, for its admin: with what asks for attention above it."""
        return page(
            template,
            status,
            viewer=await self.viewer([visit]),
            workspace=visit.workspace,
            tab=tab,
            attention=await self.history.attention(visit.workspace),
            apps=APPS,
            quiet_period=self.quiet_period,
            **values,
        )

    def keep(self, response: Response, session_id: str) -> None:
        """Let the browser keep the id until it is closed; the server ends it sooner or later."""
        response.set_cookie(
            self.cookie.name,
            session_id,
            path="/",
            secure=self.cookie.secure,
            httponly=True,
            samesite="lax",
        )

    def forget(self, response: Response) -> None:
        response.delete_cookie(
            self.cookie.name,
            path="/",
            secure=self.cookie.secure,
            httponly=True,
            samesite="lax",
        )


async def form(request: Request) -> dict[str, list[str]]:
    """The fields of a form of ours, each with its values."""
    text = (await request.body()).decode("utf-8", "replace")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=2_100)
    except ValueError:
        raise HTTPException(400) from None


def field(fields: dict[str, list[str]], name: str) -> str:
    """The one value of a field; 400 where it is missing or given twice."""
    values = fields.get(name, [])
    if len(values) != 1:
        raise HTTPException(400)
    return values[0]
