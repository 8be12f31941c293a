"""What comes in of a workspace in the very moment in which it is forgotten goes as well.

settings has the ledger's rows deleted, but an event may be under way that was let in before, by an
answer of settings from then: its row is written after the others went. So every replica that hears
of a workspace forgotten deletes what there is of it, at once and once more when nothing can be
under way any longer. The topic keeps that word, so a replica that was down hears it when it starts.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from common import log
from common.catalog import APPS, apps_of
from common.events import SettingsChanged
from common.health import Loop

from delivery.ports import LedgerAway, RetryLater, SettingsPort

_log = log.get(__name__)

# An event is handled within a minute or read again, and then judged by what settings says now.
LATE_S = 120.0
_LOOK_EVERY_S = 1.0


class LeftoverStore(Protocol):
    """Raises LedgerAway."""

    async def now(self) -> datetime: ...

    async def delete_leftovers(
        self, workspace_id: str, crm: str, before: datetime
    ) -> Mapping[str, int]:
        """Delete a workspace's older rows of one CRM; how many of what."""
        ...


@dataclass(slots=True)
class Leftovers:
    crms: Collection[str]
    settings: SettingsPort
    store: LeftoverStore
    late_s: float = LATE_S
    _due: dict[tuple[str, str], list[float]] = field(default_factory=dict)  # monotonic

    def heard(self, events: Sequence[SettingsChanged]) -> None:
        now = time.monotonic()
        for event in events:
            app = APPS.get(event.app)
            if event.forgotten and app is not None and app.crm in self.crms:
                self._due[event.workspace_id, app.crm] = [now, now + self.late_s]

    async def run(self, stop: asyncio.Event, loop: Loop) -> None:
        while not stop.is_set():
            loop.beat()
            await self.sweep()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_EVERY_S)

    async def sweep(self) -> None:
        """Delete what is due; what cannot be looked at now is due still."""
        for (workspace_id, crm), times in list(self._due.items()):
            if times[0] > time.monotonic():
                continue
            try:
                await self._delete(workspace_id, crm)
            except (LedgerAway, RetryLater):
                continue
            times.pop(0)
            if not times and self._due.get((workspace_id, crm)) is times:
                del self._due[workspace_id, crm]

    async def _delete(self, workspace_id: str, crm: str) -> None:
        # Whatever is installed again by now began after this moment, and stays.
        before = await self.store.now()
        for app in apps_of(crm):
            if await self.settings.installation(workspace_id, app.key, fresh=True) is not None:
                return
        deleted = await self.store.delete_leftovers(workspace_id, crm, before)
        if any(deleted.values()):
            _log.info("delivery.leftovers_forgotten", workspace=workspace_id, crm=crm, **deleted)
