"""The CRMs that notes can be written to: the catalog's, each in a module of its name."""

import importlib
from typing import Final

from common.catalog import CRMS

from delivery.adapters.crm.base import HttpCrm


def adapter_of(name: str) -> type[HttpCrm]:
    """The `ADAPTER` of `delivery.adapters.crm.<name>`."""
    adapter: type[HttpCrm] = importlib.import_module(f"{__name__}.{name}").ADAPTER
    return adapter


_ADAPTERS: Final[dict[str, type[HttpCrm]]] = {name: adapter_of(name) for name in CRMS}


def crm_for(name: str) -> HttpCrm:
    """A new adapter with a client of its own, to be closed with `aclose()`."""
    return _ADAPTERS[name]()
