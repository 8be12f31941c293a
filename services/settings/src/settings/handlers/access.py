"""Handing out access tokens that work, refreshed by one caller of all replicas at a time.

Inside a process the callers of one connection share one task; between processes a lease decides.
The task is nobody's request: a caller that hangs up does not cut it off between the vendor's answer
and our commit. That window is the one place where a rotated refresh token can be lost (a crash
there ends in a reconnect), so nothing but encryption stands in it, and while PostgreSQL is away the
new pair is kept in memory and the commit tried again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from common import log
from common.catalog import APPS
from common.clock import Clock
from prometheus_client import Counter

from settings.domain.installations import ConnectionState
from settings.domain.tokens import Tokens, token_hash
from settings.ports.connections import ConnectionStore, CrmConnection, IntercomConnection
from settings.ports.faults import GrantRefused, StoreUnavailable, VendorUnavailable
from settings.ports.installations import Change
from settings.ports.vendors import CrmVendor, IntercomVendor

_log = log.get(__name__)

_LEASE_SLACK = timedelta(seconds=5)  # over the vendor's deadline, for our own statements
_POLL_S = 0.1
_KEEP_TRYING_TO_SAVE_S = 120.0

_refreshes = Counter("lull_settings_token_refreshes_total", "Refreshes", ["crm", "result"])


class ReconnectNeeded(Exception):
    """The customer's consent is gone; the admin must connect again."""


