"""Intercom and the CRMs, as far as connecting needs them."""

from dataclasses import dataclass
from typing import Protocol

from settings.domain.tokens import Tokens
from settings.ports.connections import CrmGrant, IntercomMe


@dataclass(frozen=True, slots=True)
class Departure:
    """A vendor says that this user of a CRM account removed our app."""

    account_id: str
    user_id: str


class IntercomVendor(Protocol):
    """Raises VendorUnavailable, or GrantRefused for a code or token that is not valid."""

    def authorize_url(self, state: str, redirect_uri: str) -> str: ...

    async def exchange(self, code: str) -> str: ...

    async def me(self, access_token: str, region: str | None = None) -> IntercomMe: ...

    async def teammates(self, access_token: str, region: str) -> dict[str, str]:
        """Names by Intercom id, in Intercom's order."""
        ...

    async def address_of(self, access_token: str, region: str, teammate_id: str) -> str | None:
        """A teammate's e-mail address; None where they are no teammate any more."""
        ...


class CrmVendor(Protocol):
    """Raises VendorUnavailable, or GrantRefused for a code or refresh token that is not valid."""

    def authorize_url(self, state: str, redirect_uri: str, challenge: str | None) -> str: ...

    async def exchange(
        self, code: str, redirect_uri: str, verifier: str | None, account: str | None = None
    ) -> CrmGrant:
        """Raises SeveralAccounts where what was allowed opens several, and none of them was chosen.

        `account` is the key of the choice; it only ever picks one of what the person may enter.
        """
        ...

    async def activity_warning(
        self, api_base: str, access_token: str, wanted: str | None
    ) -> str | None:
        """Why activities of this type cannot be made in the account, as a sentence for its admin.

        None where they can, or where this CRM gets none; `wanted` None: the deployment's type.
        """
        ...

    async def refresh(self, refresh_token: str, api_base: str) -> Tokens:
        """A new pair for the account at this address."""
        ...

    async def revoke(self, refresh_token: str) -> None:
        """End the consent there too; does nothing where no call for it is known."""
        ...

    def departure(self, authorization: str | None, body: bytes) -> Departure | None:
        """Whom the vendor's own notice of an uninstall is about.

        None: it does not prove to be the vendor's, or this vendor sends none.
        """
        ...

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        """Where people see this person in the CRM; None where no such address is known."""
        ...

    def note_url(self, api_base: str, account_id: str, person_id: str, note_id: str) -> str | None:
        """Where people see this note of the person's."""
        ...
