"""Makes things happen in Intercom and tells about them, for the control API and for the pages."""

from dataclasses import dataclass

from simulators.http import Json
from simulators.intercom import wire
from simulators.intercom.happenings import (
    Happening,
    add_part,
    delete_conversation,
    redact_part,
    start_conversation,
)
from simulators.intercom.store import Conversation, Workspace
from simulators.intercom.webhooks import Notification, Webhooks
from simulators.world import World


@dataclass(frozen=True, slots=True)
class Sending:
    """How notifications go out; the README's SENDING."""

    notify: bool = True
    topics: list[str] | None = None
    deliver: tuple[str, ...] = ("normal",)
    hold: bool = False
    wait: bool = False


class Stage:
    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self._world = world
        self._webhooks = webhooks

    async def start(self, workspace: Workspace, given: Json, sending: Sending) -> Json:
        now = int(self._world.clock.now())
        return await self._tell(
            workspace, start_conversation(self._world.intercom, workspace, given, now), sending
        )

    async def say(
        self, workspace: Workspace, conversation: Conversation, given: Json, sending: Sending
    ) -> Json:
        now = int(self._world.clock.now())
        happening = add_part(self._world.intercom, workspace, conversation, given, now)
        return await self._tell(workspace, happening, sending)

    async def redact(
        self, workspace: Workspace, conversation: Conversation, part_id: str, sending: Sending
    ) -> Json | None:
        """None when there is no such part."""
        happening = redact_part(conversation, part_id, int(self._world.clock.now()))
        return None if happening is None else await self._tell(workspace, happening, sending)

    async def delete(
        self, workspace: Workspace, conversation: Conversation, sending: Sending
    ) -> Json:
        return await self._tell(workspace, delete_conversation(workspace, conversation), sending)

    async def ping(self, workspace: Workspace, *, wait: bool) -> Notification:
        """The test button of the Developer Hub."""
        notification = self._webhooks.make(
            "ping",
            {"type": "ping", "message": "something something interzen"},
            workspace=workspace.id,
            conversation=None,
            part=None,
            created_at=int(self._world.clock.now()),
        )
        await self._webhooks.send([notification], wait=wait)
        return notification

    async def _tell(self, workspace: Workspace, happening: Happening, sending: Sending) -> Json:
        notifications = self._notifications(workspace, happening, sending)
        unique = list({n.id: n for n in notifications}.values())
        if sending.hold:
            for notification in unique:
                notification.state = "held"
        elif notifications:
            await self._webhooks.send(notifications, wait=sending.wait)
        part = happening.part
        return {
            "workspace": workspace.id,
            "conversation": happening.conversation.id,
            "part": part.id if part else None,
            "created_at": part.created_at if part else happening.conversation.created_at,
            "notifications": [n.view() for n in unique],
        }

    def _notifications(
        self, workspace: Workspace, happening: Happening, sending: Sending
    ) -> list[Notification]:
        """In the order they go out; a duplicate is the same notification once more."""
        if not sending.notify:
            return []
        conversation, part = happening.conversation, happening.part
        topics = sending.topics if sending.topics is not None else happening.topics
        out = []
        for topic in self._webhooks.wanted(topics):
            notification = self._webhooks.make(
                topic,
                _item(workspace, happening, topic),
                workspace=workspace.id,
                conversation=conversation.id,
                part=part.id if part else None,
                created_at=part.created_at if part else conversation.updated_at,
            )
            out += [notification] * len(sending.deliver)
        return out


def _item(workspace: Workspace, happening: Happening, topic: str) -> Json:
    if topic == "conversation.deleted":
        return {"type": "conversation", "id": happening.conversation.id}
    return wire.notified(workspace, happening.conversation, happening.part)
