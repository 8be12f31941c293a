"""How pages put what they tell."""

from datetime import timedelta

import pytest
from settings.console.pages import render


@pytest.mark.parametrize(
    ("quiet_period", "told"),
    [
        (timedelta(minutes=15), "15 minutes after"),
        (timedelta(hours=1), "1 hour after"),
        (timedelta(seconds=90), "90 seconds after"),
        (timedelta(seconds=0.5), "0.5 seconds after"),
    ],
)
def test_the_start_page_tells_the_quiet_period_as_it_is(quiet_period: timedelta, told: str) -> None:
    page = render("welcome.html", viewer=None, workspace=None, tab=None, quiet_period=quiet_period)
    assert told in page
