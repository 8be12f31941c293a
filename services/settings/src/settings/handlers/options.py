"""Changing an installation's options, once the CRM has been asked whether it can do them."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.catalog import APPS

from settings.domain.installations import InstalledApp, Options
from settings.handlers.access import Access
from settings.handlers.installations import Installations
from settings.ports.vendors import CrmVendor


class UnknownActivityType(Exception):
    """The CRM account has no such type; the message is a sentence for its admin."""


@dataclass(frozen=True, slots=True)
class OptionChanges:
    installations: Installations
    access: Access
    crms: Mapping[str, CrmVendor]

    async def set(self, workspace_id: str, app: str, options: Options, by: str) -> InstalledApp:
        """Raises UnknownActivityType, NotInstalled, ReconnectNeeded, VendorUnavailable."""
        before = await self.installations.app(workspace_id, app)
        wanted = options.activity_type
        chosen = wanted is not None or "activity_type" in options.as_deployed
        vendor = self.crms.get(APPS[app].crm)
        if chosen and wanted != before.activity_type and vendor is not None:
            connection = await self.access.crm(workspace_id, app, None, "settings")
            token = connection.tokens.access_token
            warning = await vendor.activity_warning(connection.api_base, token, wanted)
            if warning is not None:
                raise UnknownActivityType(warning)
        return await self.installations.set_options(workspace_id, app, options, by)
