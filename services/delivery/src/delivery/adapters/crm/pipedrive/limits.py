"""Pipedrive's limits: a burst and searches for each connection, a daily budget for each company.

Source: Pipedrive's page on rate limiting, and `x-token-cost` of its OpenAPI descriptions, read
2026-11-22.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Final

from common.http import Answer

from delivery.adapters.calls import capped, whole_number
from delivery.adapters.crm.acting import ActingCrm
from delivery.domain.rates import Call, RateLimit, Scope, Told

# The daily budget is refilled at midnight of the server, whose time zone is not told.
BUDGET_WAIT: Final = timedelta(hours=1)
BURST: Final = timedelta(seconds=2)
SEARCHES: Final = 10  # in a burst's span, on all plans
TOKENS: Final = {  # what a request costs of the daily budget (`x-token-cost` of the descriptions)
    Call.SEARCH: 20,
    Call.PERSON: 1,
    Call.NOTES: 20,
    Call.NOTE: 2,
    Call.CREATE_NOTE: 10,
    Call.UPDATE_NOTE: 10,
    Call.DELETE_NOTE: 6,
    Call.ACTIVITIES: 10,
    Call.ACTIVITY: 1,
    Call.CREATE_ACTIVITY: 5,
    Call.UPDATE_ACTIVITY: 5,
    Call.DELETE_ACTIVITY: 3,
}


class PipedriveLimits(ActingCrm):
    limits: ClassVar[tuple[RateLimit, ...]] = (
        # Those of the smallest plan; its headers tell of larger ones.
        RateLimit("burst", Scope.CONNECTION, 80, BURST),
        RateLimit("searches", Scope.CONNECTION, SEARCHES, BURST, {Call.SEARCH: 1}, otherwise=0),
        RateLimit("daily", Scope.TENANT, 30_000, timedelta(days=1), TOKENS, otherwise=20),
    )
    rate_limit_wait = BURST

    def window_ends(self, response: Answer) -> timedelta:
        if self.limit_hit(response) == "daily":
            return BUDGET_WAIT
        return max(_resets_in(response) or timedelta(0), self.rate_limit_wait)

    def limit_hit(self, response: Answer) -> str:
        if whole_number(response, "x-daily-ratelimit-token-remaining") == 0:
            return "daily"
        # A refused search tells of its own limit, which is far below the burst of any plan.
        amount = whole_number(response, "x-ratelimit-limit")
        return "burst" if amount is None or amount > SEARCHES else "searches"

    def told(self, response: Answer) -> Sequence[Told]:
        told = []
        tokens = whole_number(response, "x-daily-ratelimit-token-remaining")
        if tokens is not None:  # undocumented, and sometimes missing
            amount = whole_number(response, "x-daily-ratelimit-token-limit")
            told.append(Told("daily", amount, tokens, None if tokens else BUDGET_WAIT))
        left = whole_number(response, "x-ratelimit-remaining")
        amount = whole_number(response, "x-ratelimit-limit")
        # A refused search is answered with the numbers of its own limit, by the same names.
        if left is not None and response.status_code != 429:
            told.append(Told("burst", amount, left, _resets_in(response)))
        return told


def _resets_in(response: Answer) -> timedelta | None:
    seconds = whole_number(response, "x-ratelimit-reset")
    return None if seconds is None else capped(timedelta(seconds=seconds))
