"""What a press of a button means, by what is known of its action."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from delivery.domain.acted import (
    BUTTON_LIVES,
    RESTORED,
    Acted,
    Begin,
    Record,
    Standing,
    Stands,
    State,
    Wanted,
    doubted,
    press,
    standing,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
VISIBLE = timedelta(seconds=10)
WANTED = Wanted("hubspot", "deal", "501")
SECOND = timedelta(seconds=1)
UNDER_WAY = Acted(WANTED, State.DOING, NOW - 5 * SECOND, lease_until=NOW + 30 * SECOND)
LOST = replace(UNDER_WAY, lease_until=NOW - 30 * SECOND)


def pressed(acted: Acted | None, wanted: Wanted = WANTED, at: datetime = NOW) -> Begin | Standing:
    return press(acted, wanted, at, VISIBLE)


def test_a_first_press_acts() -> None:
    assert pressed(None) == Begin(again=False)


@pytest.mark.parametrize(
    "other", [{"app": "pipedrive"}, {"kind": "task"}, {"person_id": "502"}, {"person_id": None}]
)
@pytest.mark.parametrize("state", State)
def test_an_id_is_good_for_one_action_only(other: dict[str, Any], state: State) -> None:
    acted = replace(UNDER_WAY, state=state)
    assert pressed(acted, replace(WANTED, **other)) == Standing(Stands.CONFLICT)


def test_a_press_while_somebody_is_at_it_changes_nothing() -> None:
    assert pressed(UNDER_WAY) == Standing(Stands.WORKING, again_in=40 * SECOND)


def test_a_press_after_the_end_tells_the_end() -> None:
    done = replace(LOST, state=State.DONE, record=Record("77", "501"))
    assert pressed(done) == Standing(Stands.DONE, record=Record("77", "501"))


def test_what_the_crm_refused_for_good_may_be_tried_with_other_values() -> None:
    failed = replace(LOST, state=State.FAILED, reason="http_400")
    assert pressed(failed) == Begin(again=False)
    assert standing(failed, NOW, VISIBLE) == Standing(Stands.FAILED, "http_400")


def test_after_a_lost_process_nobody_acts_before_its_record_must_be_visible() -> None:
    visible_at = LOST.lease_until + VISIBLE
    early = pressed(LOST, at=visible_at - SECOND)
    assert early == Standing(Stands.UNKNOWN, "cut_off", again_in=SECOND)
    assert pressed(LOST, at=visible_at) == Begin(again=True)


def test_the_process_at_work_is_the_only_one_until_the_very_end_of_its_lease() -> None:
    end = UNDER_WAY.lease_until
    assert isinstance(pressed(UNDER_WAY, at=end - SECOND), Standing)
    assert standing(UNDER_WAY, end, VISIBLE).stands is Stands.UNKNOWN


def test_an_unknown_end_is_looked_for_once_it_must_be_visible() -> None:
    dark = replace(LOST, reason="http_500", lease_until=NOW, dark_until=NOW + 2 * SECOND)
    assert pressed(dark) == Standing(Stands.UNKNOWN, "http_500", again_in=12 * SECOND)
    assert pressed(dark, at=NOW + 12 * SECOND) == Begin(again=True)


def test_what_surely_had_no_effect_is_tried_again_at_once() -> None:
    away = replace(LOST, reason="http_429", lease_until=NOW)
    assert standing(away, NOW, VISIBLE) == Standing(Stands.AWAY, "http_429")
    assert pressed(away) == Begin(again=False)


@pytest.mark.parametrize("state", [State.DOING, State.FAILED])
def test_an_unknown_end_is_never_forgotten_over_a_later_attempt(state: State) -> None:
    """The one before it may have made the record, whatever became of this one."""
    later = replace(LOST, state=state, reason="http_429", dark_until=NOW - VISIBLE)
    assert pressed(later) == Begin(again=True)


def doubt(acted: Acted | None, before: datetime) -> Acted | None:
    return doubted(acted, WANTED, now=NOW, before=before, lease=40 * SECOND)


@pytest.mark.parametrize("ago", [SECOND, BUTTON_LIVES - SECOND])
def test_a_button_older_than_a_restore_may_have_been_pressed_before_it(ago: timedelta) -> None:
    acted = doubt(None, NOW - ago)
    assert acted is not None
    assert (acted.asked_at, acted.unknown_until) == (NOW - BUTTON_LIVES, NOW - ago + 40 * SECOND)
    visible_at = NOW - ago + 40 * SECOND + VISIBLE
    early = pressed(acted, at=visible_at - SECOND)
    assert early == Standing(Stands.UNKNOWN, RESTORED, again_in=SECOND)
    assert pressed(acted, at=visible_at) == Begin(again=True)


def test_no_button_is_older_than_it_lives() -> None:
    assert doubt(None, NOW - BUTTON_LIVES) is None


@pytest.mark.parametrize("state", [State.DOING, State.FAILED])
def test_what_a_backup_says_of_an_action_is_doubted_until_it_is_pressed_anew(state: State) -> None:
    left = replace(LOST, state=state, reason="http_429")
    acted = doubt(left, NOW - timedelta(minutes=1))
    assert acted is not None
    assert pressed(acted) == Begin(again=True)
    since = replace(left, lease_until=NOW)
    assert doubt(since, NOW - timedelta(minutes=1)) == since


def test_what_is_done_stays_done_after_a_restore() -> None:
    done = replace(LOST, state=State.DONE, record=Record("77", "501"))
    assert doubt(done, NOW) == done
