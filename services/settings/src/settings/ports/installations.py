"""Installations as they are stored, and the trail of who changed what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from common.eligibility import Installation

from settings.domain.installations import (
    AppUser,
    InstalledApp,
    Options,
    Workspace,
)


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes something, and when: what the audit trail keeps of it."""

    actor: str  # `operator`, `teammate:<id>`, `caller:<name>` or `settings`
    at: datetime


class InstallationStore(Protocol):
    """Each change is one transaction with its audit row and, where consumers must know, its event.

    Changes raise NotInstalled or UnknownWorkspace; setting what is set already changes nothing.
    """

    async def installations(
        self, keys: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Installation]:
        """As they are now; there may be others beside those that were asked for."""
        ...

    async def workspaces(self, after: str = "", limit: int | None = None) -> list[Workspace]:
        """By id, from behind this one on; None: all."""
        ...

    async def workspace(self, workspace_id: str) -> Workspace: ...

    async def apps(self, workspace_id: str) -> list[InstalledApp]: ...

    async def app(self, workspace_id: str, app: str) -> InstalledApp: ...

    async def set_transcript_sync(
        self, workspace_id: str, app: str, on: bool, change: Change
    ) -> None: ...

    async def set_app_users(
        self, workspace_id: str, app: str, users: Sequence[AppUser], change: Change
    ) -> None: ...

    async def set_options(
        self, workspace_id: str, app: str, options: Options, change: Change
    ) -> None: ...

    async def set_admin(self, workspace_id: str, teammate_id: str, change: Change) -> None: ...

    async def uninstall(self, workspace_id: str, app: str, change: Change) -> None: ...

    async def forget(self, workspace_id: str, change: Change) -> dict[str, int]:
        """Delete all that is kept of a workspace but its audit trail; how many rows of what."""
        ...

    async def request_sync(
        self,
        workspace_id: str,
        conversation_id: str,
        app: str | None,
        action_id: str,
        change: Change,
    ) -> None: ...

    async def note_asked(
        self, workspace_id: str, app: str | None, action: str, change: Change, **detail: Any
    ) -> None:
        """Keep in the audit trail what another service is about to be asked."""
        ...


@dataclass(frozen=True, slots=True)
class AuditRow:
    id: int
    at: datetime
    actor: str
    action: str
    app: str | None
    detail: Mapping[str, Any]


class AuditStore(Protocol):
    async def page(self, workspace_id: str, before: int | None, limit: int) -> list[AuditRow]:
        """Newest first; `before` is the id where the page before ended."""
        ...
