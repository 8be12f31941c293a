"""Salesloft: JSON bodies, and `/v2/me` to learn which team and user gave consent.

Source: Salesloft's page "API Basics" (OAuth) as transcribed by api-evangelist, and its API
description v2 (me), read 2026-11-22. Access tokens live two hours; each refresh ends all older
refresh tokens. PKCE and revoking are not documented; scopes are set on the app. The page's example
sends `context` and `scope` of the callback along with the code: unconfirmed that they are needed.
"""

from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import quote, urlencode

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


class SalesloftVariables(VendorVariables):
    salesloft_client_id: str | None = Field(
        None,
        description="Client id of our Salesloft app; without it Salesloft cannot be connected.",
    )
    salesloft_client_secret: SecretStr | None = Field(None, description="Its client secret.")
    salesloft_accounts_url: str = Field(
        "https://accounts.salesloft.com",
        description="Salesloft host for authorization and tokens.",
    )
    salesloft_api_url: str = Field("https://api.salesloft.com", description="Salesloft's API host.")

    def credentials(self) -> tuple[str, str] | None:
        secret = self.salesloft_client_secret
        if not self.salesloft_client_id or not secret:
            return None
        return self.salesloft_client_id, secret.get_secret_value()


_PAGES: Final = "https://app.salesloft.com/app/people"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Salesloft(Vendor):
    accounts_url: str
    api_url: str

    name: ClassVar[str] = "salesloft"

    def authorize_url(self, state: str, redirect_uri: str, challenge: str | None) -> str:
        query = {
            "client_id": self.client.id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "state": state,
        }
        return f"{self.accounts_url}/oauth/authorize?{urlencode(query)}"

    async def exchange(
        self, code: str, redirect_uri: str, verifier: str | None, account: str | None = None
    ) -> CrmGrant:
        asked_at = self.client.clock.now()
        given = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        tokens = self._tokens(await self._token(given), asked_at)
        me = (await self._get(f"{self.api_url}/v2/me.json", tokens.access_token)).get("data")
        team, user = _ids(me)
        return CrmGrant(tokens=tokens, account_id=team, user_id=user, api_base=self.api_url)

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        return f"{_PAGES}/{quote(person_id)}"

    async def refresh(self, refresh_token: str, api_base: str) -> Tokens:
        asked_at = self.client.clock.now()
        given = {"grant_type": "refresh_token", "refresh_token": bearer_token(refresh_token)}
        return self._tokens(await self._token(given), asked_at, refresh_token)

    async def _token(self, given: dict[str, str]) -> Json:
        ours = {"client_id": self.client.id, "client_secret": self.client.secret}
        return await self._form(f"{self.accounts_url}/oauth/token", given | ours, as_json=True)


def _ids(me: object) -> tuple[str, str]:
    """The team's id and the user's."""
    team = me.get("team") if isinstance(me, dict) else None
    if isinstance(me, dict) and isinstance(team, dict):
        ids = team.get("id"), me.get("id")
        if all(isinstance(found, int) for found in ids):
            return str(ids[0]), str(ids[1])
    raise VendorUnavailable("no_account")


def _new(client: Client, variables: SalesloftVariables) -> Salesloft:
    return Salesloft(
        client=client,
        accounts_url=variables.salesloft_accounts_url.rstrip("/"),
        api_url=variables.salesloft_api_url.rstrip("/"),
    )


VENDOR: Final = Offer("salesloft", SalesloftVariables, _new)
