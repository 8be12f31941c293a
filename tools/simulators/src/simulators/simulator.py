"""What one simulated CRM says of itself: a folder `simulators/<crm>/` with `simulator.py` in it.

Besides `simulator.py`, whose `SIMULATOR` is found by `simulators.crms`, the folder holds
`contract.py`, whose `CONTRACT` says how the vendor's API description is to be read.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from simulators.crm import CrmAccount, User
from simulators.http import Json
from simulators.oauth import Grant
from simulators.vendor import Vendor
from simulators.world import CrmFacts, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator(CrmFacts):
    vendor: Callable[[World], Vendor]
    new_account: Callable[[str, str, Iterable[User]], CrmAccount]
    numeric_ids: bool  # account ids are digits
    api_base: Callable[[str, str], str]  # (our root, account id)
    tokens: Callable[[World, Grant, float, str], Json]  # what the token call answers; (.., root)
    # Variables of settings, without `LULL_`, that point it here instead of at the vendor; (root).
    # Client id and secret, `<CRM>_CLIENT_ID` and `<CRM>_CLIENT_SECRET`, are added by themselves.
    addresses: Callable[[str], Mapping[str, str]]

    def account_id(self, number: int) -> str:
        """One that this CRM could have, for tests."""
        return str(42_000 + number) if self.numeric_ids else f"company{number}"
