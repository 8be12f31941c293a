"""HubSpot: the answer to a code says which account (hub) and which user gave consent.

Source: HubSpot's API description, OAuth, version 2026-09, and its guide to managing tokens
(read 2026-11-22). Access tokens live 30 minutes; a refresh token may come back changed or the same.
"""

from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import quote, urlencode

from common.catalog import APPS
from common.config import CommaSeparated
from pydantic import Field, SecretStr

from settings.adapters.vendors.base import Client, Offer, Vendor, VendorVariables, bearer_token
from settings.domain.tokens import Tokens
from settings.ports.connections import CrmGrant
from settings.ports.faults import VendorUnavailable

_TOKEN_PATH = "/oauth/2026-09/token"  # noqa: S105 - a path


class HubSpotVariables(VendorVariables):
    hubspot_client_id: str | None = Field(
        None, description="Client id of our HubSpot app; without it HubSpot cannot be connected."
    )
    hubspot_client_secret: SecretStr | None = Field(None, description="Its client secret.")
    hubspot_scopes: CommaSeparated = Field(
        list(APPS["hubspot"].scopes),
        description="Scopes asked of HubSpot; must equal the required scopes of our app there.",
    )
    hubspot_app_url: str = Field(
        "https://app.hubspot.com", description="HubSpot host where a person authorises our app."
    )
    hubspot_api_url: str = Field("https://api.hubapi.com", description="HubSpot's API host.")

    def credentials(self) -> tuple[str, str] | None:
        secret = self.hubspot_client_secret
        if not self.hubspot_client_id or not secret:
            return None
        return self.hubspot_client_id, secret.get_secret_value()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HubSpot(Vendor):
    app_url: str
    api_url: str
    scopes: tuple[str, ...]

    name: ClassVar[str] = "hubspot"
    # BAD_HUB: the whole account was deleted.
    dead_grant: ClassVar[frozenset[str]] = frozenset(
        {"invalid_grant", "BAD_REFRESH_TOKEN", "BAD_AUTH_CODE", "BAD_HUB"}
    )

    def authorize_url(self, state: str, redirect_uri: str, challenge: str | None) -> str:
        query = {
            "client_id": self.client.id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.scopes),
            "state": state,
        }
        if challenge is not None:
            query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return f"{self.app_url}/oauth/authorize?{urlencode(query)}"

    async def exchange(
        self, code: str, redirect_uri: str, verifier: str | None, account: str | None = None
    ) -> CrmGrant:
        asked_at = self.client.clock.now()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if verifier is not None:
            form["code_verifier"] = verifier
        answer = await self._form(f"{self.api_url}{_TOKEN_PATH}", form | self._client())
        hub, user = answer.get("hub_id"), answer.get("user_id")
        if not isinstance(hub, int):
            raise VendorUnavailable("no_account")
        return CrmGrant(
            tokens=self._tokens(answer, asked_at),
            account_id=str(hub),
            user_id=str(user) if isinstance(user, int) else None,
            api_base=self.api_url,
        )

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        """0-1 is HubSpot's object type id of a contact."""
        return f"{self.app_url}/contacts/{quote(account_id)}/record/0-1/{quote(person_id)}"

    def note_url(self, api_base: str, account_id: str, person_id: str, note_id: str) -> str | None:
        page = self.person_url(api_base, account_id, person_id)
        return f"{page}/view/1?engagement={quote(note_id)}"

    async def refresh(self, refresh_token: str, api_base: str) -> Tokens:
        asked_at = self.client.clock.now()
        form = {"grant_type": "refresh_token", "refresh_token": bearer_token(refresh_token)}
        answer = await self._form(f"{self.api_url}{_TOKEN_PATH}", form | self._client())
        return self._tokens(answer, asked_at, refresh_token)

    async def revoke(self, refresh_token: str) -> None:
        """An access token that was handed out lives on until it expires."""
        form = {"token": bearer_token(refresh_token), "token_type_hint": "refresh_token"}
        await self._tell(f"{self.api_url}{_TOKEN_PATH}/revoke", form | self._client(), {})

    def _client(self) -> dict[str, str]:
        return {"client_id": self.client.id, "client_secret": self.client.secret}


def _new(client: Client, variables: HubSpotVariables) -> HubSpot:
    return HubSpot(
        client=client,
        app_url=variables.hubspot_app_url.rstrip("/"),
        api_url=variables.hubspot_api_url.rstrip("/"),
        scopes=tuple(variables.hubspot_scopes),
    )


VENDOR: Final = Offer("hubspot", HubSpotVariables, _new)
