"""The CRMs that notes can be written to: the catalog's, each in a module of its name."""

import importlib
from typing import Final

from common.catalog import CRMS

from delivery.adapters.crm.acting import ActingCrm


def adapter_of(name: str) -> type[ActingCrm]:
    """The `ADAPTER` of `delivery.adapters.crm.<name>`."""
    adapter: type[ActingCrm] = importlib.import_module(f"{__name__}.{name}").ADAPTER
    return adapter


_ADAPTERS: Final[dict[str, type[ActingCrm]]] = {name: adapter_of(name) for name in CRMS}


def crm_for(name: str) -> ActingCrm:
    """A new adapter with a client of its own, to be closed with `aclose()`."""
    return _ADAPTERS[name]()
