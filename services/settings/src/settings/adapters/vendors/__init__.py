"""One file per vendor, with what only it does; `base` sends and sorts the answers.

The catalog's CRMs are found by name: `settings.adapters.vendors.<crm>` offers itself as `VENDOR`.
"""

import importlib
from typing import Any, Final

from common.catalog import CRMS

from settings.adapters.vendors.base import Offer


def _offer(crm: str) -> Offer[Any]:
    offer: Offer[Any] = importlib.import_module(f"{__name__}.{crm}").VENDOR
    return offer


OFFERS: Final[tuple[Offer[Any], ...]] = tuple(_offer(crm) for crm in CRMS)
