"""Pipedrive, as the simulators offer it."""

from urllib.parse import urlsplit

from simulators.pipedrive.api import Pipedrive
from simulators.pipedrive.oauth import token_answer
from simulators.pipedrive.store import PipedriveAccount
from simulators.simulator import Simulator

SIMULATOR = Simulator(
    name="pipedrive",
    title="Pipedrive",
    code_lifetime_s=300,
    token_lifetime_s=3599,
    rotates_refresh_tokens=True,  # its error text speaks of one "already exchanged"
    vendor=Pipedrive,
    new_account=PipedriveAccount,
    numeric_ids=False,
    api_base=lambda root, account: f"{root}/pipedrive/{account}",
    tokens=lambda world, grant, now, root: token_answer(world, grant, now, f"{root}/pipedrive"),
    addresses=lambda root: {
        "PIPEDRIVE_OAUTH_URL": f"{root}/pipedrive",
        "PIPEDRIVE_API_HOSTS": urlsplit(root).hostname or "",
    },
)
