"""Tells admins what they should know, once for each matter, by every way that is configured."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from common import log
from common.health import Loop
from prometheus_client import Counter

from settings.domain.installations import Workspace
from settings.handlers.access import ReconnectNeeded
from settings.handlers.history import History
from settings.ports.faults import NotTold, StoreUnavailable, VendorUnavailable
from settings.ports.people import Notice, NoticeStore, Teller

_log = log.get(__name__)

_told = Counter("lull_settings_notices_total", "Notices to admins", ["by", "result"])


@dataclass(frozen=True, slots=True)
class Telling:
    store: NoticeStore
    history: History
    tellers: Sequence[Teller]
    every_s: float

    async def run(self, stop: asyncio.Event, loop: Loop) -> None:
        while not stop.is_set():
            loop.beat()
            with contextlib.suppress(StoreUnavailable):  # the next round looks again
                async with self.store.turn() as ours:
                    if ours:
                        await self._round(stop, loop)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self.every_s)

    async def _round(self, stop: asyncio.Event, loop: Loop) -> None:
        for workspace in await self.history.installations.workspaces():
            if stop.is_set():
                return
            loop.beat()
            await self._look_after(workspace)

    async def _look_after(self, workspace: Workspace) -> None:
        matters = await self.history.attention(workspace)
        now = self.history.clock.now()
        for notice in await self.store.keep(workspace, matters, now):
            for teller in self.tellers:
                if teller.name not in notice.told_by:
                    await self._tell(teller, notice)

    async def _tell(self, teller: Teller, notice: Notice) -> None:
        about = {"workspace": notice.workspace.id, "matter": notice.attention.matter}
        try:
            await teller.tell(notice)
        except (NotTold, VendorUnavailable, ReconnectNeeded) as error:
            _told.labels(teller.name, "failed").inc()
            _log.warning("notice.not_told", **about, by=teller.name, why=type(error).__name__)
            return
        await self.store.told(notice, teller.name)
        _told.labels(teller.name, "told").inc()
        _log.info("notice.told", **about, by=teller.name)
