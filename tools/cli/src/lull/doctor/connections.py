"""Every connection that settings knows of: whether a valid token can be had of it right now."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
from common.config import ServiceConfig
from delivery.ports import Gone, ReconnectNeeded, RetryLater, SettingsAway, SettingsPort
from pydantic import Field, SecretStr

from lull.doctor.findings import Finding, State


class DoctorConfig(ServiceConfig):
    """Where settings is, as its operator and as delivery."""

    settings_public_url: str = Field("http://127.0.0.1:8083", description="settings' public API.")
    settings_operator_token: SecretStr | None = Field(None, description="To list connections.")
    delivery_settings_url: str = Field("http://127.0.0.1:8183", description="settings' listener.")
    delivery_settings_token: SecretStr | None = Field(None, description="To ask for tokens.")


async def connections(
    operator: httpx.AsyncClient, settings: SettingsPort
) -> AsyncIterator[Finding]:
    """A finding per workspace and app.

    Args:
        operator: settings' public API, with the operator's credential.
        settings: its internal listener, as delivery asks it.

    """
    try:
        listed = await _workspaces(operator)
    except (httpx.HTTPError, KeyError, ValueError) as error:
        mend = "is settings running, and LULL_SETTINGS_OPERATOR_TOKEN right?"
        yield Finding(f"settings cannot be asked ({type(error).__name__})", State.UNKNOWN, mend)
        return
    if not listed:
        yield Finding("no workspace is connected yet", State.GOOD)
    for workspace in listed:
        name = workspace["workspace_id"]
        if workspace["connection"] == "connected":
            yield Finding(f"{name}: connected to Intercom", State.GOOD)
        else:
            mend = "have its admin install the Intercom app once more"
            yield Finding(f"{name}: Intercom refuses our token", State.MEND, mend)
        for app in (await _get(operator, f"/v1/workspaces/{name}/apps"))["apps"]:
            yield await _connection(settings, name, app)


async def _connection(settings: SettingsPort, workspace: str, app: dict[str, Any]) -> Finding:
    what = f"{workspace}: {app['app']} at account {app['crm_account']}"
    try:
        await settings.crm_access(workspace, app["app"])
    except ReconnectNeeded:
        return Finding(f"{what} needs a reconnect", State.MEND, "have its admin connect it again")
    except Gone:
        return Finding(f"{what} was uninstalled just now", State.GOOD)
    except (SettingsAway, RetryLater) as error:
        mend = "look again later; what the vendor answers is on settings' /readyz"
        return Finding(f"{what} cannot be checked ({error.reason})", State.UNKNOWN, mend)
    if app.get("warning"):
        return Finding(f"{what} is connected, but", State.MEND, app["warning"])
    sync = "on" if app["transcript_sync"] else "off"
    return Finding(f"{what} is connected, Transcript Sync {sync}", State.GOOD)


async def _workspaces(operator: httpx.AsyncClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = await _get(operator, f"/v1/workspaces?{urlencode({'after': after, 'limit': 500})}")
        listed += page["workspaces"]
        after = page.get("next_after")
    return listed


async def _get(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(path)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
