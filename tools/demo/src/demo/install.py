"""The world of the scenario, and our apps installed in it the way an admin would: through OAuth."""

from urllib.parse import urlsplit

import httpx
from common.catalog import APPS

from demo.again import SendsAgain
from demo.scenario import Conversation, Scenario, Workspace
from demo.system import System


class InstallFailed(Exception):
    """A step of the installation was refused; says which and by whom."""


def contact_id(conversation: Conversation) -> str:
    """Intercom's id of the customer: 24 hexadecimal digits, as real ones are."""
    return conversation.slug.encode().hex()[:24].ljust(24, "0")


def intercom_app(ingest: str) -> dict[str, str]:
    """What is entered in Intercom's Developer Hub."""
    return {
        "webhook_url": f"{ingest}/webhooks/intercom",
        "canvas_initialize_url": f"{ingest}/canvas/initialize",
        "canvas_submit_url": f"{ingest}/canvas/submit",
    }


def build_world(scenario: Scenario, simulators: httpx.Client, ingest: str) -> None:
    """Fill the simulators: workspaces with teammates and customers, CRM accounts with persons."""
    _ok(simulators.put("intercom/app", json=intercom_app(ingest)))
    for workspace in scenario.workspaces:
        customers = [one for one in scenario.conversations if one.workspace == workspace.id]
        _ok(
            simulators.post(
                "intercom/workspaces",
                json={
                    "id": workspace.id,
                    "name": workspace.name,
                    "region": workspace.region,
                    "timezone": workspace.timezone,
                    "admins": [
                        {"id": key, "name": name, "email": f"t{key}@{workspace.id}.example"}
                        for key, name in workspace.teammates.items()
                    ],
                    "teams": [
                        {"id": key, "name": name, "admin_ids": list(workspace.teammates)}
                        for key, name in workspace.teams.items()
                    ],
                    "contacts": [
                        {
                            "id": contact_id(one),
                            "role": "user",
                            "name": one.customer,
                            "email": one.email,
                        }
                        for one in customers
                    ],
                },
            )
        )
        # Apps of one CRM may share an account.
        for crm, account in sorted({(APPS[a.app].crm, a.account) for a in workspace.apps}):
            _ok(
                simulators.post(
                    f"crm/{crm}/accounts",
                    json={
                        "id": account,
                        "name": workspace.name,
                        "users": [{"id": "9", "email": f"owner@{workspace.id}.example"}],
                        # Marketing's own limits would only slow the demo down.
                        "limits": {},
                        "persons": [
                            {"name": one.customer, "email": one.email}
                            for one in customers
                            for _ in range(_persons(one, crm))
                        ],
                    },
                )
            )


def _persons(conversation: Conversation, crm: str) -> int:
    # HubSpot keeps addresses unique: a second contact with the same one cannot exist there.
    return min(conversation.persons_in_crm, 1) if crm == "hubspot" else conversation.persons_in_crm


class Installer:
    """Drives settings' API and follows the redirects that a browser would follow."""

    def __init__(self, system: System) -> None:
        self._settings = httpx.Client(
            base_url=system.settings,
            headers={"Authorization": f"Bearer {system.operator_token}"},
            timeout=20,
            transport=SendsAgain(trust_env=False),
        )
        self._browser = httpx.Client(timeout=20, trust_env=False, follow_redirects=True)

    def connect_intercom(self, workspace: Workspace) -> None:
        url = _ok(self._settings.post("/v1/workspaces/authorize", json={})).json()["url"]
        admin = next(iter(workspace.teammates))
        _ok(self._browser.get(_with(url, account=workspace.id, user=admin)))

    def install_apps(self, workspace: Workspace) -> None:
        """Install each app, name its users and set its Transcript Sync button."""
        for app in workspace.apps:
            base = f"/v1/workspaces/{workspace.id}/apps/{app.app}"
            url = _ok(self._settings.post(f"{base}/authorize", json={})).json()["url"]
            _ok(self._browser.get(_with(url, account=app.account)))
            users = [{"id": user, "paused": False} for user in app.users]
            _ok(self._settings.put(f"{base}/app-users", json={"users": users}))
            if app.sync:
                _ok(self._settings.put(f"{base}/transcript-sync", json={"on": True}))

    def close(self) -> None:
        self._settings.close()
        self._browser.close()


def _with(url: str, **query: str) -> httpx.URL:
    return httpx.URL(url).copy_merge_params(query)


def _ok(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        where = urlsplit(str(answer.request.url))
        raise InstallFailed(
            f"{answer.request.method} {where.netloc}{where.path} answered {answer.status_code}: "
            f"{answer.text[:300]}"
        )
    return answer
