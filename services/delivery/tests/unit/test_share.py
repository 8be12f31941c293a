"""A workspace's share of the workers grows while it is easy, and always leaves room for others."""

import pytest
from delivery.domain.share import room, size_after

POOL = 256


@pytest.mark.parametrize("busy", [1, 2, 5, 20])
def test_busy_workspaces_share_evenly_and_leave_room_for_one_more(busy: int) -> None:
    running = dict.fromkeys(range(busy), 0)
    for turn in range(busy * 500):
        space = turn % busy
        running[space] -= running[space] // 4  # some of its attempts ended
        running[space] += room(10_000.0, running[space], POOL - sum(running.values()))
    free = POOL - sum(running.values())
    even = POOL / (busy + 1)
    assert even / 2 <= free <= even * 2
    assert max(running.values()) <= 2 * min(running.values()) + 1


def test_whoever_has_nothing_running_gets_the_last_worker() -> None:
    assert room(4.0, 0, 1) == 1
    assert room(4.0, 1, 1) == 0
    assert room(4.0, 0, 0) == 0


def test_it_doubles_each_time_round_while_easy_and_only_when_that_is_in_the_way() -> None:
    size = 4.0
    for _ in range(4):
        size = size_after(size, failed=False, waited_s=0, was_full=True)
    assert size == 8
    assert size_after(size, failed=False, waited_s=0, was_full=False) == 8


@pytest.mark.parametrize(("failed", "waited_s", "left"), [(True, 0.0, 8.0), (False, 2.0, 15.0)])
def test_trouble_and_waits_make_it_smaller_but_never_nothing(
    failed: bool, waited_s: float, left: float
) -> None:
    assert size_after(16.0, failed=failed, waited_s=waited_s, was_full=True) == left
    size = 16.0
    for _ in range(100):
        size = size_after(size, failed=failed, waited_s=waited_s, was_full=True)
    assert size == 1
    assert room(size, 0, POOL) == 1
