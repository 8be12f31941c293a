"""One conversation: what waits, where it stands, and the button that syncs it now."""

from dataclasses import dataclass
from urllib.parse import urlencode

from common.catalog import APPS
from common.outcomes import SENTENCES
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from settings.console.links import Links
from settings.console.visitors import Visitors, field, form
from settings.domain.history import DONE, Entry, Filter
from settings.domain.links import conversation_meant
from settings.handlers.history import History, Standing
from settings.handlers.installations import Installations, teammate
from settings.ports.history import Preview

# Delivery's words for why a row waits, as people read them.
WAITS_FOR = {
    "quiet": "for quiet",
    "retry": "to try again",
    "reconnect": "for you to connect the account again",
    "settings": "for our own settings service",
    "reply": "for the newest reply to show in Intercom",
    "attempt": "for nothing: it is being written right now",
    "worker": "for its turn",
}


@dataclass(frozen=True, slots=True)
class ConversationPages:
    visitors: Visitors
    installations: Installations
    history: History
    links: Links

    def routes(self) -> list[Route]:
        base = "/w/{workspace_id}"
        return [
            Route(f"{base}/waiting", self.show_waiting),
            Route(f"{base}/check", self.check),
            Route(f"{base}/sync-now", self.sync_now, methods=["POST"]),
        ]

    async def show_waiting(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        return await self.visitors.page(
            visit,
            "waiting.html",
            "waiting",
            pending=await self.history.count_pending(visit.workspace.id),
        )

    async def check(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        text = request.query_params.get("conversation", "").strip()
        conversation = conversation_meant(text) if text else None
        installed = await self.installations.apps(visit.workspace.id)
        standing: Standing | None = None
        preview: Preview | None = None
        shown = request.query_params.get("app", "")
        if shown not in {one.app for one in installed}:
            shown = ""
        entries: list[Entry] = []
        if conversation is not None:
            standing = await self.history.standing(visit.workspace.id, conversation)
            entries, _ = await self.history.page(
                visit.workspace.id, Filter(conversation_id=conversation), None
            )
            if shown:
                preview = await self.history.preview(visit.workspace.id, conversation, shown)
        links = self.links.of(visit.workspace, installed)
        return await self.visitors.page(
            visit,
            "check.html",
            "check",
            400 if text and conversation is None else 200,
            text=text,
            conversation=conversation,
            standing=standing,
            entries=entries,
            installed=installed,
            sentences=SENTENCES,
            done=DONE,
            waits_for=WAITS_FOR,
            links=links,
            shown=shown if conversation is not None else "",
            preview=preview,
            person=links.person_of(shown, preview.person_id) if preview else None,
            asked="asked" in request.query_params,
        )

    async def sync_now(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        fields = await form(request)
        conversation, app = conversation_meant(field(fields, "conversation")), field(fields, "app")
        if conversation is None or app not in APPS:
            raise HTTPException(400)
        await self.installations.sync_now(
            visit.workspace.id, conversation, app, teammate(visit.teammate_id)
        )
        query = urlencode({"conversation": conversation, "asked": "1"})
        return RedirectResponse(f"/w/{visit.workspace.id}/check?{query}", 303)
