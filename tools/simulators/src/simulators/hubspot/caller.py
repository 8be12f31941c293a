"""Who calls: the account that the token opens, and the user who gave it."""

from dataclasses import dataclass

from simulators.hubspot.store import HubSpotAccount


@dataclass(frozen=True, slots=True)
class Caller:
    account: HubSpotAccount
    user_id: str
    search_lag_s: float
