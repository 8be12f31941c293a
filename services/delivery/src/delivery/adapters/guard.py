"""What stands before every call to a CRM: permits for its rate limits."""

from collections.abc import Sequence
from typing import Protocol

from delivery.adapters.calls import Deadline
from delivery.domain.rates import Call, Told
from delivery.ports import CrmAccess


class Guard(Protocol):
    async def admit(self, access: CrmAccess, call: Call, until: Deadline) -> None:
        """Wait for the call's turn. Raises RetryLater where it will not come in time."""
        ...

    def answered(self, access: CrmAccess, failure: Exception | None, told: Sequence[Told]) -> None:
        """How the call ended, and what the answer said about limits."""
        ...


class Unguarded:
    """Lets every call pass: for adapters on their own, as in contract tests."""

    async def admit(self, access: CrmAccess, call: Call, until: Deadline) -> None:
        pass

    def answered(self, access: CrmAccess, failure: Exception | None, told: Sequence[Told]) -> None:
        pass
