"""Teammates' names, for people who look: asked of Intercom, held in memory for 10 minutes (R11)."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from common import log

from settings.domain.tokens import token_hash
from settings.handlers.access import Access, ReconnectNeeded
from settings.ports.faults import GrantRefused, VendorUnavailable
from settings.ports.vendors import IntercomVendor

_log = log.get(__name__)

HELD_FOR_S = 600.0
_AWAY_FOR_S = 15.0  # a page must not wait for Intercom again and again
_MOST_WORKSPACES = 1_000


@dataclass(frozen=True, slots=True)
class Teammates:
    """Names by Intercom id; `known` is False where Intercom could not be asked."""

    names: Mapping[str, str]
    known: bool = True

    def name_of(self, teammate_id: str) -> str:
        return self.names.get(teammate_id) or f"teammate {teammate_id}"


@dataclass(slots=True)
class TeammateNames:
    access: Access
    intercom: IntercomVendor
    monotonic: Callable[[], float] = time.monotonic
    _held: dict[str, tuple[float, Teammates]] = field(default_factory=dict, init=False)
    _asking: dict[str, asyncio.Lock] = field(default_factory=dict, init=False)

    async def of(self, workspace_id: str) -> Teammates:
        async with self._asking.setdefault(workspace_id, asyncio.Lock()):
            until, held = self._held.get(workspace_id, (0.0, Teammates({}, known=False)))
            if self.monotonic() < until:
                return held
            try:
                found = Teammates(await self._ask(workspace_id))
                until = self.monotonic() + HELD_FOR_S
            except (VendorUnavailable, ReconnectNeeded, GrantRefused) as error:
                _log.warning(
                    "teammates.unknown", workspace=workspace_id, error=type(error).__name__
                )
                found, until = Teammates({}, known=False), self.monotonic() + _AWAY_FOR_S
            if len(self._held) >= _MOST_WORKSPACES:
                self._held.clear()
                self._asking.clear()
            self._held[workspace_id] = until, found
            return found

    async def address_of(self, workspace_id: str, teammate_id: str) -> str | None:
        """Asked of Intercom each time. Raises VendorUnavailable, ReconnectNeeded."""
        connection = await self.access.intercom_workspace(workspace_id, None, "settings")
        token, region = connection.access_token, connection.workspace.region
        try:
            return await self.intercom.address_of(token, region, teammate_id)
        except GrantRefused:
            await self.access.intercom_workspace(workspace_id, token_hash(token), "settings")
            raise VendorUnavailable("token_refused") from None

    def forget(self, workspace_id: str) -> None:
        """Ask again at the next look: the workspace was connected anew."""
        self._held.pop(workspace_id, None)

    async def _ask(self, workspace_id: str) -> dict[str, str]:
        connection = await self.access.intercom_workspace(workspace_id, None, "settings")
        token, region = connection.access_token, connection.workspace.region
        try:
            return await self.intercom.teammates(token, region)
        except GrantRefused:
            # Notes a revoked consent, so that the page says that a reconnect is needed.
            await self.access.intercom_workspace(workspace_id, token_hash(token), "settings")
            raise
