"""Reading, changing and judging installations."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from common.clock import Clock
from common.eligibility import Installation
from common.outcomes import Outcome

from settings.domain.installations import AppUser, InstalledApp, Options, Workspace
from settings.domain.judging import Query, reason_against
from settings.ports import Change, InstallationStore, NotInstalled

OPERATOR = "operator"  # until people sign in, the one who holds the operator's credential


@dataclass(frozen=True, slots=True)
class Installations:
    store: InstallationStore
    clock: Clock

    async def installation(self, workspace_id: str, app: str) -> Installation:
        found = await self.store.installations([(workspace_id, app)])
        if not found:
            raise NotInstalled
        return found[workspace_id, app]

    async def judge(self, queries: Sequence[Query]) -> list[Outcome | None]:
        """The reason against each, None for eligible, all by one look at the database."""
        keys = {(query.workspace_id, query.app) for query in queries}
        found = await self.store.installations(sorted(keys))
        return [
            reason_against(query, found.get((query.workspace_id, query.app))) for query in queries
        ]

    async def workspaces(self) -> list[Workspace]:
        return await self.store.workspaces()

    async def apps(self, workspace_id: str) -> list[InstalledApp]:
        return await self.store.apps(workspace_id)

    async def set_transcript_sync(self, workspace_id: str, app: str, on: bool) -> InstalledApp:
        await self.store.set_transcript_sync(workspace_id, app, on, self._change())
        return await self.store.app(workspace_id, app)

    async def set_app_users(
        self, workspace_id: str, app: str, users: Sequence[AppUser]
    ) -> InstalledApp:
        await self.store.set_app_users(workspace_id, app, users, self._change())
        return await self.store.app(workspace_id, app)

    async def set_options(self, workspace_id: str, app: str, options: Options) -> InstalledApp:
        await self.store.set_options(workspace_id, app, options, self._change())
        return await self.store.app(workspace_id, app)

    async def uninstall(self, workspace_id: str, app: str) -> None:
        await self.store.uninstall(workspace_id, app, self._change())

    async def sync_now(self, workspace_id: str, conversation_id: str, app: str | None) -> str:
        """Ask for a look at this conversation; the id by which a repeat is recognised."""
        action_id = str(uuid4())
        await self.store.request_sync(workspace_id, conversation_id, app, action_id, self._change())
        return action_id

    def _change(self) -> Change:
        return Change(OPERATOR, self.clock.now())
