"""settings and Intercom, as a replica sees them; the truth behind them is the world's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from common.eligibility import Installation

from delivery.domain.conversation import Contact, Conversation, Message
from delivery.ports import CrmAccess, Gone, IntercomAccess, ReconnectNeeded, TokenRejected
from delivery.simulation.crm import Tokens
from delivery.simulation.judge import Judge
from delivery.simulation.store import US
from delivery.simulation.time import EPOCH, instant
from delivery.simulation.wire import Wire

WORKSPACE = "wk1"
ADMIN, OTHER_ADMIN = "5001", "5002"
HELD_FOR_S = 60.0


@dataclass(slots=True)
class Connection:
    """One app's way into a CRM account."""

    app: str
    installation: Installation | None
    account: str
    generation: int = 0
    user: str = US[0]  # as whom the CRM was connected
    revoked: bool = False

    @property
    def token(self) -> str:
        return f"{self.app}:{self.account}:{self.generation}"


@dataclass(slots=True)
class Truth:
    """What the admins of the workspace, of Intercom and of the CRM have decided."""

    connections: dict[str, Connection]  # by app
    intercom: int = 0  # generation of the workspace's token
    intercom_expired: bool = False
    intercom_revoked: bool = False

    @property
    def account(self) -> str:
        """Where most is going on."""
        return next(iter(self.connections.values())).account

    def connected(self, account: str) -> bool:
        return any(
            connection.installation is not None and connection.account == account
            for connection in self.connections.values()
        )


class SimSettings:
    """One replica's way to settings, with what it holds of its answers."""

    def __init__(self, truth: Truth, tokens: Tokens, wire: Wire, judge: Judge) -> None:
        self._truth = truth
        self._tokens = tokens
        self._wire = wire
        self._judge = judge
        self._loop = asyncio.get_running_loop()
        self._held: dict[tuple[str, str], tuple[float, Any]] = {}
        self._changes = 0

    def forget(self, _: str) -> None:
        self._changes += 1
        self._held.clear()

    async def _kept(self, place: tuple[str, str], ask: Callable[[], Any], *, fresh: bool) -> Any:
        held = self._held.get(place)
        if not fresh and held is not None and held[0] > self._loop.time():
            return held[1]
        until, changes = self._loop.time() + HELD_FOR_S, self._changes
        value = await self._wire.settings(ask)
        if changes == self._changes:
            self._held[place] = until, value
        return value

    async def installation(
        self, workspace_id: str, app: str, *, fresh: bool = False
    ) -> Installation | None:
        value: Installation | None = await self._kept(
            ("installation", app), lambda: self._truth.connections[app].installation, fresh=fresh
        )
        if fresh:
            self._judge.looked(app, value)
        return value

    async def crm_access(
        self, workspace_id: str, app: str, *, rejected: str | None = None
    ) -> CrmAccess:
        def work() -> CrmAccess:
            connection = self._truth.connections[app]
            if connection.installation is None:
                raise Gone
            if connection.revoked:
                raise ReconnectNeeded("reconnect_needed")
            if rejected == connection.token:
                self._tokens.refused.add(connection.token)
                connection.generation += 1
            expires_at = instant(self._loop.time()) + timedelta(hours=1)
            return CrmAccess(
                connection.token, "https://crm", connection.account, connection.user, expires_at
            )

        access: CrmAccess = await self._kept(("crm", app), work, fresh=rejected is not None)
        return access

    async def intercom_access(
        self, workspace_id: str, *, rejected: str | None = None
    ) -> IntercomAccess:
        def work() -> IntercomAccess:
            truth = self._truth
            if truth.intercom_revoked:
                raise ReconnectNeeded("intercom_reconnect_needed")
            if rejected == str(truth.intercom):
                truth.intercom += 1
                truth.intercom_expired = False
            token = str(truth.intercom)
            return IntercomAccess(token, "https://api", "https://app.intercom.com", WORKSPACE)

        fresh = rejected is not None
        access: IntercomAccess = await self._kept(("intercom", ""), work, fresh=fresh)
        return access


@dataclass(slots=True)
class Talk:
    """One conversation as people see it."""

    id: str
    email: str
    messages: list[Message] = field(default_factory=list)
    shown_at: list[float] = field(default_factory=list)  # when the API shows each message
    assignee: str | None = ADMIN
    gone: bool = False
    removed: list[tuple[float, str]] = field(default_factory=list)  # when, and what was said


class SimIntercom:
    """One replica's way to Intercom."""

    def __init__(self, talks: dict[str, Talk], truth: Truth, wire: Wire, judge: Judge) -> None:
        self._talks = talks
        self._truth = truth
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
            self._admit(access)
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
        def work() -> Contact:
            self._admit(access)
            return Contact(contact_id, (self._talks[contact_id].email,), ())

        return await self._wire.read(work)

    def _admit(self, access: IntercomAccess) -> None:
        truth = self._truth
        current = access.access_token == str(truth.intercom) and not truth.intercom_expired
        if truth.intercom_revoked or not current:
            raise TokenRejected("http_401")


Link = Callable[[IntercomAccess, str], str]


def link(access: IntercomAccess, conversation_id: str) -> str:
    return f"{access.link_base}/a/inbox/{access.workspace_id}/conversation/{conversation_id}"
