"""Who changed what, and who may: the audit trail and the admin's role."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.catalog import APPS
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from settings.console.pages import notice, page
from settings.console.visitors import Visitors, field, form
from settings.domain.links import conversation_meant
from settings.handlers.forgetting import Forgetting, Record
from settings.handlers.installations import Installations, teammate
from settings.handlers.teammates import Teammates
from settings.ports.installations import AuditRow, AuditStore

_PAGE = 100
_MOST_DIGITS = 18
_CRM_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, slots=True)
class Line:
    row: AuditRow
    who: str
    what: str
    app: str | None


@dataclass(frozen=True, slots=True)
class AdminPages:
    visitors: Visitors
    installations: Installations
    forgetting: Forgetting
    audit: AuditStore

    def routes(self) -> list[Route]:
        base = "/w/{workspace_id}"
        return [
            Route(f"{base}/audit", self.show_audit),
            Route(f"{base}/admin", self.show_admin),
            Route(f"{base}/admin", self.hand_on, methods=["POST"]),
            Route(f"{base}/forget", self.forget, methods=["POST"]),
            Route(f"{base}/forget-contact", self.forget_contact, methods=["POST"]),
        ]

    async def show_audit(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        before = request.query_params.get("before", "")
        if before and not (before.isascii() and before.isdigit() and len(before) <= _MOST_DIGITS):
            raise HTTPException(400)
        rows = await self.audit.page(visit.workspace.id, int(before) if before else None, _PAGE + 1)
        names = await self.visitors.names.of(visit.workspace.id)
        return await self.visitors.page(
            visit,
            "audit.html",
            "audit",
            lines=[_line(row, names) for row in rows[:_PAGE]],
            is_first=not before,
            before=rows[_PAGE - 1].id if len(rows) > _PAGE else None,
        )

    async def show_admin(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        names = await self.visitors.names.of(visit.workspace.id)
        others = {key: names.name_of(key) for key in names.names if key != visit.teammate_id}
        return await self.visitors.page(
            visit,
            "admin.html",
            "admin",
            names=names,
            others=others,
            installed=await self.installations.apps(visit.workspace.id),
        )

    async def hand_on(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        heir = field(await form(request), "teammate")
        names = await self.visitors.names.of(visit.workspace.id)
        if heir not in names.names:
            raise HTTPException(400)  # only to somebody who is there to take it
        await self.installations.set_admin(visit.workspace.id, heir, teammate(visit.teammate_id))
        return RedirectResponse("/", 303)

    async def forget(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        if field(await form(request), "confirm").strip() != visit.workspace.id:
            return notice(
                400,
                "Nothing was deleted",
                "Type the workspace's id, exactly as it is shown, to have it forgotten.",
            )
        deleted = await self.forgetting.workspace(visit.workspace.id, teammate(visit.teammate_id))
        return page(
            "forgotten.html",
            name=visit.workspace.name or visit.workspace.id,
            deleted=_in_words(deleted),
        )

    async def forget_contact(self, request: Request) -> Response:
        visit = await self.visitors.admin(request)
        fields = await form(request)
        said, person = (field(fields, name).strip() for name in ("conversation", "person"))
        conversation = conversation_meant(said) if said else None
        app = field(fields, "app")
        fault = None
        if said and conversation is None:
            fault = "That is neither a conversation's id nor an Intercom link to one."
        elif person and (app not in APPS or not _CRM_ID.fullmatch(person)):
            fault = "Choose the app, and give the id of the record as it stands in the CRM."
        elif not said and not person:
            fault = "Give the id of a record in your CRM, or a conversation."
        if fault:
            return notice(400, "Nothing was deleted", fault)
        deleted = await self.forgetting.contact(
            visit.workspace.id,
            conversation,
            Record(app, person) if person else None,
            teammate(visit.teammate_id),
        )
        return await self.visitors.page(
            visit, "forgotten.html", "admin", name=None, deleted=_in_words(deleted)
        )


def _in_words(deleted: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(what, deleted[table]) for table, what in _DELETED.items() if table in deleted]


def _line(row: AuditRow, names: Teammates) -> Line:
    app = APPS[row.app].name if row.app in APPS else row.app
    return Line(row, _who(row.actor, names), what_changed(row.action, row.detail, names), app)


def _who(actor: str, names: Teammates) -> str:
    kind, _, key = actor.partition(":")
    if kind == "teammate":
        return names.name_of(key)
    return "The operator" if kind == "operator" else "Lull"


def what_changed(action: str, detail: Mapping[str, Any], names: Teammates) -> str:
    """An audit row in words; a later release's action, that this one does not know, as it is."""
    match action:
        case "transcript_sync":
            return f"Switched Transcript Sync {'on' if detail.get('on') else 'off'}"
        case "app_users":
            listed = len(detail.get("listed", []))
            paused = len(detail.get("paused", []))
            return f"Set {listed} app user{'s' * (listed != 1)}, {paused} of them paused"
        case "options":
            return "Changed options: " + ", ".join(
                f"{name.replace('_', ' ')} to {_value(value)}" for name, value in detail.items()
            )
        case "admin":
            return f"Handed the admin's role to {names.name_of(str(detail.get('now')))}"
        case "tried_again":
            if conversation := detail.get("conversation"):
                return f"Tried conversation {conversation} again"
            count = detail.get("count", 0)
            return f"Tried {count} conversation{'s' * (count != 1)} again"
        case "contact_forgotten":
            count = detail.get("conversations", 0)
            return f"Had a contact forgotten: {count} conversation{'s' * (count != 1)}"
        case "sync_now":
            return f"Asked for conversation {detail.get('conversation')} to be synced"
        case _:
            return _ACTIONS.get(action, action.replace("_", " "))


_DELETED = {
    "conversations": "conversations",
    "workspaces": "workspace",
    "intercom_connections": "Intercom token",
    "installations": "installed apps, now and before",
    "connections": "CRM accounts with their tokens",
    "app_users": "app users",
    "history": "lines of the sync history",
    "ledger": "lines of the delivery ledger",
    "actions": "actions from the inbox",
    "session_teammates": "people who were signed in",
}

_ACTIONS = {
    "workspace_installed": "Installed Lull in the workspace",
    "workspace_reconnected": "Connected Intercom again",
    "workspace_reconnect_needed": "Found that Intercom has to be connected again",
    "installed": "Installed the app",
    "reinstalled": "Installed the app anew",
    "reconnected": "Connected the account again",
    "reconnect_needed": "Found that the account has to be connected again",
    "uninstalled": "Uninstalled the app",
}


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "what Lull or the workspace has"
    return str(value)
