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

    def record(self, entry: Entry) -> tuple[str, str] | None:
        """What is there to see in the CRM, and where, while that very account is connected."""
        app, vendor = self._at(entry.app)
        if app is None or vendor is None or app.crm_account != entry.crm_account:
            return None
        if entry.person_id is None:
            return None
        place = (app.api_base, app.crm_account, entry.person_id)
        if entry.note_id is None:
            what, url = "record", vendor.person_url(*place)
        else:
            what, url = "note", vendor.note_url(*place, entry.note_id)
        return None if url is None else (what, url)

    def person_of(self, key: str, person_id: str | None) -> str | None:
        """A person in the account that this app is connected to."""
        app, vendor = self._at(key)
        if app is None or vendor is None or person_id is None:
            return None
        return vendor.person_url(app.api_base, app.crm_account, person_id)

    def _at(self, key: str) -> tuple[InstalledApp | None, CrmVendor | None]:
        vendor = self.crms.get(APPS[key].crm) if key in APPS else None
        return self.installed.get(key), vendor


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
