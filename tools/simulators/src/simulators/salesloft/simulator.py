"""Salesloft, as the simulators offer it."""

from simulators.salesloft.api import Salesloft
from simulators.salesloft.oauth import token_answer
from simulators.salesloft.store import SalesloftAccount
from simulators.simulator import Simulator

SIMULATOR = Simulator(
    name="salesloft",
    title="Salesloft",
    code_lifetime_s=600,  # not documented, so generous
    token_lifetime_s=7200,
    rotates_refresh_tokens=True,
    vendor=Salesloft,
    new_account=SalesloftAccount,
    numeric_ids=True,
    api_base=lambda root, account: f"{root}/salesloft",
    tokens=lambda world, grant, now, root: token_answer(world, grant, now),
    addresses=lambda root: {
        "SALESLOFT_ACCOUNTS_URL": f"{root}/salesloft",
        "SALESLOFT_API_URL": f"{root}/salesloft",
    },
)
