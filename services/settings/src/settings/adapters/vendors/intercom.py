"""Intercom: a token without an end, and `/me` to learn whose it is.

Source: Intercom's API description 2.14 and its page on setting up OAuth (read 2026-11-22). The
exchange takes no grant_type; a code may end in `=`, which belongs to it. Scopes are set on the app.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, urlencode

from settings.adapters.vendors.base import Json, Vendor, bearer_token
from settings.ports.connections import IntercomMe
from settings.ports.faults import GrantRefused, VendorMisconfigured, VendorUnavailable

_VERSION = "2.14"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Intercom(Vendor):
    app_url: str
    api_urls: dict[str, str]  # by region; the first takes part in every exchange and routes `/me`
    older_secrets: Sequence[str] = ()  # while it is rotated; Intercom knows one of them all

    name: ClassVar[str] = "intercom"

    def authorize_url(self, state: str, redirect_uri: str) -> str:
        query = {"client_id": self.client.id, "state": state, "redirect_uri": redirect_uri}
        return f"{self.app_url}/oauth?{urlencode(query)}"

    async def exchange(self, code: str) -> str:
        for secret in (self.client.secret, *self.older_secrets):
            try:
                return await self._exchange(code, secret)
            except GrantRefused:  # a secret that Intercom does not know leaves the code unused
                pass
        raise GrantRefused

    async def _exchange(self, code: str, secret: str) -> str:
        form = {"code": code, "client_id": self.client.id, "client_secret": secret}
        try:
            answer = await self._form(f"{self._first}/auth/eagle/token", form)
        except VendorMisconfigured as error:
            # The documented answer to a bad code is 401, without an OAuth error word; it does not
            # say whether it was the code or our secret, and nobody is connected yet.
            if error.reason == "http_401":
                raise GrantRefused from None
            raise
        return bearer_token(answer.get("access_token") or answer.get("token"))

    async def me(self, access_token: str, region: str | None = None) -> IntercomMe:
        host = self.api_urls.get(region or "", self._first)
        return _me(await self._get(f"{host}/me", access_token, **{"Intercom-Version": _VERSION}))

    async def teammates(self, access_token: str, region: str) -> dict[str, str]:
        answer = await self._get(
            f"{self.api_urls[region]}/admins", access_token, **{"Intercom-Version": _VERSION}
        )
        admins = answer.get("admins")
        if not isinstance(admins, list):
            raise VendorUnavailable("no_teammates")
        return {
            str(admin["id"]): str(admin.get("name") or "")
            for admin in admins
            if isinstance(admin, dict) and admin.get("id")
        }

    async def address_of(self, access_token: str, region: str, teammate_id: str) -> str | None:
        url = f"{self.api_urls[region]}/admins/{quote(teammate_id, safe='')}"
        try:
            answer = await self._get(url, access_token, **{"Intercom-Version": _VERSION})
        except VendorUnavailable as error:
            if error.reason == "http_404":
                return None
            raise
        email = answer.get("email")
        return email if isinstance(email, str) and email else None

    @property
    def _first(self) -> str:
        return next(iter(self.api_urls.values()))


def _me(answer: Json) -> IntercomMe:
    app = answer.get("app")
    if not isinstance(app, dict):
        raise VendorUnavailable("no_workspace")
    found = [app.get("id_code"), app.get("region"), answer.get("id")]
    if not all(isinstance(value, str) and value for value in found):
        raise VendorUnavailable("no_workspace")
    workspace_id, region, admin_id = map(str, found)
    return IntercomMe(
        workspace_id=workspace_id,
        region=region.upper(),
        name=str(app.get("name") or ""),
        time_zone=str(app.get("timezone") or "UTC"),
        admin_id=admin_id,
    )
