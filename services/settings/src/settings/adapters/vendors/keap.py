"""Keap: a code is exchanged with our credentials in the form, a refresh with HTTP Basic.

Source: Keap's page on OAuth keys (developer.infusionsoft.com/getting-started-oauth-keys), its
description of REST v2 (userinfo, users) and reports of its community, read 2026-11-22. Access
tokens live a day, refresh tokens 45 days, and each works once. PKCE and revoking are not
documented. The account (tenant) and the user behind a token are asked of the API: the user's id
there is a global one, and notes are written by the id that the user has in the account.
"""

import base64
import re
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import urlencode

from pydantic import Field, SecretStr

from settings.adapters.vendors.base import (
    Client,
    Json,
    Offer,
    Vendor,
    VendorVariables,
    bearer_token,
)
from settings.domain.tokens import Tokens
from settings.ports.connections import CrmGrant
from settings.ports.faults import VendorUnavailable

_API: Final = "/crm/rest/v2"
# Seen in integration.keap.com/t/invalid-refresh-token/82597; `invalid_grant` counts as well.
_DEAD_REFRESH_TOKEN: Final = ("invalid_request", "Invalid Refresh Token")


class KeapVariables(VendorVariables):
    keap_client_id: str | None = Field(
        None, description="Client id of our Keap app; without it Keap cannot be connected."
    )
    keap_client_secret: SecretStr | None = Field(None, description="Its client secret.")
    keap_accounts_url: str = Field(
        "https://accounts.infusionsoft.com",
        description="Keap host where a person authorises our app.",
    )
    keap_api_url: str = Field(
        "https://api.infusionsoft.com", description="Keap's host for tokens and its API."
    )

    def credentials(self) -> tuple[str, str] | None:
        if not self.keap_client_id or not self.keap_client_secret:
            return None
        return self.keap_client_id, self.keap_client_secret.get_secret_value()


# Pages lie below the account's short name; that our account's id is that name is unconfirmed.
_APP_NAME: Final = re.compile(r"[a-z]{1,5}[0-9]{2,6}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Keap(Vendor):
    accounts_url: str
    api_url: str

    name: ClassVar[str] = "keap"

    def authorize_url(self, state: str, redirect_uri: str, challenge: str | None) -> str:
        query = {
            "client_id": self.client.id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": "full",  # the only one there is
            "state": state,
        }
        return f"{self.accounts_url}/app/oauth/authorize?{urlencode(query)}"

    async def exchange(
        self, code: str, redirect_uri: str, verifier: str | None, account: str | None = None
    ) -> CrmGrant:
        asked_at = self.client.clock.now()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.client.id,
            "client_secret": self.client.secret,
        }
        tokens = self._tokens(await self._form(f"{self.api_url}/token", form), asked_at)
        me = await self._get(f"{self.api_url}{_API}/oauth/connect/userinfo", tokens.access_token)
        tenant = me.get("tenant_id")
        if not isinstance(tenant, str) or not tenant:
            raise VendorUnavailable("no_account")
        return CrmGrant(
            tokens=tokens,
            account_id=tenant,
            user_id=await self._user(me, tokens.access_token),
            api_base=self.api_url,
        )

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        if not _APP_NAME.fullmatch(account_id):
            return None
        page = f"https://{account_id}.infusionsoft.com/Contact/manageContact.jsp"
        return f"{page}?{urlencode({'view': 'edit', 'ID': person_id})}"

    async def refresh(self, refresh_token: str, api_base: str) -> Tokens:
        asked_at = self.client.clock.now()
        form = {"grant_type": "refresh_token", "refresh_token": bearer_token(refresh_token)}
        basic = base64.b64encode(f"{self.client.id}:{self.client.secret}".encode()).decode()
        answer = await self._form(
            f"{self.api_url}/token", form, {"Authorization": f"Basic {basic}"}
        )
        return self._tokens(answer, asked_at, refresh_token)

    def _ends_consent(self, refusal: Json) -> bool:
        said = (refusal.get("error"), refusal.get("error_description"))
        return said == _DEAD_REFRESH_TOKEN or Vendor._ends_consent(self, refusal)

    async def _user(self, me: Json, access_token: str) -> str:
        """The id in the account of the user behind the token: a note needs one."""
        query = urlencode({"filter": f"email=={me.get('email')}", "page_size": "100"})
        page = await self._get(f"{self.api_url}{_API}/users?{query}", access_token)
        users = page.get("users")
        listed = users if isinstance(users, list) else []
        found = [user for user in listed if isinstance(user, dict)]
        # That the two ids are the same one is unconfirmed: one user of that address is enough.
        same = [user for user in found if user.get("global_user_id") == me.get("id")] or found
        user_id = same[0].get("id") if len(same) == 1 else None
        if not isinstance(user_id, str) or not user_id:
            raise VendorUnavailable("no_user")
        return user_id


def _new(client: Client, variables: KeapVariables) -> Keap:
    return Keap(
        client=client,
        accounts_url=variables.keap_accounts_url.rstrip("/"),
        api_url=variables.keap_api_url.rstrip("/"),
    )


VENDOR: Final = Offer("keap", KeapVariables, _new)
