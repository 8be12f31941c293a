"""Keap, as the simulators offer it."""

from simulators.keap.api import Keap
from simulators.keap.oauth import token_answer
from simulators.keap.store import KeapAccount
from simulators.simulator import Simulator

SIMULATOR = Simulator(
    name="keap",
    title="Keap",
    code_lifetime_s=600,  # not documented, so generous
    token_lifetime_s=86_400,  # by Keap's staff, community.keap.com/t/how-to-get-access-token/86529
    rotates_refresh_tokens=True,
    vendor=Keap,
    new_account=KeapAccount,
    numeric_ids=False,
    api_base=lambda root, account: f"{root}/keap",
    tokens=lambda world, grant, now, root: token_answer(world, grant, now),
    addresses=lambda root: {
        "KEAP_ACCOUNTS_URL": f"{root}/keap",
        "KEAP_API_URL": f"{root}/keap",
    },
)
