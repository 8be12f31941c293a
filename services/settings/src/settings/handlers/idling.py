"""Refreshing what nobody asks for: vendors end refresh tokens that lie unused.

Keap's die after 45 days and Pipedrive's after 60; its staff ask for a refresh every 30 days. A
workspace without a conversation for so long would have to be connected again, for no fault of its
own. So a pair that is three weeks old is exchanged for a new one, whatever the vendor.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from common import log
from common.clock import Clock
from common.health import Loop

from settings.handlers.access import Access, ReconnectNeeded
from settings.ports.connections import ConnectionStore
from settings.ports.faults import NotInstalled, StoreUnavailable, VendorUnavailable

IDLE_AFTER: Final = timedelta(days=21)
AGAIN_AFTER: Final = timedelta(hours=1)  # where a vendor could not answer
_LOOK_EVERY_S: Final = 5.0

_log = log.get(__name__)


@dataclass(slots=True)
class Idle:
    store: ConnectionStore
    access: Access
    clock: Clock
    _again_at: dict[tuple[str, str], datetime] = field(default_factory=dict, init=False)

    async def run(self, loop: Loop, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.refresh(loop.beat)
            loop.beat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _LOOK_EVERY_S)

    async def refresh(self, beat: Callable[[], None] = lambda: None) -> None:
        """All that lie idle, one after the other; all replicas may look at once."""
        now = self.clock.now()
        try:
            idle = await self.store.obtained_before(now - IDLE_AFTER)
        except StoreUnavailable:
            return  # /readyz says so
        self._again_at = {key: at for key, at in self._again_at.items() if key in idle}
        for key in idle:
            if self._again_at.get(key, now) > now:
                continue
            self._again_at[key] = now + AGAIN_AFTER
            await self._refresh(*key)
            beat()

    async def _refresh(self, workspace_id: str, app: str) -> None:
        try:
            await self.access.crm(workspace_id, app, None, "settings")
        except (ReconnectNeeded, VendorUnavailable, NotInstalled, StoreUnavailable) as error:
            why = type(error).__name__
            _log.info("idle.not_refreshed", workspace=workspace_id, app=app, why=why)
        else:
            _log.info("idle.refreshed", workspace=workspace_id, app=app)
