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
    DENIED = "authorization_denied"
    CODE_MISSING = "code_missing"
    CODE_REFUSED = "code_refused"
    UNKNOWN_REGION = "unknown_region"
    HOST_NOT_ALLOWED = "host_not_allowed"


@dataclass(frozen=True, slots=True)
class Authorization:
    """Waits for the vendor to send a person back."""

    vendor: str  # whose callback may complete it
    workspace_id: str | None  # None: Intercom tells, a workspace is being installed
    app: str | None
    expires_at: datetime
    verifier: str | None  # PKCE, where the vendor takes it

    def __repr__(self) -> str:
        return f"Authorization(vendor={self.vendor!r}, workspace_id={self.workspace_id!r})"


def state_hash(state: str) -> str:
    """What is stored of a state: who reads the database cannot complete an authorization."""
    return hashlib.sha256(state.encode()).hexdigest()


def refusal(authorization: Authorization | None, vendor: str, now: datetime) -> Refusal | None:
    """Why this callback must not complete the authorization (mix-up, reuse, age); None: go on."""
    if authorization is None:
        return Refusal.STATE_UNKNOWN
    if authorization.vendor != vendor:
        return Refusal.STATE_OF_ANOTHER_VENDOR
    if now >= authorization.expires_at:
        return Refusal.STATE_EXPIRED
    return None


def challenge(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
