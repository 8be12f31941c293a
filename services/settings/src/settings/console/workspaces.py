"""The first page: each workspace with its apps, and the Transcript Sync button of each."""

from dataclasses import dataclass

from common.catalog import APPS, App
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from settings.console.pages import page, render
from settings.console.visitors import Visit, Visitors, field, form
from settings.domain.attention import Attention
from settings.domain.authorizations import Browser
from settings.domain.installations import InstalledApp
from settings.handlers.connecting import AppNotOffered, Connections
from settings.handlers.history import History, Overview
from settings.handlers.installations import Installations, teammate

_MOST_CHARS = 500  # of the address of a CRM account
_SWITCH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class Card:
    app: App
    installed: InstalledApp | None


@dataclass(frozen=True, slots=True)
class Section:
    visit: Visit
    admin_name: str
    cards: list[Card]  # empty where the visitor is not the admin
    overview: Overview | None  # the admin's alone
    attention: list[Attention]


@dataclass(frozen=True, slots=True)
class WorkspacePages:
    visitors: Visitors
    installations: Installations
    connections: Connections
    history: History

    def routes(self) -> list[Route]:
        app = "/w/{workspace_id}/apps/{app}"
        return [
            Route("/", self.workspaces),
            Route(f"{app}/transcript-sync", self.switch, methods=["POST"]),
            Route(f"{app}/connect", self.connect, methods=["POST"]),
        ]

    async def workspaces(self, request: Request) -> Response:
        session = await self.visitors.session(request)
        if session is None or not session.signed_in:
            return page("welcome.html", quiet_period=self.visitors.quiet_period)
        visits = await self.visitors.visits(session)
        sections = [await self._section(visit) for visit in visits]
        return page(
            "workspaces.html",
            viewer=await self.visitors.viewer(visits),
            sections=sections,
            apps=APPS,
            did=_did(request),
        )

    async def switch(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        app = known_app(request)
        wanted = _SWITCH.get(field(await form(request), "on"))
        if wanted is None:
            raise HTTPException(400)
        workspace_id = visit.workspace.id
        installed = await self.installations.set_transcript_sync(
            workspace_id, app.key, wanted, teammate(visit.teammate_id)
        )
        if "lull-part" in request.headers:  # our own script puts it in the place of the old one
            return HTMLResponse(
                render("sync.html", workspace_id=workspace_id, app=app, it=installed, fresh=True)
            )
        return RedirectResponse(f"/#{workspace_id}-{app.key}", 303)

    async def connect(self, request: Request) -> Response:
        """Install the app, or connect its account again."""
        session = await self.visitors.signed_in(request)
        visit = await self.visitors.admin(request)
        app = known_app(request)
        account = (await form(request)).get("account", [""])[0]
        if len(account) > _MOST_CHARS:
            raise HTTPException(400)
        try:
            url = await self.connections.authorize_app(
                visit.workspace.id,
                app.key,
                Browser(session.key, visit.teammate_id),
                account or None,
            )
        except AppNotOffered:
            raise HTTPException(404) from None
        return page("leaving.html", to=app.name, url=url)

    async def _section(self, visit: Visit) -> Section:
        names = await self.visitors.names.of(visit.workspace.id)
        admin_name = names.name_of(visit.workspace.admin_id)
        if not visit.is_admin:
            return Section(visit, admin_name, [], None, [])
        installed = {
            found.app: found for found in await self.installations.apps(visit.workspace.id)
        }
        offered = {app.key for app in self.connections.offered()}
        cards = [
            Card(app, installed.get(app.key))
            for app in APPS.values()
            if app.key in offered or app.key in installed
        ]
        # What is installed first; within each half the catalog's order.
        cards.sort(key=lambda card: card.installed is None)
        return Section(
            visit,
            admin_name,
            cards,
            await self.history.overview(visit.workspace),
            await self.history.attention(visit.workspace),
        )


def known_app(request: Request) -> App:
    """The app in the address; 404 where the catalog has none."""
    app = APPS.get(request.path_params["app"])
    if app is None:
        raise HTTPException(404)
    return app


def _did(request: Request) -> str | None:
    """What was just done, said once at the top of the page; only words of ours."""
    app = APPS.get(request.query_params.get("app", ""))
    sentences = {
        "uninstalled": "{app} is uninstalled, and its tokens are deleted.",
        "installed": "{app} is connected. The next step is its Transcript Sync button.",
        "reinstalled": "{app} is connected again, with everything as on the first day.",
        "reconnected": "{app} is connected again. What was waiting goes out by itself.",
    }
    sentence = sentences.get(request.query_params.get("did", ""))
    return sentence.format(app=app.name) if app and sentence else None
