"""The public listener: the operator's API under /v1, and the vendors' callbacks."""

from collections.abc import Sequence
from typing import Annotated

from common.events import WorkspaceId
from fastapi import APIRouter, FastAPI, Path, Query, Request, Response, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from settings.api import models
from settings.api.gate import Callers, Gate
from settings.api.problems import handle_problems, problems
from settings.handlers.connecting import Callback, Connections
from settings.handlers.forgetting import Forgetting
from settings.handlers.installations import OPERATOR, Installations
from settings.handlers.leaving import Leaving
from settings.handlers.options import OptionChanges

_DESCRIPTION = "/v1/openapi.json"
_App = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$", examples=["hubspot"])]
_Crm = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$", examples=["hubspot"])]
_After = Annotated[str, Query(max_length=64, description="The `next_after` of the page before.")]
_Limit = Annotated[int, Query(ge=1, le=500)]
_Opaque = Annotated[str, Query(max_length=4_096)]


def public_app(
    installations: Installations,
    connections: Connections,
    leaving: Leaving,
    forgetting: Forgetting,
    options: OptionChanges,
    operator_tokens: Sequence[str],
) -> ASGIApp:
    app = FastAPI(
        title="Lull settings",
        version="1",
        openapi_url=_DESCRIPTION,
        docs_url=None,  # it would load scripts from a CDN
        redoc_url=None,
        redirect_slashes=False,
    )
    handle_problems(app)
    app.include_router(_operator(installations, connections, leaving, options))
    app.include_router(_forgetting(forgetting))
    app.include_router(_callbacks(connections, leaving))

    def is_open(path: str) -> bool:
        return path == _DESCRIPTION or path.startswith("/oauth/callback/")

    return Gate(app, Callers([(OPERATOR, token) for token in operator_tokens]), is_open)


def _for_operators() -> APIRouter:
    return APIRouter(
        prefix="/v1",
        tags=["operator"],
        responses=problems(404),
        dependencies=[Security(HTTPBearer(auto_error=False))],  # described here, checked by Gate
    )


def _forgetting(forgetting: Forgetting) -> APIRouter:
    router = _for_operators()

    @router.delete("/workspaces/{workspace_id}")
    async def forget(workspace_id: WorkspaceId) -> models.Forgotten:
        """Delete all that is kept of a workspace, here and by delivery, but its audit trail."""
        return models.Forgotten(deleted=await forgetting.workspace(workspace_id, OPERATOR))

    @router.post("/workspaces/{workspace_id}/forget-contact")
    async def forget_contact(
        workspace_id: WorkspaceId, contact: models.ForgetContact
    ) -> models.Forgotten:
        """Delete all that is kept of a conversation, or of those with a record of the CRM.

        If that person writes again, a new note is made.
        """
        deleted = await forgetting.contact(
            workspace_id, contact.conversation_id, contact.of_record(), OPERATOR
        )
        return models.Forgotten(deleted=deleted)

    return router


