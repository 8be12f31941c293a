"""HubSpot, as the simulators offer it."""

from simulators.hubspot.api import HubSpot
from simulators.hubspot.oauth import token_answer
from simulators.hubspot.store import HubSpotAccount
from simulators.simulator import Simulator

SIMULATOR = Simulator(
    name="hubspot",
    title="HubSpot",
    code_lifetime_s=600,  # not documented, so generous
    token_lifetime_s=1800,
    rotates_refresh_tokens=False,  # was seen to give the same one back
    vendor=HubSpot,
    new_account=HubSpotAccount,
    numeric_ids=True,
    api_base=lambda root, account: f"{root}/hubspot",
    tokens=lambda world, grant, now, root: token_answer(world, grant, now),
    addresses=lambda root: {
        "HUBSPOT_APP_URL": f"{root}/hubspot",
        "HUBSPOT_API_URL": f"{root}/hubspot",
    },
)
