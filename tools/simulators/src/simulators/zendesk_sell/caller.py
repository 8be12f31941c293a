"""Who calls: the account that the token opens, and the user who gave it."""

from dataclasses import dataclass

from simulators.zendesk_sell.store import SellAccount


@dataclass(frozen=True, slots=True)
class Caller:
    account: SellAccount
    user_id: str
    search_lag_s: float
