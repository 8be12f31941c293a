"""The pages: an index, each CRM account, and an inbox to try the whole product by hand in."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from simulators.crm import CrmAccount
from simulators.crms import CRMS
from simulators.http import Json
from simulators.intercom.canvas import CanvasKit
from simulators.intercom.stage import Sending, Stage
from simulators.intercom.store import Contact, Conversation, Workspace
from simulators.intercom.webhooks import Webhooks
from simulators.pages.rendering import page
from simulators.pages.typed import as_html
from simulators.world import World

STATIC = Path(__file__).parent / "static"
AS_CUSTOMER = "customer"
CALLS_SHOWN, PERSONS_SHOWN, CONVERSATIONS_SHOWN = 25, 100, 200


class Pages:
    def __init__(
        self, world: World, webhooks: Webhooks, stage: Stage, canvas_kit: CanvasKit
    ) -> None:
        self._world = world
        self._canvas_kit = canvas_kit
        self._webhooks = webhooks
        self._stage = stage

    def routes(self) -> list[Route | Mount]:
        return [
            Route("/", self.index),
            Route("/crm/{crm}/{account}", self.crm),
            Route("/crm/{crm}/{account}/notes/{id}/delete", self.delete_note, methods=["POST"]),
            Route("/inbox/{ws}", self.inbox),
            Route("/inbox/{ws}", self.start, methods=["POST"]),
            Route("/inbox/{ws}/{id}", self.conversation),
            Route("/inbox/{ws}/{id}", self.act, methods=["POST"]),
            Route("/inbox/{ws}/{id}/canvas", self.canvas, methods=["POST"]),
            Mount("/static", app=StaticFiles(directory=STATIC)),
        ]

    @staticmethod
    def of_vendors() -> list[Route]:
        """Where people see a person's record at the real vendors; here it leads to our page."""
        places = {
            "hubspot": "/hubspot/contacts/{account}/record/0-1/{person}",
            "pipedrive": "/pipedrive/{account}/person/{person}",
        }

        def to_page(crm: str) -> Callable[[Request], Response]:
            return lambda request: _see_other(f"/crm/{crm}/{request.path_params['account']}")

        return [Route(path, to_page(crm)) for crm, path in places.items()]

    async def index(self, request: Request) -> Response:
        world = self._world
        accounts = [(CRMS[name], a) for name, s in world.crms.items() for a in s.accounts.values()]
        return page(
            "index.html",
            title="Simulators",
            workspaces=list(world.intercom.workspaces.values()),
            accounts=accounts,
            webhook_url=world.intercom.webhook_url,
            faults=[f.view() for f in world.faults.all()],
            requests=world.journal.latest(CALLS_SHOWN),
        )

    async def crm(self, request: Request) -> Response:
        account = self._account(request)
        persons = [p for p in account.persons.values() if not p.deleted]
        by_age = sorted(account.notes.values(), key=lambda n: n.updated_at)
        written = {p: n.updated_at for n in by_age for p in n.person_ids}
        persons.sort(key=lambda p: written.get(p.id, 0), reverse=True)
        return page(
            "crm.html",
            title=f"{account.name} · {CRMS[account.crm].title}",
            crm=CRMS[account.crm].title,
            account=account,
            persons=persons[:PERSONS_SHOWN],
            person_count=len(persons),
            loose=[n for n in account.notes.values() if not n.person_ids and not n.deleted],
        )

    async def delete_note(self, request: Request) -> Response:
        account = self._account(request)
        note = account.notes.get(request.path_params["id"])
        if note is not None and not note.deleted:
            note.delete(self._world.clock.now(), "hand")
        return _see_other(f"/crm/{account.crm}/{account.id}")

    async def inbox(self, request: Request) -> Response:
        workspace = self._workspace(request)
        found = sorted(
            workspace.conversations.values(), key=lambda c: (c.updated_at, c.id), reverse=True
        )
        return page(
            "inbox.html",
            title=f"{workspace.name} · Intercom",
            workspace=workspace,
            conversations=[
                (c, _title(workspace, c), _last_words(c)) for c in found[:CONVERSATIONS_SHOWN]
            ],
            conversation_count=len(found),
        )

    async def start(self, request: Request) -> Response:
        """A customer opens a conversation."""
        workspace, form = self._workspace(request), await _form(request)
        contact = workspace.contacts.get(form.get("contact", ""))
        if contact is None or not form.get("body", "").strip():
            raise HTTPException(400, "A contact and a text are needed")
        given: Json = {
            "contacts": [contact.id],
            "opening": {
                "author": {"type": contact.role, "id": contact.id},
                "body": as_html(form["body"]),
            },
            "admin_assignee_id": form.get("assignee") or None,
        }
        posted = await self._stage.start(workspace, given, Sending())
        return _see_other(f"/inbox/{workspace.id}/{posted['conversation']}")

    async def conversation(self, request: Request) -> Response:
        workspace, conversation = self._conversation(request)
        told = [n for n in self._webhooks.all() if n.conversation == conversation.id]
        return page(
            "conversation.html",
            title=f"{_title(workspace, conversation)} · Intercom",
            who=_title(workspace, conversation),
            workspace=workspace,
            conversation=conversation,
            writes_as=request.query_params.get("as", AS_CUSTOMER),
            assignee=workspace.admins.get(conversation.admin_assignee_id or ""),
            team=workspace.teams.get(conversation.team_assignee_id or ""),
            has_card=self._world.intercom.canvas_initialize_url is not None,
            told=[n.view() for n in told if n.workspace == workspace.id][-12:],
        )

    async def act(self, request: Request) -> Response:
        """Write, assign or close, as the customer or as a teammate."""
        workspace, conversation = self._conversation(request)
        form = await _form(request)
        part = _part(workspace, conversation, form)
        if part is None:
            raise HTTPException(400, "A text is needed")
        await self._stage.say(workspace, conversation, part, Sending())
        query = urlencode({"as": form.get("as", AS_CUSTOMER)})
        return _see_other(f"/inbox/{workspace.id}/{conversation.id}?{query}")

    async def canvas(self, request: Request) -> Response:
        """The inbox card asks, for whoever looks at it: see `canvas.js`."""
        workspace, conversation = self._conversation(request)
        given = await request.json()
        if given.get("admin") not in workspace.admins:
            raise HTTPException(400, "A teammate is needed")
        return JSONResponse(
            await self._canvas_kit.ask(
                workspace, conversation, given["admin"], given.get("pressed")
            )
        )

    def _account(self, request: Request) -> CrmAccount:
        store = self._world.crms.get(request.path_params["crm"])
        account = store.accounts.get(request.path_params["account"]) if store else None
        if account is None:
            raise HTTPException(404, "No such account")
        return account

    def _workspace(self, request: Request) -> Workspace:
        workspace = self._world.intercom.workspaces.get(request.path_params["ws"])
        if workspace is None:
            raise HTTPException(404, "No such workspace")
        return workspace

    def _conversation(self, request: Request) -> tuple[Workspace, Conversation]:
        workspace = self._workspace(request)
        conversation = workspace.conversations.get(request.path_params["id"])
        if conversation is None:
            raise HTTPException(404, "No such conversation")
        return workspace, conversation


