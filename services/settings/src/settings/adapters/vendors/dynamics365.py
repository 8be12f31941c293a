"""Dynamics 365: Microsoft Entra ID signs in, discovery names the environment, a token opens it.

Source: Microsoft's pages on OAuth with Dataverse, the global discovery service and Entra ID's
refresh tokens (read 2026-11-22). The resource of a token is the environment's own address, which is
not known before the person has signed in: so consent is asked for the discovery service, and the
refresh token, which is bound to person and client but to no resource, gets one for the environment.
A new refresh token comes with each use, good for 90 days unused; the old one stays good.

There is no call that revokes one application's tokens: an admin takes the consent back in Entra ID.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode
from uuid import UUID

from common.config import CommaSeparated
from pydantic import Field, SecretStr

from settings.adapters.vendors.base import Client, Offer, Vendor, VendorVariables, bearer_token
from settings.domain.hosts import HostNotAllowed, allowed_api_base
from settings.domain.tokens import Tokens
from settings.ports.connections import CrmGrant
from settings.ports.faults import AccountChoice, SeveralAccounts, VendorUnavailable

_API = "/api/data/v9.2"
_LEAD: Final = "lead."  # before the guid, in the ids that delivery reports
_INSTANCES = "/api/discovery/v2.0/Instances?$select=Url,FriendlyName"
_NAME_MAX_CHARS = 100


class Dynamics365Variables(VendorVariables):
    dynamics365_client_id: str | None = Field(
        None,
        description="Application id of our app in Entra ID; without it Dynamics 365 cannot be "
        "connected.",
    )
    dynamics365_client_secret: SecretStr | None = Field(None, description="Its client secret.")
    dynamics365_login_url: str = Field(
        "https://login.microsoftonline.com", description="Entra ID, where people sign in."
    )
    dynamics365_tenant: str = Field(
        "organizations",
        pattern=r"^[A-Za-z0-9.-]{1,100}$",
        description="Whose people may sign in: `organizations` for all, or one tenant's id.",
    )
    dynamics365_discovery_url: str = Field(
        "https://globaldisco.crm.dynamics.com",
        description="The service that lists a person's environments.",
    )
    dynamics365_api_hosts: CommaSeparated = Field(
        [".dynamics.com"],
        description="Hosts that an environment may have: `.suffix` or an exact host.",
    )

    def credentials(self) -> tuple[str, str] | None:
        secret = self.dynamics365_client_secret
        if not self.dynamics365_client_id or not secret:
            return None
        return self.dynamics365_client_id, secret.get_secret_value()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dynamics365(Vendor):
    login_url: str  # with the tenant
    discovery_url: str
    api_hosts: tuple[str, ...]

    name: ClassVar[str] = "dynamics365"
    # The second one is from memory: a policy of the tenant wants the person to sign in again.
    dead_grant: ClassVar[frozenset[str]] = frozenset({"invalid_grant", "interaction_required"})

    def authorize_url(self, state: str, redirect_uri: str, challenge: str | None) -> str:
        query = {
            "client_id": self.client.id,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "scope": _scope(self.discovery_url),
            "state": state,
            "prompt": "select_account",  # whoever is signed in may not be the one who is meant
        }
        if challenge is not None:
            query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        return f"{self.login_url}/oauth2/v2.0/authorize?{urlencode(query)}"

    async def exchange(
        self, code: str, redirect_uri: str, verifier: str | None, account: str | None = None
    ) -> CrmGrant:
        asked_at = self.client.clock.now()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if verifier is not None:
            form["code_verifier"] = verifier
        answer = await self._token(form, self.discovery_url)
        found = self._tokens(answer, asked_at)
        api_base = await self._environment(found.access_token, account)
        tokens = await self.refresh(found.refresh_token, api_base)
        me = await self._get(f"{api_base}{_API}/WhoAmI", tokens.access_token)
        return CrmGrant(
            tokens=tokens,
            account_id=_guid(me.get("OrganizationId")),
            user_id=_guid(me.get("UserId")),
            api_base=api_base,
        )

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        table = "lead" if person_id.startswith(_LEAD) else "contact"
        record = quote(person_id.removeprefix(_LEAD))
        return f"{api_base}/main.aspx?pagetype=entityrecord&etn={table}&id={record}"

    async def refresh(self, refresh_token: str, api_base: str) -> Tokens:
        asked_at = self.client.clock.now()
        form = {"grant_type": "refresh_token", "refresh_token": bearer_token(refresh_token)}
        answer = await self._token(form, api_base)
        return self._tokens(answer, asked_at, refresh_token)

    async def _environment(self, access_token: str, chosen: str | None) -> str:
        """The address of the environment that is meant, of those the person may enter.

        None is guessed: with several, it is the one that was chosen before the person came here.
        """
        answer = await self._get(f"{self.discovery_url}{_INSTANCES}", access_token)
        listed = answer.get("value")
        if not isinstance(listed, list):
            raise VendorUnavailable("no_environments")
        allowed = {
            address: _name(instance) or address
            for instance in listed
            if (address := self._allowed(instance))
        }
        if not allowed:
            raise HostNotAllowed
        if chosen in allowed:
            return str(chosen)
        if len(allowed) > 1:
            raise SeveralAccounts([AccountChoice(*one) for one in allowed.items()])
        return next(iter(allowed))

    def _allowed(self, instance: Any) -> str | None:
        try:
            return allowed_api_base(str(instance["Url"]), self.api_hosts)
        except (HostNotAllowed, KeyError, TypeError):
            return None

    async def _token(self, form: Mapping[str, str], resource: str) -> Mapping[str, Any]:
        ours = {"client_id": self.client.id, "client_secret": self.client.secret}
        url = f"{self.login_url}/oauth2/v2.0/token"
        return await self._form(url, {**form, **ours, "scope": _scope(resource)})


def _name(instance: Mapping[str, Any]) -> str:
    return str(instance.get("FriendlyName") or "")[:_NAME_MAX_CHARS]


def _scope(resource: str) -> str:
    return f"{resource}/.default offline_access"


def _guid(value: object) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise VendorUnavailable("no_account") from None


def _new(client: Client, variables: Dynamics365Variables) -> Dynamics365:
    return Dynamics365(
        client=client,
        login_url=f"{variables.dynamics365_login_url.rstrip('/')}/{variables.dynamics365_tenant}",
        discovery_url=variables.dynamics365_discovery_url.rstrip("/"),
        api_hosts=tuple(variables.dynamics365_api_hosts),
    )


VENDOR: Final = Offer("dynamics365", Dynamics365Variables, _new)
