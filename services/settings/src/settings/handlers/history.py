"""What became of conversations and what waits, put together for the console."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from common import log
from common.clock import Clock
from common.health import Loop
from common.peers import PeerUnavailable
from common.topics import OUTCOMES_KEPT_DAYS

from settings.domain.attention import Attention, attention
from settings.domain.history import AppSummary, Entry, Filter, Place
from settings.domain.installations import Workspace
from settings.handlers.installations import Installations
from settings.ports.faults import StoreUnavailable
from settings.ports.history import Deliveries, HistoryStore, Pending, Preview, Waiting

_log = log.get(__name__)

_SWEEP_EVERY_S = 600.0
# So long what was decided may still be read, if everything is read anew.
_REPORTED_WITHIN = timedelta(days=OUTCOMES_KEPT_DAYS + 1)
PAGE = 50


@dataclass(frozen=True, slots=True)
class Overview:
    """What a workspace's admin sees at one look; None: whoever knows it does not answer."""

    last_update_at: datetime | None
    pending: int | None
    apps: Mapping[str, AppSummary]

    def of(self, app: str) -> AppSummary:
        return self.apps.get(app, AppSummary())


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one conversation stands right now."""

    due_at: datetime | None  # it waits for quiet until then
    waiting: list[Waiting]
    told_all: bool  # False: somebody who would know more does not answer


@dataclass(frozen=True, slots=True)
class History:
    store: HistoryStore
    pending: Pending
    deliveries: Deliveries
    installations: Installations
    clock: Clock

    async def overview(self, workspace: Workspace) -> Overview:
        today = day_began(self.clock.now(), workspace.time_zone)
        return Overview(
            await self.store.last_update_received(workspace.id),
            await self.count_pending(workspace.id),
            await self.store.summary(workspace.id, today),
        )

    async def attention(self, workspace: Workspace) -> list[Attention]:
        """What the admin should know without asking."""
        now = self.clock.now()
        return attention(
            workspace,
            await self.installations.apps(workspace.id),
            await self.store.lately(workspace.id, now),
            await self.store.last_update_received(workspace.id),
            now,
        )

    async def count_pending(self, workspace_id: str) -> int | None:
        try:
            return await self.pending.count(workspace_id)
        except PeerUnavailable:
            return None

    async def page(
        self, workspace_id: str, wanted: Filter, after: Place | None
    ) -> tuple[list[Entry], Place | None]:
        """The entries, newest first, and where the next page begins."""
        found = await self.store.page(workspace_id, wanted, after, PAGE + 1)
        if len(found) <= PAGE:
            return found, None
        last = found[PAGE - 1]
        return found[:PAGE], Place(last.decided_at, last.outcome_id)

    async def standing(self, workspace_id: str, conversation_id: str) -> Standing:
        told_all, due_at, waiting = True, None, []
        try:
            due_at = await self.pending.due_at(workspace_id, conversation_id)
        except PeerUnavailable:
            told_all = False
        try:
            waiting = await self.deliveries.waiting(workspace_id, conversation_id)
        except PeerUnavailable:
            told_all = False
        return Standing(due_at, waiting, told_all)

    async def preview(self, workspace_id: str, conversation_id: str, app: str) -> Preview | None:
        """What would become of it; None: it cannot be told now."""
        try:
            return await self.deliveries.preview(workspace_id, conversation_id, app)
        except PeerUnavailable:
            return None


def day_began(now: datetime, zone: str) -> datetime:
    """Midnight in this zone, at or before `now`."""
    local = now.astimezone(ZoneInfo(zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


async def sweep(history: History, kept_for: timedelta, loop: Loop, stop: asyncio.Event) -> None:
    """Delete what is older than it is kept for, now and then."""
    while not stop.is_set():
        loop.beat()
        with contextlib.suppress(StoreUnavailable):  # the next time round finds it again
            now = history.clock.now()
            deleted = await history.store.forget_before(now - kept_for, now - _REPORTED_WITHIN)
            if deleted:
                _log.info("history.forgotten", entries=deleted)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _SWEEP_EVERY_S)
