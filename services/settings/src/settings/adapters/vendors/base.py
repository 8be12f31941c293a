"""Calling a vendor's token endpoint: one deadline, and failures sorted into who is to blame.

httpx alone, no OAuth library: each vendor's exchange is one form and one JSON answer, each deviates
from RFC 6749 somewhere, and a library's own token store and refresh lock would have to be kept out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

import httpx
from common import http, log
from common.clock import Clock
from common.config import Variables
from common.health import Need

from settings.domain.tokens import Tokens
from settings.ports.faults import GrantRefused, VendorMisconfigured, VendorUnavailable
from settings.ports.vendors import CrmVendor, Departure

_log = log.get(__name__)

_ANSWER_MAX_BYTES = 1024 * 1024
_TOKEN_MAX_CHARS = 8_192  # HubSpot says "up to 512, allow more"
_RETRY_AFTER_MAX = timedelta(hours=1)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Our OAuth client at one vendor, and the way to it."""

    id: str
    secret: str
    http: httpx.AsyncClient
    clock: Clock
    deadline: timedelta  # of one call in all
    peer: Need  # shows on /readyz how the last call went

    def __repr__(self) -> str:
        return f"Client(id={self.id!r})"


class VendorVariables(Variables):
    """A vendor's own environment variables, declared in its file."""

    def credentials(self) -> tuple[str, str] | None:
        """Client id and secret; None where this deployment has no client there."""
        raise NotImplementedError


V = TypeVar("V", bound=VendorVariables)


@dataclass(frozen=True, slots=True)
class Offer(Generic[V]):
    """A CRM that can be connected: what its file offers as `VENDOR`."""

    name: str  # the catalog's `crm`
    variables: type[V]
    new: Callable[[Client, V], CrmVendor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """What all vendors share."""

    client: Client

    name: ClassVar[str]
    # `error` (RFC 6749, section 5.2) or `status` values that end a customer's consent. Whatever
    # else is refused is our own fault or a passing one, and must not disconnect a customer.
    dead_grant: ClassVar[frozenset[str]] = frozenset({"invalid_grant"})

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    async def activity_warning(
        self, api_base: str, access_token: str, wanted: str | None
    ) -> str | None:
        """Why activities of this type cannot be made; None where they can, or there are none."""
        return None

    def person_url(self, api_base: str, account_id: str, person_id: str) -> str | None:
        """Where people see this person in the CRM; None where no such address is known."""
        return None

    def note_url(self, api_base: str, account_id: str, person_id: str, note_id: str) -> str | None:
        """Most CRMs show a note on its person's page only."""
        return self.person_url(api_base, account_id, person_id)

    async def _form(
        self,
        url: str,
        form: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        *,
        as_json: bool = False,
    ) -> Json:
        """POST a form to the token endpoint; the JSON object it answers.

        Raises:
            GrantRefused, VendorMisconfigured, VendorUnavailable: see each.

        """
        body: dict[str, Any] = {"json" if as_json else "data": dict(form)}
        request = self.client.http.build_request("POST", url, headers=headers, **body)
        response = await self._send(request)
        if response.status_code == 200:
            return _object(response)
        self._raise_unavailable(response)
        if self._ends_consent(_object(response, default={})):
            raise GrantRefused
        _log.error("vendor.refuses_us", vendor=self.name, status=response.status_code)
        self.client.peer.missing(f"refuses our client with {response.status_code}")
        raise VendorMisconfigured(f"http_{response.status_code}")

    def _ends_consent(self, refusal: Json) -> bool:
        """Whether a refusal of the token endpoint is about the customer's consent."""
        return bool({str(refusal.get(field)) for field in ("error", "status")} & self.dead_grant)

    async def _get(self, url: str, access_token: str, **headers: str) -> Json:
        """GET with a bearer token. Raises GrantRefused on 401, else VendorUnavailable."""
        bearer = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        response = await self._send(
            self.client.http.build_request("GET", url, headers=bearer | headers)
        )
        if response.status_code == 401:
            raise GrantRefused
        if response.status_code != 200:
            self._raise_unavailable(response)
            raise VendorUnavailable(f"http_{response.status_code}")
        return _object(response)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await http.send(
                self.client.http, request, self.client.deadline, _ANSWER_MAX_BYTES
            )
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            self.client.peer.missing("cannot be reached")
            _log.warning("vendor.unreachable", vendor=self.name, error=type(error).__name__)
            raise VendorUnavailable("unreachable") from None
        self.client.peer.met()
        return response

    async def revoke(self, refresh_token: str) -> None:
        """Nothing: of most vendors no call for it is known."""

    def departure(self, authorization: str | None, body: bytes) -> Departure | None:
        """None: most vendors send no notice of an uninstall."""
        return None

    async def _tell(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
        """POST a form whose answer says nothing. Raises VendorUnavailable."""
        request = self.client.http.build_request("POST", url, data=dict(form), headers=headers)
        response = await self._send(request)
        if not response.is_success:
            self._raise_unavailable(response)
            raise VendorUnavailable(f"http_{response.status_code}")

    def _raise_unavailable(self, response: httpx.Response) -> None:
        """Raise for what passes by itself: overload and faults of the vendor's own."""
        status = response.status_code
        if status in (408, 423, 425, 429, 477) or status >= 500 or 300 <= status < 400:
            self.client.peer.missing(f"answers {status}")
            raise VendorUnavailable(
                f"http_{status}", retry_after(response.headers.get("retry-after"))
            )

    def _tokens(self, answer: Json, asked_at: datetime, refresh_token: str | None = None) -> Tokens:
        """The pair in an answer; a refresh may leave the old refresh token in use.

        Its life counts from before the request, so that we never think it longer than it is.
        """
        seconds = answer.get("expires_in")
        if not isinstance(seconds, int | float) or not 0 < seconds < 10**9:
            raise VendorUnavailable("no_lifetime")
        return Tokens(
            access_token=bearer_token(answer.get("access_token")),
            refresh_token=bearer_token(answer.get("refresh_token") or refresh_token),
            obtained_at=asked_at,
            expires_at=asked_at + timedelta(seconds=seconds),
        )


def retry_after(value: str | None) -> timedelta | None:
    """Seconds, as vendors send it; a date or nonsense is left to the caller's own backoff."""
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 9:
        return None
    return min(timedelta(seconds=int(value)), _RETRY_AFTER_MAX)


def bearer_token(value: object) -> str:
    """The value, if it can be sent as a bearer token.

    Raises:
        VendorUnavailable: it is none; it is not repeated in the error.

    """
    if (
        isinstance(value, str)
        and 0 < len(value) <= _TOKEN_MAX_CHARS
        and value.isascii()
        and value.isprintable()
        and " " not in value
    ):
        return value
    raise VendorUnavailable("no_token")


def _object(response: httpx.Response, default: Json | None = None) -> Json:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    if default is not None:
        return default
    raise VendorUnavailable("no_json")
