"""The CRMs that are simulated: every folder here with a `simulator.py`."""

import importlib.util
import pkgutil

import simulators
from simulators.simulator import Simulator
from simulators.world import client_of

REGIONS = ("us", "eu", "au")


def _found() -> dict[str, Simulator]:
    found: dict[str, Simulator] = {}
    for folder in pkgutil.iter_modules(simulators.__path__):
        name = f"simulators.{folder.name}.simulator"
        if folder.ispkg and importlib.util.find_spec(name) is not None:
            simulator: Simulator = importlib.import_module(name).SIMULATOR
            found[simulator.name] = simulator
    return found


CRMS: dict[str, Simulator] = _found()


def variables(root: str) -> dict[str, str]:
    """What the services are given to reach the simulators at `root` instead of the vendors."""
    values = {
        "INTERCOM_CLIENT_ID": client_of("intercom")[0],
        "INTERCOM_CLIENT_SECRETS": client_of("intercom")[1],
        "INTERCOM_APP_URL": f"{root}/intercom/us/app",
        "INTERCOM_API_URLS": ",".join(f"{r}={root}/intercom/{r}" for r in REGIONS),
        "INTERCOM_LINK_URLS": ",".join(f"{r}={root}/intercom/{r}/app" for r in REGIONS),
    }
    for crm in CRMS.values():
        client_id, client_secret = client_of(crm.name)
        ours = {"CLIENT_ID": client_id, "CLIENT_SECRET": client_secret}
        values |= {f"{crm.name.upper()}_{name}": value for name, value in ours.items()}
        values |= crm.addresses(root)
    return {f"LULL_{name}": value for name, value in values.items()}
