"""Which connections are refreshed though nobody asks for them, and how often."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.clock import FakeClock
from settings.handlers.access import ReconnectNeeded
from settings.handlers.idling import AGAIN_AFTER, IDLE_AFTER, Idle
from settings.ports.faults import NotInstalled, StoreUnavailable, VendorUnavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Stores:
    def __init__(self, *idle: tuple[str, str]) -> None:
        self.idle = list(idle)
        self.asked: list[datetime] = []
        self.away = False

    async def obtained_before(self, before: datetime) -> list[tuple[str, str]]:
        self.asked.append(before)
        if self.away:
            raise StoreUnavailable("away")
        return self.idle


class Accesses:
    def __init__(self, fault: Exception | None = None) -> None:
        self.refreshed: list[tuple[str, str]] = []
        self.fault = fault

    async def crm(self, workspace_id: str, app: str, rejected: str | None, caller: str) -> None:
        self.refreshed.append((workspace_id, app))
        if self.fault is not None:
            raise self.fault


def idle(stores: Any, accesses: Any) -> tuple[Idle, FakeClock]:
    clock = FakeClock(NOW)
    return Idle(stores, accesses, clock), clock


async def test_pairs_are_refreshed_long_before_the_first_vendor_ends_them() -> None:
    stores, accesses, beats = Stores(("wk1", "keap"), ("wk2", "pipedrive")), Accesses(), []
    one, _ = idle(stores, accesses)
    await one.refresh(lambda: beats.append(1))
    assert stores.asked == [NOW - IDLE_AFTER]
    assert timedelta(days=30) > IDLE_AFTER
    assert accesses.refreshed == [("wk1", "keap"), ("wk2", "pipedrive")]
    assert len(beats) == 2  # alive after each, however slow a vendor is


@pytest.mark.parametrize(
    "fault",
    [VendorUnavailable("http_503"), ReconnectNeeded(), NotInstalled(), StoreUnavailable("x"), None],
)
async def test_one_that_stays_idle_is_tried_again_after_an_hour_and_holds_up_no_other(
    fault: Exception | None,
) -> None:
    accesses = Accesses(fault)
    one, clock = idle(Stores(("wk1", "keap"), ("wk2", "keap")), accesses)
    for _ in range(3):
        await one.refresh()
    assert accesses.refreshed == [("wk1", "keap"), ("wk2", "keap")]
    clock.advance(AGAIN_AFTER)
    await one.refresh()
    assert len(accesses.refreshed) == 4


async def test_one_that_was_refreshed_is_forgotten_and_may_come_again() -> None:
    stores, accesses = Stores(("wk1", "keap")), Accesses()
    one, _ = idle(stores, accesses)
    await one.refresh()
    stores.idle = []
    await one.refresh()
    stores.idle = [("wk1", "keap")]
    await one.refresh()
    assert len(accesses.refreshed) == 2


async def test_without_postgresql_nothing_is_tried() -> None:
    stores, accesses = Stores(("wk1", "keap")), Accesses()
    stores.away = True
    one, _ = idle(stores, accesses)
    await one.refresh()
    assert accesses.refreshed == []
