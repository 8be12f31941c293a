"""Signing in with Intercom: a browser's session, begun before it leaves, renewed on return.

Intercom vouches for who the person is and of which workspace; we have no password and keep no name.
One browser may be signed in to several workspaces, each by a sign-in of its own.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta

from common import log
from common.clock import Clock

from settings.domain.authorizations import Browser, Purpose
from settings.domain.sessions import Lifetimes, Session, session_key
from settings.handlers.connecting import Callback, Connections
from settings.ports.faults import UnknownWorkspace
from settings.ports.installations import InstallationStore
from settings.ports.people import SessionStore

_log = log.get(__name__)

_NOTED_EVERY = timedelta(minutes=1)  # a page seen within a minute is not worth a write


@dataclass(frozen=True, slots=True)
class Leaving:
    """Where the browser goes, and the id it is to keep meanwhile (None: the one it has)."""

    url: str
    session_id: str | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    session_id: str  # a new one: nobody can have planted it
    workspace_id: str


@dataclass(frozen=True, slots=True)
class NotInstalledYet:
    """Intercom vouches for the person, but we were never let into their workspace."""

    workspace_name: str


@dataclass(frozen=True, slots=True)
class WorkspaceKept:
    """The operator had started it: the workspace is connected, and nobody is signed in by it."""

    workspace_id: str


@dataclass(frozen=True, slots=True)
class SignIn:
    sessions: SessionStore
    connections: Connections
    installations: InstallationStore
    lifetimes: Lifetimes
    clock: Clock

    async def session(self, session_id: str | None) -> Session | None:
        """The living session of this id."""
        if not session_id:
            return None
        found = await self.sessions.find(session_key(session_id))
        now = self.clock.now()
        if found is None:
            return None
        if found.is_over(now, self.lifetimes):
            await self.sessions.end(found.key)
            return None
        if now - found.seen_at >= _NOTED_EVERY:
            await self.sessions.seen(found.key, now)
        return found

    async def leave(self, session: Session | None, purpose: Purpose) -> Leaving:
        """Send the browser to Intercom, with a state that only this browser can bring back."""
        session_id = None
        if session is None:
            session_id = secrets.token_urlsafe(32)
            now = self.clock.now()
            session = Session(session_key(session_id), now, now, {})
            await self.sessions.create(session, replaces=None)
        url = await self.connections.authorize_workspace(purpose, Browser(session.key))
        return Leaving(url, session_id)

    async def come_back(
        self, session: Session | None, callback: Callback
    ) -> SignedIn | NotInstalledYet | WorkspaceKept:
        """Raises AuthorizationRefused."""
        found = await self.connections.identify(callback, session.key if session else None)
        me = found.me
        if not found.in_browser or session is None:
            await self.connections.keep_workspace(found)
            return WorkspaceKept(me.workspace_id)
        admin_id = await self._admin_of(me.workspace_id)
        if admin_id is None and found.purpose is Purpose.SIGN_IN:
            return NotInstalledYet(me.name)
        # Whoever installs first becomes the admin; later only the admin's consent renews ours.
        if found.purpose is Purpose.INSTALL and admin_id in (None, me.admin_id):
            await self.connections.keep_workspace(found)
        session_id = secrets.token_urlsafe(32)
        now = self.clock.now()
        renewed = replace(
            session,
            key=session_key(session_id),
            # A further workspace does not prolong what an earlier sign-in began.
            created_at=session.created_at if session.signed_in else now,
            seen_at=now,
            teammates=session.teammates | {me.workspace_id: me.admin_id},
        )
        await self.sessions.create(renewed, replaces=session.key)
        _log.info("session.began", workspace=me.workspace_id, teammate=me.admin_id)
        return SignedIn(session_id, me.workspace_id)

    async def end(self, session: Session) -> None:
        await self.sessions.end(session.key)
        _log.info("session.ended", workspaces=sorted(session.teammates))

    async def _admin_of(self, workspace_id: str) -> str | None:
        try:
            return (await self.installations.workspace(workspace_id)).admin_id
        except UnknownWorkspace:
            return None
