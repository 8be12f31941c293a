"""The CRMs that are simulated: the one list to add a new one to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulators.crm import CrmAccount, User
from simulators.http import Json
from simulators.hubspot import oauth as hubspot_oauth
from simulators.hubspot.api import HubSpot
from simulators.hubspot.store import HubSpotAccount
from simulators.oauth import Grant
from simulators.pipedrive import oauth as pipedrive_oauth
from simulators.pipedrive.api import Pipedrive
from simulators.pipedrive.store import PipedriveAccount
from simulators.vendor import Vendor
from simulators.world import World


@dataclass(frozen=True, slots=True)
class Crm:
    title: str
    vendor: Callable[[World], Vendor]
    new_account: Callable[[str, str, Iterable[User]], CrmAccount]
    numeric_ids: bool  # account ids are digits
    api_base: Callable[[str, str], str]  # (our root, account id)
    tokens: Callable[
        [World, Grant, float, str], Json
    ]  # what the token call answers; (.., our root)


CRMS: dict[str, Crm] = {
    "hubspot": Crm(
        title="HubSpot",
        vendor=HubSpot,
        new_account=HubSpotAccount,
        numeric_ids=True,
        api_base=lambda root, account: f"{root}/hubspot",
        tokens=lambda world, grant, now, root: hubspot_oauth.token_answer(world, grant, now),
    ),
    "pipedrive": Crm(
        title="Pipedrive",
        vendor=Pipedrive,
        new_account=PipedriveAccount,
        numeric_ids=False,
        api_base=lambda root, account: f"{root}/pipedrive/{account}",
        tokens=lambda world, grant, now, root: pipedrive_oauth.token_answer(
            world, grant, now, f"{root}/pipedrive"
        ),
    ),
}
