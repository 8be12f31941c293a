"""One app in one workspace: its connection, who uses it, how it writes, and its end."""

import re
from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from settings.console.pages import notice
from settings.console.visitors import Visitors, field, form
from settings.console.workspaces import known_app
from settings.domain.installations import ACTIVITY_TYPE, AppUser, InstalledApp, NotePolicy, Options
from settings.handlers.access import ReconnectNeeded
from settings.handlers.connecting import Connections
from settings.handlers.installations import Installations, teammate
from settings.handlers.leaving import Leaving
from settings.handlers.options import OptionChanges, UnknownActivityType
from settings.handlers.teammates import Teammates

_MOST_USERS = 1_000
_POLICIES: dict[str, NotePolicy] = {"update": "update", "new": "new"}
_TIME_ZONES = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")
_DID = {
    "users": "The app users are saved. They count from the next conversation on.",
    "options": "The options are saved. They count from the next note on.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One teammate in the list of tick boxes."""

    id: str
    name: str
    listed: bool
    paused: bool
    gone: bool  # listed, but no teammate at Intercom any more


@dataclass(frozen=True, slots=True)
class AppPages:
    visitors: Visitors
    installations: Installations
    connections: Connections
    leaving: Leaving
    options: OptionChanges

    def routes(self) -> list[Route]:
        base = "/w/{workspace_id}/apps/{app}"
        return [
            Route(base, self.show),
            Route(f"{base}/users", self.set_users, methods=["POST"]),
            Route(f"{base}/options", self.set_options, methods=["POST"]),
            Route(f"{base}/uninstall", self.uninstall, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        app = known_app(request)
        installed = await self.installations.app(visit.workspace.id, app.key)
        names = await self.visitors.names.of(visit.workspace.id)
        rows = teammate_rows(installed, names)
        return await self.visitors.page(
            visit,
            "app.html",
            None,
            app=app,
            it=installed,
            rows=rows,
            active=sum(row.listed and not row.paused and not row.gone for row in rows),
            present=sum(not row.gone for row in rows),
            names=names,
            offered=app in self.connections.offered(),
            time_zones=_TIME_ZONES,
            did=_DID.get(request.query_params.get("did", "")),
        )

    async def set_users(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        app = known_app(request)
        fields = await form(request)
        ticked, paused = set(fields.get("user", [])), set(fields.get("paused", []))
        names = await self.visitors.names.of(visit.workspace.id)
        before = await self.installations.app(visit.workspace.id, app.key)
        known = {user.id for user in before.app_users} | set(names.names)
        if "all" in fields:
            if not names.known:
                raise HTTPException(503)  # who is present cannot be told
            ticked = set(names.names)
        if not ticked <= known or not paused <= known or len(ticked) > _MOST_USERS:
            raise HTTPException(400)  # nobody but teammates, whatever a request says
        await self.installations.set_app_users(
            visit.workspace.id,
            app.key,
            [AppUser(user, user in paused) for user in sorted(ticked)],
            teammate(visit.teammate_id),
        )
        return RedirectResponse(f"/w/{visit.workspace.id}/apps/{app.key}?did=users", 303)

    async def set_options(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        app = known_app(request)
        fields = await form(request)
        policy, zone = _POLICIES.get(field(fields, "note_policy")), field(fields, "time_zone")
        if policy is None or zone not in (*_TIME_ZONES, visit.workspace.time_zone):
            raise HTTPException(400)
        activity: dict[str, Any] = {}
        if app.activity:
            chosen, kind = field(fields, "activity_policy"), field(fields, "activity_type").strip()
            if (chosen and chosen not in _POLICIES) or not re.fullmatch(ACTIVITY_TYPE, kind or "x"):
                raise HTTPException(400)
            activity = {
                "activity_policy": _POLICIES.get(chosen),
                "activity_type": kind or None,
            }
            activity["as_deployed"] = frozenset(name for name in activity if not activity[name])
        before = await self.installations.app(visit.workspace.id, app.key)
        same_zone = zone == (before.time_zone or visit.workspace.time_zone)
        options = Options(
            note_policy=policy,
            all_conversations="all_conversations" in fields,
            time_zone=None if same_zone else zone,
            **activity,
        )
        try:
            by = teammate(visit.teammate_id)
            await self.options.set(visit.workspace.id, app.key, options, by)
        except UnknownActivityType as error:
            return notice(400, "Nothing was changed", str(error))
        except ReconnectNeeded:
            return notice(409, "Nothing was changed", "Connect the account again first.")
        return RedirectResponse(f"/w/{visit.workspace.id}/apps/{app.key}?did=options", 303)

    async def uninstall(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        app = known_app(request)
        if field(await form(request), "confirm") != "uninstall":
            raise HTTPException(400)
        await self.leaving.uninstall(visit.workspace.id, app.key, teammate(visit.teammate_id))
        return RedirectResponse(f"/?did=uninstalled&app={app.key}", 303)


def teammate_rows(installed: InstalledApp, names: Teammates) -> list[Row]:
    """Every teammate that there is, then whoever is still listed but left Intercom."""
    listed = {user.id: user.paused for user in installed.app_users}
    present = [
        Row(key, names.name_of(key), key in listed, listed.get(key, False), gone=False)
        for key in names.names
    ]
    left = [
        Row(key, names.name_of(key), listed=True, paused=paused, gone=names.known)
        for key, paused in listed.items()
        if key not in names.names
    ]
    return sorted(present, key=lambda row: row.name.casefold()) + left
