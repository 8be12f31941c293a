"""What HubSpot's and Pipedrive's answers say about their limits, and which one a 429 is about."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from common.http import Answer
from delivery.adapters.crm.hubspot.adapter import HubSpot
from delivery.adapters.crm.pipedrive.adapter import Pipedrive
from delivery.adapters.crm.pipedrive.limits import BUDGET_WAIT
from delivery.domain.rates import Told


@pytest.fixture
async def hubspot() -> AsyncIterator[HubSpot]:
    crm = HubSpot()
    yield crm
    await crm.aclose()


@pytest.fixture
async def pipedrive() -> AsyncIterator[Pipedrive]:
    crm = Pipedrive()
    yield crm
    await crm.aclose()


def answered(status: int = 200, body: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, httpx.Headers(named), json.dumps(body).encode())


async def test_hubspot_tells_of_the_limit_of_calls_and_nothing_after_a_search(
    hubspot: HubSpot,
) -> None:
    answer = answered(
        X_HubSpot_RateLimit_Max="190",
        X_HubSpot_RateLimit_Remaining="7",
        X_HubSpot_RateLimit_Interval_Milliseconds="10000",
    )
    assert list(hubspot.told(answer)) == [Told("calls", 190, 7, timedelta(seconds=1))]
    assert list(hubspot.told(answered())) == []
    assert list(hubspot.told(answered(X_HubSpot_RateLimit_Remaining="soon"))) == []


@pytest.mark.parametrize(
    ("policy", "limit"),
    [("SECONDLY", "searches"), ("TEN_SECONDLY_ROLLING", "calls"), (None, "calls")],
)
async def test_hubspot_says_by_its_policy_which_limit_was_hit(
    hubspot: HubSpot, policy: str | None, limit: str
) -> None:
    assert hubspot.limit_hit(answered(429, {"policyName": policy})) == limit


async def test_pipedrive_tells_of_the_burst_and_of_the_days_budget(pipedrive: Pipedrive) -> None:
    answer = answered(
        x_ratelimit_limit="160",
        x_ratelimit_remaining="12",
        x_ratelimit_reset="2",
        x_daily_ratelimit_token_limit="60000",
        x_daily_ratelimit_token_remaining="59980",
    )
    assert list(pipedrive.told(answer)) == [
        Told("daily", 60_000, 59_980, None),
        Told("burst", 160, 12, timedelta(seconds=2)),
    ]
    assert list(pipedrive.told(answered(x_ratelimit_remaining="3"))) == [Told("burst", None, 3)]


@pytest.mark.parametrize(
    ("headers", "limit"),
    [
        ({"x_ratelimit_limit": "80", "x_ratelimit_remaining": "0"}, "burst"),
        ({"x_ratelimit_limit": "10", "x_ratelimit_remaining": "0"}, "searches"),
        ({"x_daily_ratelimit_token_remaining": "0"}, "daily"),
        ({}, "burst"),
    ],
)
async def test_pipedrive_says_by_its_numbers_which_limit_was_hit(
    pipedrive: Pipedrive, headers: dict[str, str], limit: str
) -> None:
    answer = answered(429, {}, **headers)
    assert pipedrive.limit_hit(answer) == limit
    assert pipedrive.window_ends(answer) == (
        BUDGET_WAIT if limit == "daily" else timedelta(seconds=2)
    )
    # The numbers beside a refusal may be those of the search: they say nothing of the burst.
    assert [told.limit for told in pipedrive.told(answer)] in ([], ["daily"])
