"""Who calls: the company that the token opens, and the user who gave it."""

from dataclasses import dataclass

from simulators.pipedrive.store import PipedriveAccount


@dataclass(frozen=True, slots=True)
class Caller:
    account: PipedriveAccount
    user_id: str
    search_lag_s: float
