"""The CRMs that notes can be written to, by name."""

from typing import Final

from delivery.adapters.crm.base import HttpCrm
from delivery.adapters.crm.hubspot import HubSpot
from delivery.adapters.crm.pipedrive import Pipedrive

_ADAPTERS: Final[dict[str, type[HttpCrm]]] = {
    adapter.name: adapter for adapter in (HubSpot, Pipedrive)
}
CRM_NAMES: Final = tuple(_ADAPTERS)


def crm_for(name: str) -> HttpCrm:
    """A new adapter with a client of its own, to be closed with `aclose()`."""
    return _ADAPTERS[name]()
