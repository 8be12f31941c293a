"""When an access token must be replaced before it is handed out."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

# Long enough for the slowest call that is made with the token.
LEAST_LIFE_LEFT = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair as the CRM gave it. Never printed."""

    access_token: str
    refresh_token: str
    obtained_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Tokens(expires_at={self.expires_at.isoformat()})"

    def is_stale(self, now: datetime) -> bool:
        """Too little of its life is left: 60 s, or a third of a life shorter than 180 s."""
        life = self.expires_at - self.obtained_at
        return self.expires_at - now < min(LEAST_LIFE_LEFT, life / 3)

    def is_expired(self, now: datetime) -> bool:
        return now >= self.expires_at

    def is_rejected(self, rejected_hash: str | None) -> bool:
        """The caller names the token that was refused; an older one tells nothing about ours."""
        return rejected_hash is not None and rejected_hash == token_hash(self.access_token)


def token_hash(token: str) -> str:
    """How a caller names a token without repeating it: lower-case hex SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()
