"""Permits: no stretch of a limit's span sees too many calls, and the vendor's word is heeded."""

from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import pairwise
from random import Random

import pytest
from common.catalog import CRMS
from delivery.adapters.crm import crm_for
from delivery.domain.rates import (
    LATE_AT_MOST,
    Asked,
    Bucket,
    Call,
    Permit,
    RateLimit,
    Scope,
    Told,
    Turns,
    heed,
    tells_more,
)
from delivery.domain.rates import (
    take as take_all,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
SPREAD = RateLimit("calls", Scope.TENANT, 110, timedelta(seconds=10))
BUDGET = RateLimit("daily", Scope.TENANT, 100, DAY, {Call.SEARCH: 20}, otherwise=5)
LONG = timedelta(days=9)


def take(
    bucket: Bucket, limit: RateLimit, costs: list[int], now: datetime, patience: timedelta
) -> tuple[Bucket, list[Permit]]:
    calls = [Asked([("one", limit, cost)]) for cost in costs]
    buckets, permits = take_all({"one": bucket}, calls, now, patience)
    return buckets["one"], permits


def most_in_any_span(calls: list[tuple[datetime, int]], span: timedelta) -> int:
    return max(sum(cost for at, cost in calls if start <= at < start + span) for start, _ in calls)


@given(
    amount=st.integers(3, 200),
    span_s=st.sampled_from([1, 2, 10, 60]),
    dearest=st.integers(1, 3),
    turns=st.lists(
        st.tuples(st.integers(0, 3_000), st.lists(st.integers(1, 3), min_size=1, max_size=30)),
        min_size=1,
        max_size=20,
    ),
    late=st.randoms(use_true_random=False),
)
def test_no_stretch_of_its_span_sees_more_than_a_spread_limit_allows_though_calls_come_late(
    amount: int, span_s: int, dearest: int, turns: list[tuple[int, list[int]]], late: Random
) -> None:
    limit = RateLimit("x", Scope.TENANT, max(amount, 3 * dearest), timedelta(seconds=span_s))
    limit = RateLimit(limit.name, limit.scope, limit.amount, limit.per, {Call.SEARCH: dearest})
    bucket, now, calls = Bucket(), NOW, []
    for pause_ms, asked in turns:
        now += timedelta(milliseconds=pause_ms)
        costs = [min(cost, dearest) for cost in asked]
        bucket, permits = take(bucket, limit, costs, now, LONG)
        calls += [
            (permit.at + late.random() * LATE_AT_MOST, cost)
            for permit, cost in zip(permits, costs, strict=True)
        ]
    assert most_in_any_span(calls, limit.per) <= limit.amount


def test_a_backlog_goes_out_near_the_limit_and_first_come_first_served() -> None:
    _, permits = take(Bucket(), SPREAD, [1] * 1000, NOW, LONG)
    assert all(one.at <= other.at for one, other in pairwise(permits))
    within_a_minute = sum(permit.at < NOW + timedelta(seconds=60) for permit in permits)
    assert within_a_minute >= 0.85 * 660


def test_a_call_that_would_wait_too_long_takes_nothing() -> None:
    bucket, permits = take(Bucket(), SPREAD, [1] * 50, NOW, SECOND)
    refused = [permit for permit in permits if not permit.granted]
    assert refused
    assert all(permit.at - NOW > SECOND for permit in refused)
    again, _ = take(bucket, SPREAD, [1], NOW, SECOND)
    assert again == bucket


def test_a_call_that_one_limit_refuses_costs_nothing_at_the_others() -> None:
    held = Bucket(held_until=NOW + DAY)
    both = [("daily", BUDGET, 20), ("calls", SPREAD, 1)]
    buckets, [permit] = take_all({"calls": held}, [Asked(both)], NOW, SECOND)
    assert (permit.at, permit.granted, permit.limit) == (NOW + DAY, False, "calls")
    assert permit.taken == ()
    assert buckets == {"calls": held}


def test_a_call_that_one_limit_holds_back_is_counted_by_the_others_when_it_goes() -> None:
    searches = RateLimit("searches", Scope.TENANT, 5, SECOND)
    both = [("calls", SPREAD, 1), ("searches", searches, 1), ("daily", BUDGET, 1)]
    buckets, permits = take_all({}, [Asked(both)] * 20, NOW, LONG)
    at_once = [permit for permit in permits if permit.at - NOW <= LATE_AT_MOST]
    assert {permit.taken for permit in at_once} == {("calls", "searches", "daily")}
    held = [permit for permit in permits if permit.at - NOW > LATE_AT_MOST]
    assert {permit.taken for permit in held} == {("searches",)}
    assert buckets["daily"].used == len(at_once) < 20
    rest = [one for one in both if one[0] != "searches"]
    _, [later] = take_all(buckets, [Asked(rest)], held[0].at, LONG)
    assert (later.at, later.taken) == (held[0].at, ("calls", "daily"))


KEY = RateLimit("key", Scope.VENDOR_KEY, 60, timedelta(seconds=10))
TENANT = RateLimit("tenant", Scope.TENANT, 40, timedelta(seconds=10))


def all_sent(turns: list[Turns], every: timedelta) -> tuple[list[datetime], int]:
    """When each call went, the first `every` so long, and how often they asked."""
    buckets: dict[str, Bucket] = {}
    due = [(NOW + number * every, number, False) for number in range(len(turns))]
    sent, asked = [NOW] * len(turns), 0
    while due:
        now, number, ready = heappop(due)
        if ready:
            assert all(now - at <= LATE_AT_MOST for at in turns[number].at.values())
            sent[number] = now
            continue
        asked += 1
        buckets, [permit] = take_all(buckets, [turns[number].asked], now, LONG)
        turns[number], pause = turns[number].after(permit)
        heappush(due, (permit.at, number, True) if pause is None else (now + pause, number, False))
    return sent, asked


@given(
    calls=st.lists(st.sampled_from(["a", "a", "a", "b"]), min_size=1, max_size=150),
    every_ms=st.sampled_from([0, 50, 150]),
)
def test_a_call_that_several_limits_hold_back_comes_late_at_none_of_them(
    calls: list[str], every_ms: int
) -> None:
    """Each limit has a queue of its own, and what was taken at one waits for the other."""
    turns = [Turns((("key", KEY, 1), (tenant, TENANT, 1))) for tenant in calls]
    sent, asked = all_sent(turns, timedelta(milliseconds=every_ms))
    assert most_in_any_span([(at, 1) for at in sent], KEY.per) <= KEY.amount
    for tenant in set(calls):
        own = [(at, 1) for at, whose in zip(sent, calls, strict=True) if whose == tenant]
        assert most_in_any_span(own, TENANT.per) <= TENANT.amount
    assert asked <= 5 * len(calls)  # few turns are taken in vain


def test_calls_held_back_by_two_limits_at_once_lose_less_than_half_of_either() -> None:
    """Pipedrive's, with as many searches as would fill the one, and other calls for the other."""
    burst, searches = (limit for limit in crm_for("pipedrive").limits if not limit.is_budget)
    search = Turns((("burst", burst, 1), ("searches", searches, 1)))
    other = Turns((("burst", burst, 1),))
    together, first, second = (
        max(all_sent(calls, timedelta(0))[0]) - NOW
        for calls in ([search, *[other] * 7] * 60, [search] * 60, [other] * 480)
    )
    assert together < 2 * max(first, second)


def test_what_the_vendors_word_holds_back_does_not_come_all_at_once() -> None:
    held = heed(Bucket(), SPREAD, Told("calls", remaining=0, resets_in=9 * SECOND), NOW)
    calls: list[tuple[datetime, int]] = []
    for second in range(30):
        now = NOW + second * SECOND
        held, permits = take(held, SPREAD, [1] * 20, now, LONG)
        calls += [(permit.at, 1) for permit in permits]
    assert most_in_any_span(calls, SPREAD.per) <= SPREAD.amount


def test_all_of_a_budget_may_be_used_at_once_and_the_next_begins_with_the_day() -> None:
    bucket, permits = take(Bucket(), BUDGET, [20] * 5, NOW, SECOND)
    assert {permit.at for permit in permits} == {NOW}
    bucket, [refused] = take(bucket, BUDGET, [5], NOW, SECOND)
    tomorrow = datetime(2026, 11, 23, tzinfo=UTC)
    assert (refused.granted, refused.at) == (False, tomorrow)
    _, [granted] = take(bucket, BUDGET, [5], tomorrow, SECOND)
    assert granted.granted


def test_a_budget_that_others_used_up_is_known_from_the_vendors_count() -> None:
    told = Told("daily", amount=1000, remaining=5)
    assert tells_more(Bucket(), BUDGET, told)
    bucket = heed(Bucket(), BUDGET, told, NOW)
    bucket, [granted, refused] = take(bucket, BUDGET, [5, 1], NOW, SECOND)
    assert (granted.granted, refused.granted) == (True, False)
    assert not tells_more(bucket, BUDGET, told)


def test_the_vendors_word_holds_everybody_until_then() -> None:
    told = Told("calls", remaining=0, resets_in=timedelta(seconds=7))
    bucket = heed(Bucket(), SPREAD, told, NOW)
    _, [permit] = take(bucket, SPREAD, [1], NOW, LONG)
    assert permit.at == NOW + timedelta(seconds=7)
    earlier = heed(bucket, SPREAD, Told("calls", remaining=0, resets_in=SECOND), NOW)
    assert earlier == bucket


def test_a_larger_plan_is_learnt_from_the_headers() -> None:
    told = Told("calls", amount=480, remaining=479)
    assert tells_more(Bucket(), SPREAD, told)
    bucket = heed(Bucket(), SPREAD, told, NOW)
    assert not tells_more(bucket, SPREAD, told)
    _, permits = take(bucket, SPREAD, [1] * 400, NOW, timedelta(seconds=10))
    assert all(permit.granted for permit in permits)


def test_plenty_left_by_the_vendors_count_is_not_worth_a_write() -> None:
    assert not tells_more(Bucket(), SPREAD, Told("calls", 110, 50, SECOND))
    assert tells_more(Bucket(), SPREAD, Told("calls", 110, 2, SECOND))


@pytest.mark.parametrize("name", CRMS)
async def test_every_crm_declares_limits_that_some_call_counts_towards(name: str) -> None:
    crm = crm_for(name)
    names = [limit.name for limit in crm.limits]
    assert len(names) == len(set(names)) > 0
    for limit in crm.limits:
        assert any(limit.cost(call) for call in Call)
        assert max(limit.cost(call) for call in Call) <= limit.amount / 2
    await crm.aclose()