def _operator(
    installations: Installations,
    connections: Connections,
    leaving: Leaving,
    options: OptionChanges,
) -> APIRouter:
    router = _for_operators()

    @router.post("/workspaces/authorize")
    async def authorize_workspace(_: models.Nothing) -> models.AuthorizeUrl:
        """Where to send the person who installs our Intercom app."""
        return models.AuthorizeUrl(url=await connections.authorize_workspace())

    @router.get("/workspaces")
    async def workspaces(after: _After = "", limit: _Limit = 100) -> models.WorkspaceList:
        """By id, a page at a time."""
        found = await installations.workspaces(after, limit + 1)
        page = found[:limit]
        return models.WorkspaceList(
            workspaces=list(map(models.WorkspaceView.of, page)),
            next_after=page[-1].id if len(found) > limit else None,
        )

    @router.get("/workspaces/{workspace_id}/apps")
    async def apps(workspace_id: WorkspaceId) -> models.AppList:
        found = await installations.apps(workspace_id)
        return models.AppList(apps=list(map(models.AppView.of, found)))

    @router.post("/workspaces/{workspace_id}/apps/{app}/authorize")
    async def authorize_app(
        workspace_id: WorkspaceId, app: _App, wanted: models.AuthorizeApp
    ) -> models.AuthorizeUrl:
        """Where to send the admin who connects the CRM account, at first or again."""
        url = await connections.authorize_app(workspace_id, app, account=wanted.account)
        return models.AuthorizeUrl(url=url)

    @router.put("/workspaces/{workspace_id}/apps/{app}/transcript-sync")
    async def set_transcript_sync(
        workspace_id: WorkspaceId, app: _App, switch: models.SyncSwitch
    ) -> models.AppView:
        """Continuous sync on or off, for all users of this app in this workspace (R12)."""
        changed = await installations.set_transcript_sync(workspace_id, app, switch.on, OPERATOR)
        return models.AppView.of(changed)

    @router.put("/workspaces/{workspace_id}/apps/{app}/app-users")
    async def set_app_users(
        workspace_id: WorkspaceId, app: _App, users: models.AppUsers
    ) -> models.AppView:
        """The whole list of teammates; who is listed and not paused is an active app user."""
        changed = await installations.set_app_users(workspace_id, app, users.listed(), OPERATOR)
        return models.AppView.of(changed)

    @router.patch("/workspaces/{workspace_id}/apps/{app}/options")
    async def set_options(
        workspace_id: WorkspaceId, app: _App, changed: models.ChangedOptions
    ) -> models.AppView:
        """Change what is named and leave the rest."""
        return models.AppView.of(await options.set(workspace_id, app, changed.options(), OPERATOR))

    @router.put("/workspaces/{workspace_id}/admin")
    async def set_admin(workspace_id: WorkspaceId, admin: models.NewAdmin) -> models.WorkspaceView:
        """Give the admin's role to another teammate, for one who has left."""
        await installations.set_admin(workspace_id, admin.teammate_id, OPERATOR)
        return models.WorkspaceView.of(await installations.workspace(workspace_id))

    @router.delete("/workspaces/{workspace_id}/apps/{app}", status_code=204)
    async def uninstall(workspace_id: WorkspaceId, app: _App) -> Response:
        """Remove the app from the workspace, its tokens and its app users."""
        await leaving.uninstall(workspace_id, app, OPERATOR)
        return Response(status_code=204)

    @router.post("/workspaces/{workspace_id}/sync-now", status_code=202)
    async def sync_now(workspace_id: WorkspaceId, wanted: models.SyncNow) -> models.SyncRequested:
        """Ask for one conversation to be synced, to one app or to all (trigger `manual`)."""
        return models.SyncRequested(
            action_id=await installations.sync_now(
                workspace_id, wanted.conversation_id, wanted.app, OPERATOR
            )
        )

    return router


def _callbacks(connections: Connections, leaving: Leaving) -> APIRouter:
    """Vendors redirect browsers here; the one-time state says whose authorization it is."""
    router = APIRouter(prefix="/oauth", tags=["callbacks"], responses=problems(400, 404))

    @router.get("/callback/intercom")
    async def intercom(
        state: _Opaque = "", code: _Opaque = "", error: _Opaque = ""
    ) -> models.WorkspaceConnected:
        callback = Callback(state, code or None, bool(error))
        me = await connections.keep_workspace(await connections.identify(callback))
        return models.WorkspaceConnected(workspace_id=me.workspace_id, admin_id=me.admin_id)

    @router.get("/callback/{crm}")
    async def crm(
        crm: _Crm, state: _Opaque = "", code: _Opaque = "", error: _Opaque = ""
    ) -> models.AppConnected:
        connected = await connections.complete_app(crm, Callback(state, code or None, bool(error)))
        return models.AppConnected(
            workspace_id=connected.workspace_id,
            app=connected.app,
            crm_account=connected.account_id,
            did=connected.did.value,
            warning=connected.warning,
        )

    @router.delete("/callback/{crm}", status_code=204, responses=problems(401))
    async def crm_departed(crm: _Crm, request: Request) -> Response:
        """A CRM's notice that a customer removed our app; Pipedrive's has our own credentials."""
        authorization = request.headers.get("authorization")
        await leaving.crm_departed(crm, authorization, await request.body())
        return Response(status_code=204)

    @router.post("/callback/intercom", status_code=202)
    async def workspace_departed(notice: models.IntercomUninstalled) -> Response:
        """Intercom's notice that a workspace removed our app; unsigned, so Intercom is asked."""
        await leaving.workspace_departed(notice.app_id)
        return Response(status_code=202)

    return router
