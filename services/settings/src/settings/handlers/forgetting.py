"""Forgetting a workspace, or a contact's conversations: here, and in delivery's ledger.

The notes in the CRM stay, they are the customer's; so does the audit trail, of ids and times alone.
"""

from collections import Counter
from dataclasses import dataclass

from common import log
from common.catalog import APPS, apps_of
from common.clock import Clock

from settings.handlers.installations import Installations
from settings.handlers.leaving import Leaving
from settings.ports.history import Deliveries, HistoryStore
from settings.ports.installations import Change

_log = log.get(__name__)

_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Record:
    """Somebody's record in the CRM of an app."""

    app: str
    person_id: str


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Both may be repeated: where delivery does not answer, they raise PeerUnavailable."""

    leaving: Leaving
    installations: Installations
    history: HistoryStore
    deliveries: Deliveries
    clock: Clock

    async def workspace(self, workspace_id: str, by: str) -> dict[str, int]:
        """Delete all that is kept of a workspace; how many rows of what."""
        apps = await self.installations.apps(workspace_id)
        for installed in apps:
            await self.leaving.uninstall(workspace_id, installed.app, by)
        # Before the rest goes, so that whoever asked can ask again if this fails.
        there = await self.deliveries.forget(workspace_id)
        here = await self.installations.forget(workspace_id, by)
        gone = {  # with the uninstall
            "connections": len(apps),
            "app_users": sum(len(installed.app_users) for installed in apps),
        }
        return here | gone | dict(there)

    async def contact(
        self, workspace_id: str, conversation_id: str | None, record: Record | None, by: str
    ) -> dict[str, int]:
        """Delete all that is kept of a conversation, and of those with this record."""
        ids = {conversation_id} if conversation_id else set()
        there = None
        if record is not None:
            crm = APPS[record.app].crm
            apps = [app.key for app in apps_of(crm)]
            there = crm, record.person_id
            ids |= set(await self.history.conversations_of(workspace_id, apps, record.person_id))
        deleted: Counter[str] = Counter()
        found = set(ids)
        known = sorted(ids)
        for start in range(0, max(1, len(known)), _AT_ONCE):
            batch = known[start : start + _AT_ONCE]
            forgotten = await self.deliveries.forget_contact(workspace_id, batch, there)
            deleted.update(forgotten.deleted)
            found |= set(forgotten.conversation_ids)
            there = None  # once is enough
        now = self.clock.now()
        deleted["history"] = await self.history.forget_conversations(
            workspace_id, sorted(found), now
        )
        result = {"conversations": len(found)} | dict(deleted)
        change = Change(by, now)
        app = record.app if record else None
        await self.installations.store.note_asked(
            workspace_id, app, "contact_forgotten", change, **result
        )
        _log.info("contact.forgotten", workspace=workspace_id, **result)
        return result
