"""A workspace with one app connected, and its conversations."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from common.catalog import APPS
from common.events import ConversationSettled, Trigger

if TYPE_CHECKING:
    from delivering.worlds import World

CANARY = "xylophone-canary-7391"


@dataclass
class Installed:
    """A workspace with one app connected, and what tests do in it."""

    world: "World"
    workspace: str
    app: str
    account: str
    admin: str

    @property
    def crm(self) -> str:
        return APPS[self.app].crm

    def contact(self) -> dict[str, Any]:
        """Somebody in Intercom whom the CRM does not know."""
        unique = uuid.uuid4().hex[:12]
        email = f"ada-{unique}@example.com"
        contact: dict[str, Any] = self.world.control.add_contact(
            self.workspace, id=f"67a{unique:0>21}", role="user", name="Ada", email=email
        )
        return contact

    def person(self, contact: dict[str, Any], **person: Any) -> str:
        """The person with the contact's address in the CRM."""
        email = contact["email"]
        added = self.world.control.add_person(
            self.crm, self.account, name="Ada Example", email=email, **person
        )
        return str(added["id"])

    async def customer(self, **person: Any) -> dict[str, Any]:
        """A contact in Intercom, and the person with the same address in the CRM."""
        contact = self.contact()
        self.person(contact, **person)
        return contact

    def conversation(self, contact: dict[str, Any], **rest: Any) -> "Talk":
        said = {"admin_assignee_id": self.admin, "notify": False, **rest}
        author = {"type": "user", "id": contact["id"]}
        posted = self.world.control.create_conversation(
            self.workspace,
            contacts=[contact["id"]],
            author=author,
            body=said.pop("body", f"<p>Hello {CANARY}</p>"),
            **said,
        )
        return Talk(self, posted["conversation"], posted["created_at"], author)

    async def talk(self, **rest: Any) -> "Talk":
        return self.conversation(await self.customer(), **rest)

    def notes(self, talk: "Talk", *, deleted: bool = False) -> list[dict[str, Any]]:
        return _about(talk, self.world.control.notes(self.crm, self.account, deleted=deleted))

    def transcripts(self, talk: "Talk") -> list[dict[str, Any]]:
        """Those notes that are of the conversation itself, not a teammate's own."""
        marker = f"[lull {self.workspace}/{talk.id}]"
        return [note for note in self.notes(talk) if marker in note["body"]]

    def activities(self, talk: "Talk") -> list[dict[str, Any]]:
        return _about(talk, self.world.control.activities(self.crm, self.account))

    async def operator(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return await self.world.operator(
            method, f"/v1/workspaces/{self.workspace}/apps/{self.app}{path}", body
        )

    async def switch(self, *, on: bool) -> None:
        answer = await self.operator("PUT", "/transcript-sync", {"on": on})
        assert answer.status_code < 300, answer.text


def _about(talk: "Talk", records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    marker = f"[lull {talk.installed.workspace}/{talk.id}"
    return [record for record in records if marker in record["body"]]


@dataclass
class Talk:
    """One conversation, and its newest reply."""

    installed: Installed
    id: str
    updated_at: int
    author: dict[str, Any]
    part_id: int = 0

    def reply(self, body: str = f"<p>More {CANARY}</p>", **rest: Any) -> None:
        control = self.installed.world.control
        posted = control.reply(
            self.installed.workspace, self.id, self.author, body, notify=False, **rest
        )
        self.updated_at, self.part_id = posted["created_at"], int(posted["part"])

    def event(self, trigger: Trigger = Trigger.QUIET, **rest: Any) -> ConversationSettled:
        named: dict[str, Any] = {}
        if trigger in (Trigger.QUIET, Trigger.BACKFILL):
            named = {
                "updated_at": datetime.fromtimestamp(self.updated_at, UTC),
                "part_id": self.part_id,
            }
        else:
            named = {"action_id": f"act-{uuid.uuid4().hex}"}
        return ConversationSettled(
            workspace_id=self.installed.workspace,
            conversation_id=self.id,
            trigger=trigger,
            **(named | rest),
        )

    async def settle(self, trigger: Trigger = Trigger.QUIET, **rest: Any) -> None:
        await self.installed.world.publish(self.event(trigger, **rest))

    async def outcome(self, *wanted: str, within_s: float = 20.0) -> dict[str, Any]:
        """The first outcome published for it that was not seen by an earlier call."""
        found = await self.installed.world.outcome(self, within_s)
        if wanted:
            assert found["outcome"] in wanted, found
        return found

    async def press(self, kind: str, form: Any = None, **rest: Any) -> dict[str, Any]:
        """One press of a button in the inbox; what it answers, its status among it."""
        installed = self.installed
        body = {
            "action_id": f"act-{uuid.uuid4().hex}",
            "workspace_id": installed.workspace,
            "conversation_id": self.id,
            "app": installed.app,
            "actor_id": installed.admin,
            "kind": kind,
            "form": form or {},
            "wait_ms": 10_000,
        }
        answer = await installed.world.inbox("POST", "/v1/actions", body | rest)
        return dict(answer.json()) | {"http": answer.status_code}

    async def pressed(self, action_id: str) -> dict[str, Any]:
        """How that action stands."""
        path = f"/v1/actions/{self.installed.workspace}/{self.id}/{action_id}"
        answer = await self.installed.world.inbox("GET", path)
        return dict(answer.json()) | {"http": answer.status_code}

    async def card(self, contact: dict[str, Any], /, **rest: Any) -> dict[str, Any]:
        """What the inbox's card shows of this one app."""
        installed = self.installed
        addresses = [contact["email"]] if contact.get("email") else []
        body = {
            "workspace_id": installed.workspace,
            "conversation_id": self.id,
            "actor_id": installed.admin,
            "contact": {"id": contact["id"], "emails": addresses, "phones": []},
            "apps": [installed.app],
            "wait_ms": 5_000,
        }
        answer = await installed.world.inbox("POST", "/v1/cards", body | rest)
        assert answer.status_code == 200, answer.text
        (entry,) = answer.json()["apps"]
        return dict(entry)

    async def explained(self) -> Any:
        """What the API says, once there is something."""
        world = self.installed.world
        url = f"{world.delivery.addresses['api']}/v1/deliveries"
        answer = await world.client.get(f"{url}/{self.installed.workspace}/{self.id}")
        return answer.json() if answer.status_code == 200 else None
