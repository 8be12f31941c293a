"""Zendesk Sell, as the simulators offer it."""

from simulators.simulator import Simulator
from simulators.zendesk_sell.api import ZendeskSell
from simulators.zendesk_sell.oauth import token_answer
from simulators.zendesk_sell.store import SellAccount

SIMULATOR = Simulator(
    name="zendesk_sell",
    title="Zendesk Sell",
    code_lifetime_s=600,  # not documented, so generous
    token_lifetime_s=3599,
    rotates_refresh_tokens=False,  # "does not expire"; the answer repeats it
    vendor=ZendeskSell,
    new_account=SellAccount,
    numeric_ids=True,
    api_base=lambda root, account: f"{root}/zendesk_sell",
    tokens=lambda world, grant, now, root: token_answer(world, grant, now),
    addresses=lambda root: {"ZENDESK_SELL_URL": f"{root}/zendesk_sell"},
)
