"""Reading, changing and judging installations."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from common.clock import Clock
from common.eligibility import Installation
from common.outcomes import Outcome

from settings.domain.installations import AppUser, InstalledApp, Options, Workspace
from settings.domain.judging import Query, reason_against
from settings.ports.faults import NotInstalled
from settings.ports.installations import Change, InstallationStore

OPERATOR = "operator"  # whoever holds the operator's credential


def teammate(teammate_id: str) -> str:
    """A person who is signed in, as the audit trail names them."""
    return f"teammate:{teammate_id}"


@dataclass(frozen=True, slots=True)
class Installations:
    store: InstallationStore
    clock: Clock

    async def installation(self, workspace_id: str, app: str) -> Installation:
        found = (await self.store.installations([(workspace_id, app)])).get((workspace_id, app))
        if found is None:
            raise NotInstalled
        return found

    async def those_installed(self, keys: Sequence[tuple[str, str]]) -> list[Installation | None]:
        """Of each workspace and app, by one look at the database; None: not installed."""
        found = await self.store.installations(keys)
        return [found.get(key) for key in keys]

    async def judge(self, queries: Sequence[Query]) -> list[Outcome | None]:
        """The reason against each, None for eligible, all by one look at the database."""
        keys = [(query.workspace_id, query.app) for query in queries]
        found = await self.store.installations(keys)
        return [
            reason_against(query, found.get((query.workspace_id, query.app))) for query in queries
        ]

    async def workspaces(self, after: str = "", limit: int | None = None) -> list[Workspace]:
        """By id, from behind this one on; None: all."""
        return await self.store.workspaces(after, limit)

    async def apps(self, workspace_id: str) -> list[InstalledApp]:
        return await self.store.apps(workspace_id)

    async def workspace(self, workspace_id: str) -> Workspace:
        return await self.store.workspace(workspace_id)

    async def app(self, workspace_id: str, app: str) -> InstalledApp:
        return await self.store.app(workspace_id, app)

    async def set_transcript_sync(
        self, workspace_id: str, app: str, on: bool, by: str
    ) -> InstalledApp:
        await self.store.set_transcript_sync(workspace_id, app, on, self._change(by))
        return await self.store.app(workspace_id, app)

    async def set_app_users(
        self, workspace_id: str, app: str, users: Sequence[AppUser], by: str
    ) -> InstalledApp:
        await self.store.set_app_users(workspace_id, app, users, self._change(by))
        return await self.store.app(workspace_id, app)

    async def set_options(
        self, workspace_id: str, app: str, options: Options, by: str
    ) -> InstalledApp:
        await self.store.set_options(workspace_id, app, options, self._change(by))
        return await self.store.app(workspace_id, app)

    async def set_admin(self, workspace_id: str, teammate_id: str, by: str) -> None:
        """Hand the admin's role on."""
        await self.store.set_admin(workspace_id, teammate_id, self._change(by))

    async def uninstall(self, workspace_id: str, app: str, by: str) -> None:
        await self.store.uninstall(workspace_id, app, self._change(by))

    async def forget(self, workspace_id: str, by: str) -> dict[str, int]:
        """Delete all that is kept of a workspace; how many rows of what."""
        return await self.store.forget(workspace_id, self._change(by))

    async def sync_now(
        self, workspace_id: str, conversation_id: str, app: str | None, by: str
    ) -> str:
        """Ask for a look at this conversation; the id by which a repeat is recognised."""
        action_id = str(uuid4())
        await self.store.request_sync(
            workspace_id, conversation_id, app, action_id, self._change(by)
        )
        return action_id

    def _change(self, by: str) -> Change:
        return Change(by, self.clock.now())
