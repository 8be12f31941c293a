"""A Keap account (tenant): plain-text notes, and the limits that calls on it are held to."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final

from simulators.crm import CrmAccount, User
from simulators.rate_limits import GridWindow, RollingWindow

# No limit is documented; text custom fields hold 65,535 characters, a MySQL TEXT so many bytes.
TEXT_MAX_BYTES: Final = 65_535
TITLE_MAX_CHARS: Final = 255
MINUTE_S, DAY_S = 60, 86_400
STAGES: Final = ("New Opportunity", "Contacted", "Qualified")

_LIMITS: Final = {
    # Of the app, over all accounts together.
    "product_per_second": 25,
    "product_per_minute": 1_500,
    "product_per_day": 150_000,
    # Of this account, over all apps.
    "tenant_per_minute": 10_000,
    "tenant_per_day": 250_000,
}


class ProductQuota:
    """What one client key may call, over all accounts together; the day starts at 00:00 UTC."""

    def __init__(self) -> None:
        self.day = GridWindow(_LIMITS["product_per_day"], DAY_S)
        self.minute = GridWindow(_LIMITS["product_per_minute"], MINUTE_S)
        self.second = RollingWindow(_LIMITS["product_per_second"], 1)


class KeapAccount(CrmAccount):
    """`id` is the tenant id. Record ids count from 1 in each account, so they repeat."""

    crm = "keap"
    html = False

    def __init__(self, account_id: str, name: str, users: Iterable[User]) -> None:
        super().__init__(account_id, name, users, itertools.count(1))
        self._limits = dict(_LIMITS)
        self.minute = GridWindow(_LIMITS["tenant_per_minute"], MINUTE_S)
        self.day = GridWindow(_LIMITS["tenant_per_day"], DAY_S)

    def hold(self, quota: ProductQuota) -> None:
        """Make the windows as wide as this account's limits say."""
        quota.second.limit = self._limits["product_per_second"]
        quota.minute.limit = self._limits["product_per_minute"]
        quota.day.limit = self._limits["product_per_day"]
        self.minute.limit = self._limits["tenant_per_minute"]
        self.day.limit = self._limits["tenant_per_day"]

    def global_id(self, user_id: str) -> str:
        """A user's id across all tenants, which is not the one that notes take."""
        return f"77{int(user_id):06d}"

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        for name, value in limits.items():
            if name not in self._limits:
                message = f"no such limit: {name}"
                raise ValueError(message)
            self._limits[name] = int(value)

    def limits(self) -> dict[str, Any]:
        return dict(self._limits)

    def sanitize(self, html: str) -> str:
        """Notes are plain text: tags are letters like any others."""
        return html.replace("\r\n", "\n").strip()
