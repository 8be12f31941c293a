"""An authorization under way: what its one-time state is bound to, and when it may be completed."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

STATE_LIFETIME = timedelta(minutes=10)
INTERCOM = "intercom"


class Refusal(StrEnum):
    """Why a callback is not followed; also the `code` of the problem that answers it."""

    STATE_UNKNOWN = "state_unknown"
    STATE_EXPIRED = "state_expired"
    STATE_OF_ANOTHER_VENDOR = "state_of_another_vendor"
    STATE_OF_ANOTHER_BROWSER = "state_of_another_browser"
    NOT_THE_ADMIN = "not_the_admin"
    DENIED = "authorization_denied"
    CODE_MISSING = "code_missing"
    CODE_REFUSED = "code_refused"
    UNKNOWN_REGION = "unknown_region"
    HOST_NOT_ALLOWED = "host_not_allowed"
    SEVERAL_ACCOUNTS = "several_accounts"


class Purpose(StrEnum):
    """What a person goes to Intercom for."""

    SIGN_IN = "sign_in"  # to be recognised; what Intercom hands out is not kept
    INSTALL = "install"  # to let us into the workspace, at first or again


@dataclass(frozen=True, slots=True)
class Browser:
    """Where an authorization was started from, and by whom: it is completed there or nowhere."""

    session_key: str
    teammate_id: str | None = None  # a CRM's: the admin who connects it


@dataclass(frozen=True, slots=True)
class Authorization:
    """Waits for the vendor to send a person back."""

    vendor: str  # whose callback may complete it
    workspace_id: str | None  # None: Intercom tells
    app: str | None
    expires_at: datetime
    verifier: str | None  # PKCE, where the vendor takes it
    purpose: Purpose = Purpose.INSTALL
    browser: Browser | None = None  # None: the operator started it, and handed the address on
    account: str | None = None  # which of several CRM accounts is meant, where that was chosen

    def __repr__(self) -> str:
        return f"Authorization(vendor={self.vendor!r}, workspace_id={self.workspace_id!r})"


def state_hash(state: str) -> str:
    """What is stored of a state: who reads the database cannot complete an authorization."""
    return hashlib.sha256(state.encode()).hexdigest()


def refusal(
    authorization: Authorization | None, vendor: str, session_key: str | None, now: datetime
) -> Refusal | None:
    """Why this callback must not complete the authorization (mix-up, reuse, age); None: go on."""
    if authorization is None:
        return Refusal.STATE_UNKNOWN
    if authorization.vendor != vendor:
        return Refusal.STATE_OF_ANOTHER_VENDOR
    if now >= authorization.expires_at:
        return Refusal.STATE_EXPIRED
    if authorization.browser is not None and authorization.browser.session_key != session_key:
        return Refusal.STATE_OF_ANOTHER_BROWSER
    return None


def challenge(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
