"""Who calls: the account (tenant) that the token opens, and the user who gave it."""

from dataclasses import dataclass

from simulators.keap.store import KeapAccount


@dataclass(frozen=True, slots=True)
class Caller:
    account: KeapAccount
    user_id: str
    search_lag_s: float