@dataclass(slots=True)
class Access:
    store: ConnectionStore
    intercom: IntercomVendor
    crms: Mapping[str, CrmVendor]
    clock: Clock
    vendor_deadline: timedelta
    _refreshing: dict[tuple[str, str], "asyncio.Task[CrmConnection]"] = field(
        default_factory=dict, init=False
    )

    async def crm(
        self, workspace_id: str, app: str, rejected_hash: str | None, caller: str
    ) -> CrmConnection:
        """A connection whose token is good for another minute.

        Raises:
            NotInstalled, ReconnectNeeded, StoreUnavailable: see each.
            VendorUnavailable: there is no token that works, and none can be had now.

        """
        connection = await self.store.crm_connection(workspace_id, app)
        if not self._must_refresh(connection, rejected_hash):
            return connection
        try:
            return await self._refreshed(workspace_id, app, connection, caller)
        except VendorUnavailable:
            now = self.clock.now()
            if connection.tokens.is_rejected(rejected_hash) or connection.tokens.is_expired(now):
                raise
            return connection  # it still works, only not for long

    async def intercom_workspace(
        self, workspace_id: str, rejected_hash: str | None, caller: str
    ) -> IntercomConnection:
        """The workspace's token, which has no end: a rejected one is asked about before it counts.

        Raises UnknownWorkspace, ReconnectNeeded, StoreUnavailable, VendorUnavailable.
        """
        connection = await self.store.intercom_connection(workspace_id)
        if connection.workspace.intercom is ConnectionState.RECONNECT_NEEDED:
            raise ReconnectNeeded
        if rejected_hash != token_hash(connection.access_token):
            return connection
        try:
            await self.intercom.me(connection.access_token, connection.workspace.region)
        except GrantRefused:
            change = Change(f"caller:{caller}", self.clock.now())
            await self.store.mark_intercom_dead(workspace_id, connection.access_token, change)
            _log.warning("workspace.reconnect_needed", workspace=workspace_id)
            raise ReconnectNeeded from None
        return connection

    async def finish(self) -> None:
        """Wait for refreshes under way, at the end of the service."""
        if self._refreshing:
            await asyncio.wait(
                list(self._refreshing.values()),
                timeout=(self.vendor_deadline + _LEASE_SLACK).total_seconds(),
            )

    def _must_refresh(self, connection: CrmConnection, rejected_hash: str | None) -> bool:
        if connection.state is ConnectionState.RECONNECT_NEEDED:
            raise ReconnectNeeded
        tokens = connection.tokens
        return tokens.is_rejected(rejected_hash) or tokens.is_stale(self.clock.now())

    async def _refreshed(
        self, workspace_id: str, app: str, seen: CrmConnection, caller: str
    ) -> CrmConnection:
        key = (workspace_id, app)
        task = self._refreshing.get(key)
        if task is None:
            task = asyncio.create_task(self._refresh(workspace_id, app, seen, caller))
            self._refreshing[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        deadline = (self.vendor_deadline + _LEASE_SLACK).total_seconds()
        try:
            async with asyncio.timeout(deadline):
                return await asyncio.shield(task)
        except TimeoutError:
            raise VendorUnavailable("refresh_takes_long") from None

    def _forget(self, key: tuple[str, str], done: "asyncio.Task[CrmConnection]") -> None:
        if self._refreshing.get(key) is done:
            del self._refreshing[key]
        if not done.cancelled():
            done.exception()  # every caller may have gone; it has been logged where it arose

    async def _refresh(
        self, workspace_id: str, app: str, seen: CrmConnection, caller: str
    ) -> CrmConnection:
        claimant = uuid4().hex
        lease = self.vendor_deadline + _LEASE_SLACK
        while True:
            claimed = await self.store.claim_refresh(workspace_id, app, claimant, lease)
            if claimed is not None:
                break
            # Another replica is at it, or the app was uninstalled (then this raises).
            connection = await self.store.crm_connection(workspace_id, app)
            if self._is_settled(connection, seen):
                return connection
            await asyncio.sleep(_POLL_S)
        if self._is_settled(claimed, seen):
            await self.store.release_refresh(workspace_id, app, claimant)
            return claimed
        return await self._exchange(workspace_id, app, claimed, claimant, caller)

    def _is_settled(self, now: CrmConnection, seen: CrmConnection) -> bool:
        """Somebody else has refreshed, or found out that it cannot be done."""
        if now.state is ConnectionState.RECONNECT_NEEDED:
            raise ReconnectNeeded
        return now.token_version != seen.token_version

    async def _exchange(
        self, workspace_id: str, app: str, claimed: CrmConnection, claimant: str, caller: str
    ) -> CrmConnection:
        crm = APPS[app].crm
        vendor = self.crms.get(crm)
        try:
            if vendor is None:
                raise VendorUnavailable("no_client")
            tokens = await vendor.refresh(claimed.tokens.refresh_token, claimed.api_base)
        except GrantRefused:
            _refreshes.labels(crm, "refused").inc()
            await self.store.mark_crm_dead(
                workspace_id,
                app,
                claimant,
                claimed.token_version,
                Change(f"caller:{caller}", self.clock.now()),
            )
            _log.warning("connection.reconnect_needed", workspace=workspace_id, app=app)
            raise ReconnectNeeded from None
        except VendorUnavailable as error:
            _refreshes.labels(crm, "unavailable").inc()
            _log.warning("refresh.failed", workspace=workspace_id, app=app, reason=error.reason)
            await self.store.release_refresh(workspace_id, app, claimant)
            raise
        await self._save(workspace_id, app, claimant, claimed.token_version, tokens)
        _refreshes.labels(crm, "refreshed").inc()
        return await self.store.crm_connection(workspace_id, app)

    async def _save(
        self, workspace_id: str, app: str, claimant: str, seen_version: int, tokens: Tokens
    ) -> None:
        try:
            async with asyncio.timeout(_KEEP_TRYING_TO_SAVE_S):
                while True:
                    try:
                        await self.store.save_refreshed(
                            workspace_id, app, claimant, seen_version, tokens
                        )
                    except StoreUnavailable:
                        _log.error("refresh.not_saved_yet", workspace=workspace_id, app=app)
                        await asyncio.sleep(_POLL_S * 5)
                    else:
                        return
        except TimeoutError:
            _log.critical("refresh.lost", workspace=workspace_id, app=app)
            raise StoreUnavailable("refresh lost") from None
