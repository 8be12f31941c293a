"""Control of Intercom: workspaces, people, conversations, parts, and what is sent about them."""

from starlette.requests import Request
from starlette.routing import Route

from simulators.control import requests
from simulators.control.endpoint import ControlError, missing, read, route
from simulators.http import Json
from simulators.intercom import wire
from simulators.intercom.api import view_of
from simulators.intercom.canvas import CanvasKit
from simulators.intercom.stage import Sending, Stage
from simulators.intercom.store import Admin, Contact, Conversation, Team, Workspace
from simulators.intercom.webhooks import Notification, Webhooks
from simulators.world import World

WORKSPACE = "/intercom/workspaces/{ws}"
CONVERSATION = "/intercom/conversations/{ws}/{id}"


class IntercomControl:
    def __init__(
        self, world: World, webhooks: Webhooks, stage: Stage, canvas_kit: CanvasKit
    ) -> None:
        self._world = world
        self._canvas_kit = canvas_kit
        self._webhooks = webhooks
        self._stage = stage

    def routes(self) -> list[Route]:
        return [
            route("GET", "/intercom/app", self.app),
            route("PUT", "/intercom/app", self.set_app),
            route("GET", "/intercom/workspaces", self.workspaces),
            route("POST", "/intercom/workspaces", self.create_workspace),
            route("GET", WORKSPACE, self.workspace),
            route("POST", WORKSPACE + "/admins", self.add_admin),
            route("DELETE", WORKSPACE + "/admins/{id}", self.remove_admin),
            route("POST", WORKSPACE + "/contacts", self.add_contact),
            route("DELETE", WORKSPACE + "/contacts/{id}", self.remove_contact),
            route("POST", WORKSPACE + "/contacts/{id}/merge", self.merge_contact),
            route("POST", WORKSPACE + "/tokens", self.issue_token),
            route("DELETE", WORKSPACE + "/tokens", self.revoke_tokens),
            route("GET", "/intercom/conversations", self.conversations),
            route("POST", "/intercom/conversations", self.create_conversation),
            route("GET", CONVERSATION, self.conversation),
            route("DELETE", CONVERSATION, self.delete_conversation),
            route("POST", CONVERSATION + "/canvas", self.canvas),
            route("POST", CONVERSATION + "/parts", self.add_part),
            route("POST", CONVERSATION + "/parts/{part}/redact", self.redact),
            route("GET", "/intercom/notifications", self.notifications),
            route("POST", "/intercom/notifications/{id}/redeliver", self.redeliver),
            route("POST", "/intercom/release", self.release),
            route("POST", "/intercom/ping", self.ping),
        ]

    async def app(self, request: Request) -> object:
        store = self._world.intercom
        return {
            "client_id": store.client_id,
            "client_secret": store.client_secret,
            "webhook_url": store.webhook_url,
            "canvas_initialize_url": store.canvas_initialize_url,
            "canvas_submit_url": store.canvas_submit_url,
            "redirect_uri": store.redirect_uri,
            "topics": store.topics,
            "subscription_active": store.subscription_active,
        }

    async def set_app(self, request: Request) -> object:
        given = (await read(request, requests.IntercomApp)).model_dump(exclude_unset=True)
        store = self._world.intercom
        for name, value in given.items():
            setattr(store, name, value)
        if "webhook_url" in given:
            store.subscription_active = True
        return await self.app(request)

    async def workspaces(self, request: Request) -> object:
        all_of_them = self._world.intercom.workspaces.values()
        return {"workspaces": [self._view(request, w) for w in all_of_them]}

    async def workspace(self, request: Request) -> object:
        return self._view(request, self._workspace(request))

    async def create_workspace(self, request: Request) -> object:
        given = await read(request, requests.NewWorkspace)
        known = self._world.intercom.workspaces
        if given.id in known:
            raise ControlError(409, f"workspace {given.id} is there already")
        workspace = Workspace(
            id=given.id,
            region=given.region,
            name=given.name or given.id,
            timezone=given.timezone,
            created_at=int(self._world.clock.now()),
        )
        for admin in given.admins:
            workspace.admins[admin.id] = Admin(**admin.model_dump())
        for team in given.teams:
            workspace.teams[team.id] = Team(**team.model_dump())
        for contact in given.contacts:
            self._add_contact(workspace, contact)
        known[workspace.id] = workspace
        return self._view(request, workspace)

    async def add_admin(self, request: Request) -> object:
        workspace = self._workspace(request)
        admin = Admin(**(await read(request, requests.NewAdmin)).model_dump())
        workspace.admins[admin.id] = admin
        return wire.admin_json(workspace, admin)

    async def remove_admin(self, request: Request) -> object:
        admin_id = request.path_params["id"]
        if self._workspace(request).admins.pop(admin_id, None) is None:
            raise missing("admin", admin_id)
        return {"ok": True}

    async def add_contact(self, request: Request) -> object:
        workspace = self._workspace(request)
        contact = self._add_contact(workspace, await read(request, requests.NewContact))
        return wire.contact_json(workspace, contact)

    async def remove_contact(self, request: Request) -> object:
        contact_id = request.path_params["id"]
        if self._workspace(request).contacts.pop(contact_id, None) is None:
            raise missing("contact", contact_id)
        return {"ok": True}

    async def merge_contact(self, request: Request) -> object:
        workspace = self._workspace(request)
        loser, into = request.path_params["id"], (await read(request, requests.Merge)).into
        for contact_id in (loser, into):
            if contact_id not in workspace.contacts:
                raise missing("contact", contact_id)
        del workspace.contacts[loser]
        for conversation in workspace.conversations.values():
            conversation.contact_ids = list(
                dict.fromkeys(into if c == loser else c for c in conversation.contact_ids)
            )
        return wire.contact_json(workspace, workspace.contacts[into])

    async def issue_token(self, request: Request) -> object:
        workspace = self._workspace(request)
        wanted = (await read(request, requests.NewIntercomToken)).admin_id
        admin = (
            workspace.admins.get(wanted) if wanted else next(iter(workspace.admins.values()), None)
        )
        if admin is None:
            raise missing("admin", wanted or "(the workspace has none)")
        tokens = self._world.intercom.tokens
        token = tokens.issue(tokens.grant(workspace.id, admin.id), self._world.clock.now(), None)
        return {"access_token": token.value}

    async def revoke_tokens(self, request: Request) -> object:
        return {"revoked": self._world.intercom.tokens.revoke(self._workspace(request).id)}

    async def conversations(self, request: Request) -> object:
        wanted = request.query_params.get("workspace")
        return {
            "conversations": [
                view_of(c, w)
                for w in self._world.intercom.workspaces.values()
                if wanted in (None, w.id)
                for c in w.conversations.values()
            ]
        }

    async def conversation(self, request: Request) -> object:
        workspace, conversation = self._conversation(request)
        return view_of(conversation, workspace)

    async def create_conversation(self, request: Request) -> object:
        given = await read(request, requests.NewConversation)
        workspace = self._world.intercom.workspaces.get(given.workspace)
        if workspace is None:
            raise missing("workspace", given.workspace)
        if given.id in workspace.conversations:
            raise ControlError(409, f"conversation {given.id} is there already")
        for contact in given.contacts:
            if contact not in workspace.contacts:
                raise missing("contact", contact)
        return await self._stage.start(workspace, given.model_dump(), _sending(given))

    async def add_part(self, request: Request) -> object:
        workspace, conversation = self._conversation(request)
        given = await read(request, requests.NewPart)
        body = given.model_dump() | {
            "assign": given.assign.model_dump(exclude_unset=True) if given.assign else None
        }
        return await self._stage.say(workspace, conversation, body, _sending(given))

    async def redact(self, request: Request) -> object:
        workspace, conversation = self._conversation(request)
        given = await read(request, requests.Redact)
        sending = Sending(notify=given.notify, wait=given.wait)
        part = request.path_params["part"]
        posted = await self._stage.redact(workspace, conversation, part, sending)
        if posted is None:
            raise missing("part", part)
        return posted

    async def delete_conversation(self, request: Request) -> object:
        workspace, conversation = self._conversation(request)
        notify = request.query_params.get("notify", "true") == "true"
        return await self._stage.delete(workspace, conversation, Sending(notify=notify))

    async def canvas(self, request: Request) -> object:
        """Open the inbox card as a teammate, or press one of its buttons."""
        workspace, conversation = self._conversation(request)
        given = await read(request, requests.CanvasAsked)
        if given.admin not in workspace.admins:
            raise missing("admin", given.admin)
        pressed = None if given.pressed is None else given.pressed.model_dump()
        return await self._canvas_kit.ask(
            workspace, conversation, given.admin, pressed, given.contact
        )

    async def notifications(self, request: Request) -> object:
        query = request.query_params
        found = [
            n.view()
            for n in self._webhooks.all()
            if query.get("workspace") in (None, n.workspace)
            and query.get("conversation") in (None, n.conversation)
        ]
        return {"notifications": found}

    async def redeliver(self, request: Request) -> object:
        notification = self._notification(request.path_params["id"])
        wait = (await read(request, requests.Wait)).wait
        await self._webhooks.send([notification], wait=wait)
        return notification.view()

    async def release(self, request: Request) -> object:
        given = await read(request, requests.Release)
        if given.ids is None:
            chosen = [n for n in self._webhooks.all() if n.state == "held"]
        else:
            chosen = [self._notification(i) for i in given.ids]
        if given.newest_first:
            chosen.reverse()
        await self._webhooks.send(chosen, wait=given.wait)
        return {"notifications": [n.view() for n in chosen]}

    async def ping(self, request: Request) -> object:
        given = await read(request, requests.Ping)
        workspace = self._world.intercom.workspaces.get(given.workspace)
        if workspace is None:
            raise missing("workspace", given.workspace)
        return (await self._stage.ping(workspace, wait=given.wait)).view()

    def _add_contact(self, workspace: Workspace, given: requests.NewContact) -> Contact:
        values = given.model_dump()
        values["id"] = given.id or self._world.intercom.new_contact_id()
        contact = Contact(**values, created_at=int(self._world.clock.now()))
        workspace.contacts[contact.id] = contact
        return contact

    def _workspace(self, request: Request) -> Workspace:
        workspace = self._world.intercom.workspaces.get(request.path_params["ws"])
        if workspace is None:
            raise missing("workspace", request.path_params["ws"])
        return workspace

    def _conversation(self, request: Request) -> tuple[Workspace, Conversation]:
        workspace = self._workspace(request)
        conversation = workspace.conversations.get(request.path_params["id"])
        if conversation is None:
            raise missing("conversation", request.path_params["id"])
        return workspace, conversation

    def _notification(self, notification_id: str) -> Notification:
        notification = self._webhooks.find(notification_id)
        if notification is None:
            raise missing("notification", notification_id)
        return notification

    def _view(self, request: Request, workspace: Workspace) -> Json:
        base = self._world.public_url(request)
        return {
            "id": workspace.id,
            "region": workspace.region,
            "name": workspace.name,
            "timezone": workspace.timezone,
            "admins": [wire.admin_json(workspace, a) for a in workspace.admins.values()],
            "teams": [wire.team_json(t) for t in workspace.teams.values()],
            "contacts": [wire.contact_json(workspace, c) for c in workspace.contacts.values()],
            "api_base": f"{base}/intercom/{workspace.region.lower()}",
        }


def _sending(given: requests.Sending) -> Sending:
    return Sending(
        notify=given.notify,
        topics=given.topics,
        deliver=tuple(given.deliver),
        hold=given.hold,
        wait=given.wait,
    )
