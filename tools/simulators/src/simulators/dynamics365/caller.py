"""Who calls: the environment that the address names, and the user the token was given to."""

from dataclasses import dataclass

from simulators.dynamics365.store import DynamicsAccount


@dataclass(frozen=True, slots=True)
class Caller:
    account: DynamicsAccount
    user_id: str
    base_url: str  # the environment's address
