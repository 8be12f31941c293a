"""Which conversation a person means by what they pasted, and the days of a filter."""

from datetime import UTC, datetime

import pytest
from settings.console.history_pages import read_search
from settings.domain.installations import ConnectionState, Workspace
from settings.domain.links import conversation_meant, conversation_url
from settings.handlers.history import day_began

ID = "215470000000001"
BERLIN = Workspace("wk1", "EU", "Acme", "Europe/Berlin", "5001", ConnectionState.CONNECTED)


@pytest.mark.parametrize(
    "text",
    [
        ID,
        f"  {ID}\n",
        f"https://app.intercom.com/a/inbox/wk1/inbox/conversation/{ID}",
        f"https://app.eu.intercom.com/a/inbox/wk1/inbox/shared/all/conversation/{ID}?view=List#part",
        f"https://app.intercom.com/a/apps/wk1/conversations/{ID}/",
        f"app.intercom.com/a/inbox/wk1/inbox/conversation/{ID}",
    ],
)
def test_an_id_and_every_link_of_intercoms_is_understood(text: str) -> None:
    assert conversation_meant(text) == ID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "-1",
        "²",
        f"{ID}0000000000",
        "https://app.intercom.com/a/inbox/wk1/inbox/conversation/",
        "https://app.intercom.com/a/inbox/wk1/inbox/conversation/abc",
        f"https://app.intercom.com/?next=/conversation/{ID}",
        "http://[",
        f"https://app.intercom.com/{'x' * 3_000}/conversation/{ID}",
    ],
)
def test_anything_else_is_not(text: str) -> None:
    assert conversation_meant(text) is None


def test_what_we_link_to_is_understood_again() -> None:
    link = conversation_url("https://app.eu.intercom.com/", "wk1", ID)
    assert link == f"https://app.eu.intercom.com/a/inbox/wk1/inbox/conversation/{ID}"
    assert conversation_meant(link) == ID


def test_a_day_is_the_workspaces_own_and_its_last_moment_counts() -> None:
    wanted = read_search({"from": "2026-11-26", "to": "2026-11-26"}, BERLIN, failures=False).wanted
    assert wanted.since == datetime(2026, 11, 25, 23, tzinfo=UTC)
    assert wanted.until == datetime(2026, 11, 26, 23, tzinfo=UTC)
    now = datetime(2026, 11, 25, 23, 30, tzinfo=UTC)
    assert day_began(now, "Europe/Berlin") == datetime(2026, 11, 25, 23, tzinfo=UTC)
    assert day_began(now, "America/New_York") == datetime(2026, 11, 25, 5, tzinfo=UTC)


def test_a_day_on_which_clocks_change_is_shorter() -> None:
    wanted = read_search({"from": "2026-03-29", "to": "2026-03-29"}, BERLIN, failures=False).wanted
    assert wanted.since is not None
    assert wanted.until is not None
    seconds = (wanted.until.astimezone(UTC) - wanted.since.astimezone(UTC)).total_seconds()
    assert seconds == 23 * 3_600


def test_failures_are_failures_whatever_outcome_an_address_names() -> None:
    search = read_search({"outcome": "delivered"}, BERLIN, failures=True)
    assert search.wanted.outcomes == {"failed"}
    assert not search.is_set
