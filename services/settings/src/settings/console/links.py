"""Links from our pages to where things really are: Intercom and the CRMs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.catalog import APPS

from settings.domain.history import Entry
from settings.domain.installations import InstalledApp, Workspace
from settings.domain.links import conversation_url
from settings.ports.vendors import CrmVendor


@dataclass(frozen=True, slots=True)
class WorkspaceLinks:
    link_base: str
    workspace_id: str
    installed: Mapping[str, InstalledApp]
    crms: Mapping[str, CrmVendor]

    def conversation(self, conversation_id: str) -> str:
        return conversation_url(self.link_base, self.workspace_id, conversation_id)

    def person(self, entry: Entry) -> str | None:
        """The person's record, while that very account is still connected."""
        app = self.installed.get(entry.app)
        if app is None or app.crm_account != entry.crm_account:
            return None
        return self.person_of(entry.app, entry.person_id)

    def person_of(self, key: str, person_id: str | None) -> str | None:
        """A person in the account that this app is connected to."""
        app = self.installed.get(key)
        vendor = self.crms.get(APPS[key].crm) if key in APPS else None
        if app is None or vendor is None or person_id is None:
            return None
        return vendor.person_url(app.api_base, app.crm_account, person_id)


@dataclass(frozen=True, slots=True)
class Links:
    """Intercom's hosts for people by region, and the CRMs that this deployment knows."""

    link_bases: Mapping[str, str]
    crms: Mapping[str, CrmVendor]

    def of(self, workspace: Workspace, installed: Sequence[InstalledApp]) -> WorkspaceLinks:
        return WorkspaceLinks(
            self.link_bases[workspace.region],
            workspace.id,
            {app.app: app for app in installed},
            self.crms,
        )
