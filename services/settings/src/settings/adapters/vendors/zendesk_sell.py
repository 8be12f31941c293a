"""Zendesk Sell: our client is named by HTTP Basic; the account is asked of `accounts/self`.

Source: the vendor's app zendesk-sell-for-zapier (authorize, token) and its pages as transcribed by
api-evangelist/zendesk-sell on 2026-08-13 (read 2026-11-22). Access tokens live an hour less a
second; the refresh token has no end, and whether a refresh changes it is unconfirmed, so what comes
back is kept. PKCE is not documented. The product ends on 2027-08-31.
"""

import base64
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

from common.catalog import APPS
from pydantic import Field, SecretStr

from settings.adapters.vendors.base import Client, Offer, Vendor, VendorVariables, bearer_token
from settings.domain.tokens import Tokens
from settings.ports.connections import CrmGrant
from settings.ports.faults import VendorUnavailable


class ZendeskSellVariables(VendorVariables):
    zendesk_sell_client_id: str | None = Field(
        None,
        description="Client id of our Zendesk Sell app; without it Sell cannot be connected.",
    )
    zendesk_sell_client_secret: SecretStr | None = Field(None, description="Its client secret.")
    zendesk_sell_url: str = Field(
        "https://api.getbase.com", description="Zendesk Sell's host for authorization and API."
    )

    def credentials(self) -> tuple[str, str] | None:
        secret = self.zendesk_sell_client_secret
        if not self.zendesk_sell_client_id or not secret:
            return None
        return self.zendesk_sell_client_id, secret.get_secret_value()


_PAGES: Final = "https://app.futuresimple.com"  # unconfirmed; where Sell's own links lead
_LEAD: Final = "lead."  # before the number, in the ids that delivery reports


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ZendeskSell(Vendor):
    url: str
    scopes: tuple[str, ...]

    name: ClassVar[str] = "zendesk_sell"

    def authorize_url(self, state: str, redirect_uri: str, challenge: str | None) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.scopes),
            "state": state,
        }
        return f"{self.url}/oauth2/authorize?{urlencode(query)}"

    async def exchange(
        self, code: str, redirect_uri: str, verifier: str | None, account: str | None = None
    ) -> CrmGrant:
        asked_at = self.client.clock.now()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        tokens = self._tokens(await self._token(form), asked_at)
        return CrmGrant(
            tokens=tokens,
            account_id=await self._id_of("accounts", tokens.access_token),
            user_id=await self._id_of("users", tokens.access_token),
            api_base=self.url,
        )

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        is_lead = person_id.startswith(_LEAD)
        page = "leads" if is_lead else "crm/contacts"
        return f"{_PAGES}/{page}/{quote(person_id.removeprefix(_LEAD))}"

    async def revoke(self, refresh_token: str) -> None:
        """That it ends the access tokens of the pair too is unconfirmed; they live an hour."""
        form = {"token": bearer_token(refresh_token), "token_type_hint": "refresh_token"}
        await self._tell(f"{self.url}/oauth2/revoke", form, {"Authorization": self._basic})

    async def refresh(self, refresh_token: str, api_base: str) -> Tokens:
        asked_at = self.client.clock.now()
        form = {"grant_type": "refresh_token", "refresh_token": bearer_token(refresh_token)}
        return self._tokens(await self._token(form), asked_at, refresh_token)

    @property
    def _basic(self) -> str:
        pair = f"{self.client.id}:{self.client.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    async def _token(self, form: dict[str, str]) -> dict[str, Any]:
        headers = {"Authorization": self._basic}
        return dict(await self._form(f"{self.url}/oauth2/token", form, headers))

    async def _id_of(self, table: str, access_token: str) -> str:
        data = (await self._get(f"{self.url}/v2/{table}/self", access_token)).get("data")
        number = data.get("id") if isinstance(data, dict) else None
        if not isinstance(number, int):
            raise VendorUnavailable("no_account")
        return str(number)


def _new(client: Client, variables: ZendeskSellVariables) -> ZendeskSell:
    return ZendeskSell(
        client=client,
        url=variables.zendesk_sell_url.rstrip("/"),
        scopes=APPS["zendesk-sell"].scopes,
    )


VENDOR: Final = Offer("zendesk_sell", ZendeskSellVariables, _new)
