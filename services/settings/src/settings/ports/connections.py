"""Tokens and authorizations as they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from settings.domain.authorizations import Authorization
from settings.domain.installations import (
    Connecting,
    ConnectionState,
    Workspace,
)
from settings.domain.tokens import Tokens
from settings.ports.installations import Change


@dataclass(frozen=True, slots=True)
class CrmGrant:
    """What a completed authorization gave us in one CRM account."""

    tokens: Tokens
    account_id: str
    user_id: str | None  # our connection's own user there
    api_base: str
    warning: str | None = None  # a sentence for the admin: connected, but something is amiss


@dataclass(frozen=True, slots=True)
class CrmConnection(CrmGrant):
    state: ConnectionState = field(kw_only=True)
    token_version: int = field(
        kw_only=True
    )  # grows with each stored pair: tells a newer pair from the one that was read


@dataclass(frozen=True, slots=True)
class IntercomMe:
    """The workspace behind a token, and who authorised it."""

    workspace_id: str
    region: str
    name: str
    time_zone: str
    admin_id: str


@dataclass(frozen=True, slots=True)
class IntercomConnection:
    workspace: Workspace
    access_token: str

    def __repr__(self) -> str:
        return f"IntercomConnection(workspace={self.workspace.id!r})"


class ConnectionStore(Protocol):
    """Tokens, encrypted at rest, and the lease under which one of all replicas refreshes them."""

    async def save_workspace(self, me: IntercomMe, access_token: str, change: Change) -> str:
        """Create the workspace, or renew its token; returns the workspace's admin id."""
        ...

    async def connect(
        self, workspace_id: str, app: str, grant: CrmGrant, change: Change
    ) -> Connecting:
        """Create, recreate or reconnect the installation."""
        ...

    async def crm_connection(self, workspace_id: str, app: str) -> CrmConnection: ...

    async def connected_to(
        self, apps: Sequence[str], account_id: str, user_id: str | None = None
    ) -> list[tuple[str, str]]:
        """Workspace and app of every connection to that account (and user) of that CRM's apps."""
        ...

    async def obtained_before(self, before: datetime) -> list[tuple[str, str]]:
        """Workspace and app of connections that work, with an older pair; the oldest first."""
        ...

    async def claim_refresh(
        self, workspace_id: str, app: str, claimant: str, lease: timedelta
    ) -> CrmConnection | None:
        """The connection as it is now, with the lease ours; None while somebody else holds it."""
        ...

    async def save_refreshed(
        self, workspace_id: str, app: str, claimant: str, seen_version: int, tokens: Tokens
    ) -> bool:
        """Store the pair and give the lease back; False where a newer pair is stored already.

        It does not ask whether the lease still stands: a rotating CRM has dropped the old refresh
        token, so a late answer is the only living one.
        """
        ...

    async def release_refresh(self, workspace_id: str, app: str, claimant: str) -> None: ...

    async def mark_crm_dead(
        self, workspace_id: str, app: str, claimant: str, seen_version: int, change: Change
    ) -> None:
        """Ask for a reconnect, if the pair that was refused is still the stored one."""
        ...

    async def intercom_connection(self, workspace_id: str) -> IntercomConnection: ...

    async def mark_intercom_dead(
        self, workspace_id: str, refused_token: str, change: Change
    ) -> None: ...


class AuthorizationStore(Protocol):
    async def keep(self, state: str, authorization: Authorization) -> None: ...

    async def take(self, state: str) -> Authorization | None:
        """The authorization, which can never be taken again, expired or not."""
        ...
