"""How an installation ends: by us, by the vendor's own word, or by a word that has to be proved.

Uninstalled means that tokens and app users are gone and consumers know; the vendor is told last, as
far as it can be reached, since nothing here may depend on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from common import log
from common.catalog import APPS, apps_of

from settings.domain.tokens import token_hash
from settings.handlers.access import Access, ReconnectNeeded
from settings.handlers.installations import Installations
from settings.ports.connections import ConnectionStore, CrmConnection
from settings.ports.faults import (
    GrantRefused,
    NotInstalled,
    TokenUnreadable,
    UnknownWorkspace,
    VendorUnavailable,
)
from settings.ports.vendors import CrmVendor

_log = log.get(__name__)


class NotTheVendor(Exception):
    """A notice that does not prove to be the vendor's."""


@dataclass(frozen=True, slots=True)
class Leaving:
    installations: Installations
    store: ConnectionStore
    access: Access
    crms: Mapping[str, CrmVendor]

    async def uninstall(self, workspace_id: str, app: str, by: str) -> None:
        """Raises NotInstalled."""
        try:
            connection = await self.store.crm_connection(workspace_id, app)
        except (NotInstalled, TokenUnreadable):
            # The store says so below, where nothing is installed; what nobody can read cannot be
            # revoked, and must not keep the app from going.
            connection = None
        await self.installations.uninstall(workspace_id, app, by)
        if connection is not None:
            await self._revoke(workspace_id, app, connection)

    async def crm_departed(self, crm: str, authorization: str | None, body: bytes) -> None:
        """A CRM's notice that a customer removed our app there.

        Raises NotTheVendor. What is not installed here is no error: notices may repeat.
        """
        vendor = self.crms.get(crm)
        departure = None if vendor is None else vendor.departure(authorization, body)
        if departure is None:
            raise NotTheVendor
        apps = [app.key for app in apps_of(crm)]
        gone = await self.store.connected_to(apps, departure.account_id, departure.user_id)
        for workspace_id, app in gone:
            try:
                await self.installations.uninstall(workspace_id, app, f"vendor:{crm}")
            except NotInstalled:
                continue
            _log.info("app.departed", workspace=workspace_id, app=app)

    async def workspace_departed(self, workspace_id: str) -> None:
        """Somebody says that a workspace removed our Intercom app: Intercom itself is asked.

        The notice has no signature, so it alone changes nothing, and its answer tells nothing.
        """
        try:
            connection = await self.store.intercom_connection(workspace_id)
            rejected = token_hash(connection.access_token)
            await self.access.intercom_workspace(workspace_id, rejected, "intercom")
        except ReconnectNeeded:
            _log.info("workspace.departed", workspace=workspace_id)
        except UnknownWorkspace:
            _log.info("workspace.departure_unknown")

    async def _revoke(self, workspace_id: str, app: str, connection: CrmConnection) -> None:
        """Another workspace's consent of the same account must not end with this one's."""
        crm = APPS[app].crm
        vendor = self.crms.get(crm)
        apps = [one.key for one in apps_of(crm)]
        if vendor is None or await self.store.connected_to(apps, connection.account_id):
            return
        try:
            await vendor.revoke(connection.tokens.refresh_token)
        except (VendorUnavailable, GrantRefused) as error:
            why = getattr(error, "reason", "refused")
            _log.warning("token.not_revoked", workspace=workspace_id, app=app, why=why)
