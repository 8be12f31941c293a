"""What can go wrong, in our words; whoever asks says what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class AccountChoice:
    """One of several CRM accounts, for the person who may enter them all to choose."""

    key: str  # what `exchange` takes as the account
    name: str


class StoreUnavailable(Exception):
    """PostgreSQL cannot answer now, or its schema is not there yet.

    Nothing was changed, unless the connection broke during a commit.
    """


class TokenUnreadable(StoreUnavailable):
    """Changed, moved from another place, or encrypted with a key that is not on the ring."""


class UnknownWorkspace(Exception):
    """No such workspace."""


class NotInstalled(Exception):
    """The app is not installed in this workspace, or there is no such workspace."""


class GrantRefused(Exception):
    """The vendor says for good that this code or token stands for no customer's consent."""


class SeveralAccounts(Exception):
    """What the person allowed opens several CRM accounts, and nothing says which one is meant."""

    def __init__(self, choices: Sequence[AccountChoice]) -> None:
        super().__init__(len(choices))
        self.choices = choices


class VendorUnavailable(Exception):
    """The vendor cannot answer now."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason = reason  # a code, never the vendor's words
        self.retry_after = retry_after


class VendorMisconfigured(VendorUnavailable):
    """The vendor refuses us, not the customer: wrong client id, secret or redirect address."""


class NotTold(Exception):
    """It did not go out; it is tried again. The reason is a code."""
