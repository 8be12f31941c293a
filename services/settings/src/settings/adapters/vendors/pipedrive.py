"""Pipedrive: our client is named by HTTP Basic, the answer names the company's own API host.

Source: Pipedrive's API description v1, Oauth and Users, and its page on app uninstallation
(read 2026-11-22). The refresh token rotates
and dies after 60 days unused. PKCE is not documented, so it is not sent. The company behind a token
is asked of `GET /api/v1/users/me`.
"""

import base64
import hmac
import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode

from common.config import ActivityConfig, CommaSeparated
from pydantic import Field, SecretStr

from settings.adapters.vendors.base import Client, Offer, Vendor, VendorVariables, bearer_token
from settings.domain.hosts import allowed_api_base
from settings.domain.tokens import Tokens
from settings.ports.connections import CrmGrant
from settings.ports.faults import VendorUnavailable
from settings.ports.vendors import Departure


class PipedriveVariables(VendorVariables, ActivityConfig):
    pipedrive_client_id: str | None = Field(
        None,
        description="Client id of our Pipedrive app; without it Pipedrive cannot be connected.",
    )
    pipedrive_client_secret: SecretStr | None = Field(None, description="Its client secret.")
    pipedrive_oauth_url: str = Field(
        "https://oauth.pipedrive.com", description="Pipedrive host for authorization and tokens."
    )
    pipedrive_api_hosts: CommaSeparated = Field(
        [".pipedrive.com"],
        description="Hosts that Pipedrive may name as a company's API: `.suffix` or an exact host.",
    )

    def credentials(self) -> tuple[str, str] | None:
        secret = self.pipedrive_client_secret
        if not self.pipedrive_client_id or not secret:
            return None
        return self.pipedrive_client_id, secret.get_secret_value()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Pipedrive(Vendor):
    oauth_url: str
    api_hosts: tuple[str, ...]
    activity_type: str

    name: ClassVar[str] = "pipedrive"

    def authorize_url(
        self,
        state: str,
        redirect_uri: str,
        challenge: str | None,
    ) -> str:
        query = {"client_id": self.client.id, "redirect_uri": redirect_uri, "state": state}
        return f"{self.oauth_url}/oauth/authorize?{urlencode(query)}"

    async def exchange(
        self, code: str, redirect_uri: str, verifier: str | None, account: str | None = None
    ) -> CrmGrant:
        asked_at = self.client.clock.now()
        answer = await self._token(
            {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        )
        # Checked before anything is sent there, and never taken from a later answer.
        api_base = allowed_api_base(str(answer.get("api_domain")), self.api_hosts)
        tokens = self._tokens(answer, asked_at)
        me = (await self._get(f"{api_base}/api/v1/users/me", tokens.access_token)).get("data")
        company, user = _ids(me)
        return CrmGrant(tokens, company, user, api_base)

    async def activity_warning(
        self, api_base: str, access_token: str, wanted: str | None
    ) -> str | None:
        """Types are each company's own; an activity of an unknown one would be refused."""
        answer = await self._get(f"{api_base}/api/v1/activityTypes", access_token)
        listed = answer.get("data")
        known = sorted(
            str(one.get("key_string"))
            for one in (listed if isinstance(listed, list) else [])
            if isinstance(one, dict) and one.get("active_flag")
        )
        key = wanted or self.activity_type
        if key in known:
            return None
        return (
            f"This account has no activity type '{key}', so no activities can be made. Its types "
            f"now: {', '.join(known)}. Choose one of them in the options, or add it in Pipedrive "
            "and connect again."
        )

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        return f"{api_base}/person/{quote(person_id)}"

    async def refresh(self, refresh_token: str, api_base: str) -> Tokens:
        asked_at = self.client.clock.now()
        answer = await self._token(
            {"grant_type": "refresh_token", "refresh_token": bearer_token(refresh_token)}
        )
        return self._tokens(answer, asked_at, refresh_token)

    async def revoke(self, refresh_token: str) -> None:
        """Uninstalls our app at the company, for the user who connected it."""
        form = {"token": bearer_token(refresh_token), "token_type_hint": "refresh_token"}
        await self._tell(f"{self.oauth_url}/oauth/revoke", form, {"Authorization": self._basic})

    def departure(self, authorization: str | None, body: bytes) -> Departure | None:
        """Pipedrive calls the redirect address with DELETE and our own client's credentials."""
        given = (authorization or "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._basic.encode()):
            return None
        try:
            said = json.loads(body)
            if said["client_id"] != self.client.id:
                return None
            return Departure(str(int(said["company_id"])), str(int(said["user_id"])))
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    @property
    def _basic(self) -> str:
        pair = f"{self.client.id}:{self.client.secret}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    async def _token(self, form: dict[str, str]) -> dict[str, Any]:
        headers = {"Authorization": self._basic}
        return dict(await self._form(f"{self.oauth_url}/oauth/token", form, headers))


def _ids(me: object) -> tuple[str, str]:
    if isinstance(me, dict):
        company, user = me.get("company_id"), me.get("id")
        if isinstance(company, int) and isinstance(user, int):
            return str(company), str(user)
    raise VendorUnavailable("no_account")


def _new(client: Client, variables: PipedriveVariables) -> Pipedrive:
    return Pipedrive(
        client=client,
        oauth_url=variables.pipedrive_oauth_url.rstrip("/"),
        api_hosts=tuple(variables.pipedrive_api_hosts),
        activity_type=variables.activity_type,
    )


VENDOR: Final = Offer("pipedrive", PipedriveVariables, _new)
