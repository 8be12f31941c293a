"""Dynamics 365, as the simulators offer it."""

from urllib.parse import urlsplit

from simulators.dynamics365.api import Dynamics365
from simulators.dynamics365.entra import token_answer
from simulators.dynamics365.store import DynamicsAccount
from simulators.simulator import Simulator

SIMULATOR = Simulator(
    name="dynamics365",
    title="Dynamics 365",
    code_lifetime_s=600,
    token_lifetime_s=3599,
    rotates_refresh_tokens=False,  # a new one each time, and the old one lives on
    vendor=Dynamics365,
    new_account=DynamicsAccount,
    numeric_ids=False,
    api_base=lambda root, account: f"{root}/dynamics365/{account}",
    tokens=lambda world, grant, now, root: token_answer(
        world, grant, now, f"{root}/dynamics365/{grant.account}"
    ),
    addresses=lambda root: {
        "DYNAMICS365_LOGIN_URL": f"{root}/dynamics365/login",
        "DYNAMICS365_DISCOVERY_URL": f"{root}/dynamics365/globaldisco",
        "DYNAMICS365_API_HOSTS": urlsplit(root).hostname or "",
    },
)