def _part(workspace: Workspace, conversation: Conversation, form: dict[str, str]) -> Json | None:
    """NEW PART from the form of the conversation page; None when nothing was asked for."""
    action, text = form.get("action", "reply"), form.get("body", "").strip()
    body = as_html(text) if text else None
    who = form.get("as", AS_CUSTOMER)
    if who == AS_CUSTOMER:
        contact = _first_contact(workspace, conversation)
        author = {
            "type": contact.role if contact else "user",
            "id": contact.id if contact else conversation.contact_ids[0],
        }
    else:
        author = {"type": "admin", "id": who}
    if action == "assign":
        kind, _, chosen = form.get("assignee", "").partition(":")
        assign = {kind: chosen} if chosen else {"admin": None, "team": None}
        by = author if who != AS_CUSTOMER else _any_admin(workspace)
        return {"part_type": "assignment", "author": by, "assign": assign, "body": body}
    if action == "close":
        by = author if who != AS_CUSTOMER else _any_admin(workspace)
        return {"part_type": "close", "author": by, "body": body}
    if body is None:
        return None
    kind = "note" if action == "note" and who != AS_CUSTOMER else "comment"
    return {"part_type": kind, "author": author, "body": body}


def _any_admin(workspace: Workspace) -> Json:
    return {"type": "admin", "id": next(iter(workspace.admins), "1")}


def _first_contact(workspace: Workspace, conversation: Conversation) -> Contact | None:
    return next(
        (workspace.contacts[c] for c in conversation.contact_ids if c in workspace.contacts), None
    )


def _title(workspace: Workspace, conversation: Conversation) -> str:
    contact = _first_contact(workspace, conversation)
    return (contact.name or contact.email or contact.id) if contact else "Unknown contact"


def _last_words(conversation: Conversation) -> str:
    bodies = [conversation.source.body, *(p.body for p in conversation.parts)]
    return next((b for b in reversed(bodies) if b), "")


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(errors="replace")))


def _see_other(path: str) -> Response:
    return RedirectResponse(path, 303)
