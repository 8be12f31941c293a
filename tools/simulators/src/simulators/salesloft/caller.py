"""Who calls: the team that the token opens, and the user who gave it."""

from dataclasses import dataclass

from simulators.salesloft.store import SalesloftAccount


@dataclass(frozen=True, slots=True)
class Caller:
    account: SalesloftAccount
    user_id: str
    search_lag_s: float

    @property
    def is_team_admin(self) -> bool:
        """The first user of a team is its admin."""
        return self.user_id == self.account.first_user()
