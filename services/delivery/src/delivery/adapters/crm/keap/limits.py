"""Keap's limits: of our client key over all customers together, and of each account.

Source: Keap's pages on quotas (developer.infusionsoft.com, api-token-quota-and-usage-measurements)
and 429s shown in its community (threads 74173, 88137 and 89944), read 2026-11-22. Retry-After is
not promised; a spike is refused without any header.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Final

from common.http import Answer

from delivery.adapters.calls import answered_at
from delivery.adapters.crm.acting import ActingCrm
from delivery.domain.rates import RateLimit, Scope, Told

# The quota of a day is full again at 00:00 UTC; asking once an hour costs nothing.
QUOTA_WAIT: Final = timedelta(hours=1)
LEFT: Final = {  # header, and place in it, of what is left of each limit
    "day": ("x-keap-product-quota-available", 0),
    "account_day": ("x-keap-tenant-throttle-available", 1),
    "minute": ("x-keap-product-throttle-available", 0),
    "account": ("x-keap-tenant-throttle-available", 0),
}
SPIKE: Final = b"policies.ratelimit.SpikeArrestViolation"


class KeapLimits(ActingCrm):
    limits: ClassVar[tuple[RateLimit, ...]] = (
        RateLimit("minute", Scope.VENDOR_KEY, 1_500, timedelta(minutes=1)),
        RateLimit("spike", Scope.VENDOR_KEY, 25, timedelta(seconds=1)),
        RateLimit("day", Scope.VENDOR_KEY, 150_000, timedelta(days=1)),
        RateLimit("account", Scope.TENANT, 10_000, timedelta(minutes=1)),
        RateLimit("account_day", Scope.TENANT, 250_000, timedelta(days=1)),
    )
    rate_limit_wait = timedelta(minutes=1)

    def window_ends(self, response: Answer) -> timedelta:
        hit = self.limit_hit(response)
        if hit == "spike":
            return timedelta(seconds=1)
        return _day_ends(response) if hit in ("day", "account_day") else self.rate_limit_wait

    def limit_hit(self, response: Answer) -> str:
        if SPIKE in response.content:
            return "spike"
        return next((told.limit for told in self.told(response) if told.remaining == 0), "minute")

    def told(self, response: Answer) -> Sequence[Told]:
        found = []
        for name, (header, place) in LEFT.items():
            left = response.headers.get(header, "").split("|")[place:][:1]
            if left and left[0].isascii() and left[0].isdecimal():
                remaining = int(left[0])
                ends = _day_ends(response) if "day" in name else self.rate_limit_wait
                # When a minute began is not told: while something is left, our own pace is enough.
                found.append(Told(name, None, remaining, None if remaining else ends))
        return found


def _day_ends(response: Answer) -> timedelta:
    at = answered_at(response)
    if at is None:
        return QUOTA_WAIT
    midnight = at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    return min(midnight - at, QUOTA_WAIT)
