"""The CRMs that notes can be written to: the catalog's, each in a folder of its name."""

import importlib
from typing import Final

from common.catalog import CRMS
from common.config import ActivityConfig

from delivery.adapters.crm.acting import ActingCrm
from delivery.adapters.crm.activity import Activities, HttpActivityCrm


def adapter_of(name: str) -> type[ActingCrm]:
    """The `ADAPTER` of `delivery.adapters.crm.<name>.adapter`."""
    adapter: type[ActingCrm] = importlib.import_module(f"{__name__}.{name}.adapter").ADAPTER
    return adapter


_ADAPTERS: Final[dict[str, type[ActingCrm]]] = {name: adapter_of(name) for name in CRMS}


def crm_for(name: str, activities: ActivityConfig | None = None) -> ActingCrm:
    """A new adapter with a client of its own, to be closed with `aclose()`.

    Args:
        name: the catalog's.
        activities: how they are made, for a CRM that gets one beside the note.

    """
    crm = _ADAPTERS[name]()
    if activities is not None and isinstance(crm, HttpActivityCrm):
        crm.activities = Activities(activities.activity_type, done=activities.activity_done)
    return crm
