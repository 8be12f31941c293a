"""What would become of a conversation: judged, matched and rendered as in an attempt, and let go.

Nothing is written, in the CRM or the ledger, and nothing of the text is kept or logged (R11). The
answer holds text, so it goes to settings' console alone, by a credential of its own.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from common import log
from common.catalog import APPS
from common.eligibility import Installation, refused_by_conversation, refused_by_settings
from common.events import Trigger
from common.outcomes import SENTENCES, Outcome
from pydantic import SecretStr
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from delivery.api import bears, problem
from delivery.domain.conversation import Conversation
from delivery.domain.note import Marker
from delivery.domain.row import Key, Request, Row
from delivery.domain.transcript import render
from delivery.persons import Persons
from delivery.ports import (
    Claim,
    CrmAccess,
    GiveUp,
    Gone,
    IntercomAccess,
    ReconnectNeeded,
    RetryLater,
    TokenRejected,
)
from delivery.reaching import reach
from delivery.working import Ended, Needs, Working

_log = log.get(__name__)

PATH: Final = "/v1/previews/{workspace_id}/{conversation_id}/{app}"
_WORKSPACE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONVERSATION: Final = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Preview:
    """`refused`: why it would not go out by itself; what could be found is told all the same."""

    refused: Outcome | None
    reason: str | None = None
    quiet_at: datetime | None = None  # it would wait until then
    person_id: str | None = None
    note: str | None = None  # plain text


@dataclass(frozen=True, slots=True)
class Previews:
    """By the name of the CRM: what the attempts of this process need."""

    needs: Mapping[str, Needs]

    async def of(self, workspace_id: str, conversation_id: str, app: str) -> Preview:
        """Raises RetryLater, GiveUp or ReconnectNeeded as an attempt would."""
        needs = self.needs[APPS[app].crm]
        installation = await needs.settings.installation(workspace_id, app, fresh=True)
        if installation is None:
            return Preview(Outcome.UNINSTALLED)
        try:
            intercom = await needs.settings.intercom_access(workspace_id)
            conversation = await self._conversation(needs, intercom, conversation_id)
        except Gone:
            return Preview(Outcome.CONVERSATION_GONE)
        refused, quiet_at = _judged(needs, installation, conversation)
        note = _note(needs, installation, conversation, needs.link(intercom, conversation.id))
        try:
            person_id = await self._person(needs, installation, intercom, conversation)
        except Ended as end:
            verdict = end.verdict
            return Preview(refused or verdict.outcome, verdict.reason, quiet_at, None, note)
        return Preview(refused, None, quiet_at, person_id, note)

    async def _conversation(
        self, needs: Needs, access: IntercomAccess, conversation_id: str
    ) -> Conversation:
        deadline = needs.limits.call_deadline
        try:
            return await needs.intercom.conversation(access, conversation_id, deadline)
        except TokenRejected:
            again = await needs.settings.intercom_access(
                access.workspace_id, rejected=access.access_token
            )
        try:
            return await needs.intercom.conversation(again, conversation_id, deadline)
        except TokenRejected:
            raise ReconnectNeeded("intercom_token_rejected") from None

    async def _person(
        self,
        needs: Needs,
        installation: Installation,
        intercom: IntercomAccess,
        conversation: Conversation,
    ) -> str:
        return await reach(
            needs.settings,
            installation.workspace_id,
            installation.app,
            lambda access: _find(needs, installation, access, intercom, conversation),
        )


async def _find(
    needs: Needs,
    installation: Installation,
    access: CrmAccess,
    intercom: IntercomAccess,
    conversation: Conversation,
) -> str:
    """The person whom an attempt without a history would find."""
    key = Key(installation.workspace_id, conversation.id, needs.crm.name, access.account_id)
    request = Request(1, Trigger.QUIET, installation.app, conversation.read_at)
    started = time.monotonic()
    claim = Claim(Row(key, requests=(request,)), "", conversation.read_at, started, started)
    working = Working(claim, needs.limits.monotonic, claim.row.known, [request])
    return await Persons(needs, working, access, intercom, conversation).find()


def _judged(
    needs: Needs, installation: Installation, conversation: Conversation
) -> tuple[Outcome | None, datetime | None]:
    """Why it would not go out by itself, and until when it would wait for quiet."""
    facts = conversation.facts()
    refused = refused_by_settings(Trigger.QUIET, installation) or refused_by_conversation(
        Trigger.QUIET, installation, facts, None
    )
    if refused is not None or facts.last_updated_at is None:
        return refused, None
    quiet_at = facts.last_updated_at + needs.limits.quiet_period
    return None, quiet_at if conversation.read_at < quiet_at else None


def _note(needs: Needs, installation: Installation, conversation: Conversation, link: str) -> str:
    """As plain text also where the CRM takes HTML: it is read, not sent."""
    try:
        return render(
            conversation,
            marker=Marker(conversation.workspace_id, conversation.id, None),
            link=link,
            time_zone=installation.time_zone,
            copied_at=conversation.read_at,
            html=False,
            max_chars=needs.crm.note_max_chars,
            max_bytes=needs.crm.note_max_bytes,
        ).body
    except ValueError:
        raise GiveUp("no_room_in_note") from None


def preview_route(previews: Previews, token: SecretStr | None) -> Route:
    """`GET /v1/previews/{workspace}/{conversation}/{app}`, for who has the token; None: nobody."""

    async def preview(request: HttpRequest) -> Response:
        if token is None:
            return problem(403, "previews are switched off: set LULL_DELIVERY_PREVIEW_TOKEN")
        if not bears(request, token):
            return problem(401, "a credential is needed: Authorization: Bearer ...")
        workspace_id = request.path_params["workspace_id"]
        conversation_id = request.path_params["conversation_id"]
        app = request.path_params["app"]
        if not (_WORKSPACE.fullmatch(workspace_id) and _CONVERSATION.fullmatch(conversation_id)):
            return problem(404, "no such conversation")
        if app not in APPS or APPS[app].crm not in previews.needs:
            return problem(404, "this process does not serve such an app")
        try:
            found = await previews.of(workspace_id, conversation_id, app)
        except (RetryLater, ReconnectNeeded, GiveUp, Gone) as error:
            reason = getattr(error, "reason", "gone")
            _log.warning("preview.not_possible", workspace=workspace_id, app=app, reason=reason)
            return problem(503, f"it cannot be looked at now: {reason}")
        return JSONResponse(_shown(found), headers={"Cache-Control": "no-store"})

    return Route(PATH, preview, methods=["GET"])


def _shown(found: Preview) -> dict[str, Any]:
    return {
        "eligible": found.refused is None,
        "refused": found.refused,
        "sentence": None if found.refused is None else SENTENCES[found.refused],
        "reason": found.reason,
        "quiet_at": None if found.quiet_at is None else found.quiet_at.isoformat(),
        "person_id": found.person_id,
        "note": found.note,
    }
