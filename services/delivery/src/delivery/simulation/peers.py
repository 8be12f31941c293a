"""settings and Intercom, as a replica sees them; the truth behind them is the world's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from common.eligibility import Installation

from delivery.domain.conversation import Contact, Conversation, Message
from delivery.ports import CrmAccess, Gone, IntercomAccess, ReconnectNeeded
from delivery.simulation.crm import Tokens
from delivery.simulation.judge import Judge
from delivery.simulation.time import EPOCH, instant
from delivery.simulation.wire import Wire

WORKSPACE = "wk1"
ADMIN, OTHER_ADMIN = "5001", "5002"
HELD_FOR_S = 60.0


@dataclass(slots=True)
class Truth:
    """What the workspace's admin and the CRM's admin have decided."""

    installation: Installation | None
    account: str
    generation: int = 0
    revoked: bool = False

    @property
    def token(self) -> str:
        return f"{self.account}:{self.generation}"


class SimSettings:
    """One replica's way to settings, with what it holds of its answers."""

    def __init__(self, truth: Truth, tokens: Tokens, wire: Wire, judge: Judge) -> None:
        self._truth = truth
        self._tokens = tokens
        self._wire = wire
        self._judge = judge
        self._loop = asyncio.get_running_loop()
        self._held: tuple[float, Installation | None] | None = None
        self._held_access: tuple[float, CrmAccess] | None = None
        self._changes = 0

    def forget(self, _: str) -> None:
        self._changes += 1
        self._held = self._held_access = None

    async def installation(
        self, workspace_id: str, app: str, *, fresh: bool = False
    ) -> Installation | None:
        if not fresh and self._held is not None and self._held[0] > self._loop.time():
            return self._held[1]
        until, changes = self._loop.time() + HELD_FOR_S, self._changes
        value = await self._wire.settings(lambda: self._truth.installation)
        if changes == self._changes:
            self._held = until, value
        if fresh:
            self._judge.looked(value)
        return value

    async def crm_access(
        self, workspace_id: str, app: str, *, rejected: str | None = None
    ) -> CrmAccess:
        held = self._held_access
        if rejected is None and held is not None and held[0] > self._loop.time():
            return held[1]

        def work() -> CrmAccess:
            truth = self._truth
            if truth.installation is None:
                raise Gone
            if truth.revoked:
                raise ReconnectNeeded("reconnect_needed")
            if rejected == truth.token:
                self._tokens.refused.add(truth.token)
                truth.generation += 1
            expires_at = instant(self._loop.time()) + timedelta(hours=1)
            return CrmAccess(truth.token, "https://crm", truth.account, "9", expires_at)

        until, changes = self._loop.time() + HELD_FOR_S, self._changes
        access = await self._wire.settings(work)
        if changes == self._changes:
            self._held_access = until, access
        return access

    async def intercom_access(
        self, workspace_id: str, *, rejected: str | None = None
    ) -> IntercomAccess:
        return IntercomAccess("t", "https://api.intercom.io", "https://app.intercom.com", WORKSPACE)


@dataclass(slots=True)
class Talk:
    """One conversation as people see it."""

    id: str
    email: str
    messages: list[Message] = field(default_factory=list)
    shown_at: list[float] = field(default_factory=list)  # when the API shows each message
    assignee: str | None = ADMIN
    gone: bool = False


class SimIntercom:
    """One replica's way to Intercom."""

    def __init__(self, talks: dict[str, Talk], wire: Wire, judge: Judge) -> None:
        self._talks = talks
        self._wire = wire
        self._judge = judge
        self._loop = asyncio.get_running_loop()

    async def teammate_email(
        self, access: IntercomAccess, teammate_id: str, deadline: timedelta
    ) -> str | None:
        return await self._wire.read(lambda: f"{teammate_id}@example.org")

    async def conversation(
        self, access: IntercomAccess, conversation_id: str, deadline: timedelta
    ) -> Conversation:
        def work() -> Conversation:
            talk, now = self._talks[conversation_id], self._loop.time()
            if talk.gone:
                raise Gone
            said = zip(talk.messages, talk.shown_at, strict=True)
            shown = tuple(message for message, shown_at in said if shown_at <= now)
            return Conversation(
                WORKSPACE,
                talk.id,
                "conversation",
                shown,
                0,
                talk.assignee,
                False,
                (talk.id,),
                EPOCH + timedelta(seconds=int(now)),
            )

        read = await self._wire.read(work)
        self._judge.read(read)
        return read

    async def contact(
        self, access: IntercomAccess, contact_id: str, deadline: timedelta
    ) -> Contact:
        talk = self._talks[contact_id]
        return await self._wire.read(lambda: Contact(contact_id, (talk.email,), ()))


Link = Callable[[IntercomAccess, str], str]


def link(access: IntercomAccess, conversation_id: str) -> str:
    return f"{access.link_base}/a/inbox/{access.workspace_id}/conversation/{conversation_id}"
