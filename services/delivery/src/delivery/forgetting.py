"""HTTP in: what the ledger holds of a workspace, or of one contact's conversations, is deleted.

The notes in the CRM stay: they are the customer's. Ids alone are asked for and given back.
"""

from typing import Annotated, Final, Protocol

from common import log
from common.catalog import CRMS
from common.events import ConversationId, CrmId
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from delivery.api import bears, problem, read_body
from delivery.ports import LedgerAway

_log = log.get(__name__)

WORKSPACE_PATH: Final = "/v1/deliveries/{workspace_id}"
CONTACT_PATH: Final = "/v1/deliveries/{workspace_id}/forget"
MOST_CONVERSATIONS: Final = 1_000
_BODY_MAX_BYTES: Final = 64 * 1024


class Forgetting(Protocol):
    """Each is safe to repeat. Raises LedgerAway, with some of it deleted."""

    async def workspace(self, workspace_id: str) -> dict[str, int]:
        """Delete all rows of a workspace; how many of what."""
        ...

    async def conversations_of(self, workspace_id: str, crm: str, person_id: str) -> list[str]:
        """The conversations whose rows name this record of the CRM."""
        ...

    async def conversations(self, workspace_id: str, ids: list[str]) -> dict[str, int]:
        """Delete all rows of these; how many of what."""
        ...


def _known(crm: str) -> str:
    if crm not in CRMS:
        raise ValueError("no such CRM")
    return crm


class _Record(BaseModel):
    """Somebody's record in a CRM."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    crm: Annotated[str, AfterValidator(_known)]
    person_id: CrmId


class ContactForgotten(BaseModel):
    """Whose conversations are meant: those named, and those of the record."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    conversation_ids: list[ConversationId] = Field([], max_length=MOST_CONVERSATIONS)
    record: _Record | None = None


def forget_routes(forgetting: Forgetting, token: SecretStr | None) -> list[Route]:
    """`DELETE /v1/deliveries/{workspace}`, `POST /v1/deliveries/{workspace}/forget`.

    Args:
        forgetting: the ledger.
        token: settings' credential; None: nobody may.

    """

    def refused(request: Request) -> Response | None:
        if token is None:
            return problem(403, "forgetting is switched off: set LULL_DELIVERY_PREVIEW_TOKEN")
        if not bears(request, token):
            return problem(401, "a credential is needed: Authorization: Bearer ...")
        return None

    async def workspace(request: Request) -> Response:
        if no := refused(request):
            return no
        workspace_id = request.path_params["workspace_id"]
        try:
            deleted = await forgetting.workspace(workspace_id)
        except LedgerAway:
            return problem(503, "the ledger cannot be reached now; ask again")
        _log.info("delivery.workspace_forgotten", workspace=workspace_id, **deleted)
        return JSONResponse({"deleted": deleted})

    async def contact(request: Request) -> Response:
        if no := refused(request):
            return no
        workspace_id = request.path_params["workspace_id"]
        body = await read_body(request, _BODY_MAX_BYTES)
        try:
            asked = ContactForgotten.model_validate_json(body or b"")
        except ValidationError:
            return problem(400, "conversation_ids, or a record with crm and person_id")
        try:
            ids = set(asked.conversation_ids)
            if asked.record is not None:
                ids |= set(
                    await forgetting.conversations_of(
                        workspace_id, asked.record.crm, asked.record.person_id
                    )
                )
            deleted = await forgetting.conversations(workspace_id, sorted(ids))
        except LedgerAway:
            return problem(503, "the ledger cannot be reached now; ask again")
        _log.info("delivery.contact_forgotten", workspace=workspace_id, **deleted)
        return JSONResponse({"deleted": deleted, "conversation_ids": sorted(ids)})

    return [
        Route(WORKSPACE_PATH, workspace, methods=["DELETE"]),
        Route(CONTACT_PATH, contact, methods=["POST"]),
    ]
