"""The internal listener: what other services ask, each with its own credential."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from common.eligibility import Installation
from common.events import WorkspaceId
from fastapi import APIRouter, FastAPI, Path, Request, Response, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from settings.api import models
from settings.api.eligibility import QuickEligibility
from settings.api.gate import Callers, Gate
from settings.api.problems import handle_problems, problems
from settings.handlers.access import Access
from settings.handlers.installations import Installations

_DESCRIPTION = "/internal/v1/openapi.json"
_MAY_BE_HELD = "max-age=60"  # DESIGN, promise 7: any look but the last may be this old
_App = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$", examples=["hubspot"])]


def internal_app(
    installations: Installations,
    access: Access,
    callers: Sequence[tuple[str, str]],
    api_bases: Mapping[str, str],
    link_bases: Mapping[str, str],
) -> ASGIApp:
    """Take `(name, token)` of each caller, and Intercom's hosts by region."""
    app = FastAPI(
        title="Lull settings, internal",
        version="1",
        openapi_url=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    handle_problems(app)
    router = APIRouter(
        prefix="/internal/v1",
        tags=["services"],
        responses=problems(404),
        dependencies=[Security(HTTPBearer(auto_error=False))],  # described here, checked by Gate
    )

    @router.get("/installations/{workspace_id}/{app}")
    async def installation(
        workspace_id: WorkspaceId, app: _App, response: Response
    ) -> Installation:
        response.headers["Cache-Control"] = _MAY_BE_HELD
        return await installations.installation(workspace_id, app)

    @router.post("/installations")
    async def those_installed(asked: models.InstallationKeys) -> models.Installations:
        """Many at once, read now: for whoever is about to write and must know."""
        keys = [(key.workspace_id, key.app) for key in asked.asked]
        return models.Installations(installations=await installations.those_installed(keys))

    @router.post("/eligibility")
    async def eligibility(asked: models.EligibilityQueries) -> models.EligibilityAnswers:
        """Judge each query by the trigger table; a time that is not told counts as never."""
        # What is plain has been answered before it came here.
        reasons = await installations.judge([query.query() for query in asked.queries])
        return models.EligibilityAnswers(
            answers=[
                models.EligibilityAnswer(eligible=reason is None, reason=reason)
                for reason in reasons
            ]
        )

    @router.post("/crm-access/{workspace_id}/{app}", responses=problems(404, 409))
    async def crm_access(
        workspace_id: WorkspaceId, app: _App, rejected: models.RejectedToken, request: Request
    ) -> models.CrmAccess:
        """A token that is good for a minute at least, refreshed where needed."""
        found = await access.crm(
            workspace_id, app, rejected.rejected_token_hash, request.state.caller
        )
        return models.CrmAccess(
            access_token=found.tokens.access_token,
            api_base=found.api_base,
            account_id=found.account_id,
            user_id=found.user_id,
            expires_at=found.tokens.expires_at,
        )

    @router.post("/intercom-access/{workspace_id}", responses=problems(404, 409))
    async def intercom_access(
        workspace_id: WorkspaceId, rejected: models.RejectedToken, request: Request
    ) -> models.IntercomAccess:
        """The workspace's token; a rejected one is asked about at Intercom before it counts."""
        found = await access.intercom_workspace(
            workspace_id, rejected.rejected_token_hash, request.state.caller
        )
        workspace = found.workspace
        return models.IntercomAccess(
            access_token=found.access_token,
            api_base=api_bases[workspace.region],
            link_base=link_bases[workspace.region],
            workspace_id=workspace.id,
            name=workspace.name,
            time_zone=workspace.time_zone,
        )

    app.include_router(router)
    quick = QuickEligibility(app, installations.judge)
    return Gate(quick, Callers(callers), lambda path: path == _DESCRIPTION)
