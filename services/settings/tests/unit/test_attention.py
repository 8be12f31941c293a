"""What an admin is told without asking, and what is no reason to."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from common.outcomes import Outcome
from settings.domain.attention import LOOKED_AT, Attention, Lately, Matter, attention
from settings.domain.installations import ConnectionState, InstalledApp, Workspace

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOBODY = Outcome.NO_ACTIVE_ASSIGNEE


def workspace(state: ConnectionState = ConnectionState.CONNECTED) -> Workspace:
    return Workspace("wk1", "EU", "Acme", "UTC", "5001", state)


def app(state: ConnectionState = ConnectionState.CONNECTED, *, sync: bool = True) -> InstalledApp:
    return InstalledApp(
        "hubspot",
        1,
        NOW,
        "5001",
        sync,
        "update",
        False,
        None,
        "42001",
        "https://x",
        state,
        None,
        (),
    )


def found(
    lately: Mapping[str, Lately],
    last_update_at: datetime | None = NOW,
    apps: Sequence[InstalledApp] = (app(),),
) -> list[Attention]:
    return attention(workspace(), apps, lately, last_update_at, NOW)


def test_a_workspace_in_order_is_left_in_peace() -> None:
    assert found({"hubspot": Lately(0, [Outcome.DELIVERED] * LOOKED_AT, 7)}) == []
    assert found({}, last_update_at=None) == []


def test_a_lost_connection_comes_first() -> None:
    lost = ConnectionState.RECONNECT_NEEDED
    told = attention(workspace(lost), [app(lost)], {"hubspot": Lately(failures=2)}, NOW, NOW)
    assert told == [
        Attention(Matter.INTERCOM_RECONNECT),
        Attention(Matter.RECONNECT, "hubspot"),
        Attention(Matter.FAILURES, "hubspot", 2),
    ]


@pytest.mark.parametrize(
    ("days", "last_update_at", "silent"),
    [
        (5, NOW - timedelta(days=1), True),
        (5, NOW - timedelta(days=1) + MINUTE, False),
        (4, NOW - timedelta(days=3), False),  # it seldom talks: silence says nothing
        (7, None, False),  # when it last did is not known
    ],
)
def test_a_day_of_silence_counts_where_people_usually_talk(
    days: int, last_update_at: datetime | None, silent: bool
) -> None:
    told = found({"hubspot": Lately(days=days)}, last_update_at)
    assert (told == [Attention(Matter.SILENCE)]) is silent


@pytest.mark.parametrize(
    ("newest", "told"),
    [
        ([NOBODY] * LOOKED_AT, True),
        ([NOBODY, Outcome.TEAM_ONLY] * (LOOKED_AT // 2), True),
        ([NOBODY] * (LOOKED_AT - 1), False),
        ([NOBODY] * (LOOKED_AT - 1) + [Outcome.DELIVERED], False),
    ],
)
def test_twenty_conversations_of_nobody_in_a_row_are_told(
    newest: list[Outcome], told: bool
) -> None:
    expected = [Attention(Matter.UNASSIGNED, "hubspot", LOOKED_AT)] if told else []
    assert found({"hubspot": Lately(newest=newest)}) == expected


def test_whose_sync_is_off_knows_why_nothing_is_written() -> None:
    newest = {"hubspot": Lately(newest=[NOBODY] * LOOKED_AT)}
    assert found(newest, apps=[app(sync=False)]) == []
