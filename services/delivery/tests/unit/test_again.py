"""An answered request asked again: what opens, and how far `answered_through` falls."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from common.events import ConversationSettled, CrmPerson, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.domain.again import asked_again
from delivery.domain.answer import Result, Verdict, finished
from delivery.domain.fold import fold
from delivery.domain.ready import ready_at
from delivery.domain.row import Key, Known, Request, Row, Waiting
from delivery.domain.selection import REPLAYABLE, UNWRITTEN, Place
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SAID = Update(NOW - timedelta(hours=1), 7)
KEY = Key("wk1", "1", "hubspot", "42001")


def settled(update: Update = SAID) -> ConversationSettled:
    return ConversationSettled(
        workspace_id="wk1",
        conversation_id="1",
        trigger=Trigger.QUIET,
        updated_at=update.updated_at,
        part_id=update.part_id,
    )


def answered(row: Row, outcome: Outcome = Outcome.FAILED) -> Row:
    taken = replace(row, taken=row.wanted, leased=True)
    verdicts = {request.number: Verdict(outcome) for request in row.requests}
    return replace(finished(taken, Result(Known(), verdicts), NOW), outcomes=())


def failed_once(update: Update = SAID) -> tuple[Row, Request]:
    row = fold(Row(KEY), settled(update), ("hubspot",), NOW).row
    return answered(row), row.requests[0]


def test_a_replay_opens_the_request_and_a_redelivered_event_is_still_a_repeat() -> None:
    row, request = failed_once()
    assert fold(row, settled(), ("hubspot",), NOW).repeated == 1
    again = asked_again(row, request, NOW)
    assert again is not None
    assert [(r.trigger, r.update, r.number) for r in again.requests] == [(Trigger.QUIET, SAID, 2)]
    assert (again.wanted, again.done, ready_at(again, NOW)) == (2, 1, NOW)
    assert fold(again, settled(), ("hubspot",), NOW).accepted == 0
    assert answered(again).answered_through == SAID


@given(
    st.integers(0, 2**63 - 1),
    st.integers(-5, 5),
    st.integers(0, 2**63 - 1),
)
def test_answered_through_falls_below_the_update_and_never_rises(
    part: int, seconds: int, through_part: int
) -> None:
    update = Update(NOW, part)
    row, request = failed_once(update)
    through = Update(NOW + timedelta(seconds=seconds), through_part)
    again = asked_again(replace(row, answered_through=through), request, NOW)
    assert again is not None
    assert again.answered_through is not None
    assert again.answered_through < update
    assert again.answered_through <= through
    below = Update(NOW, part - 1) if part else Update(NOW - timedelta(seconds=1), 2**63 - 1)
    assert again.answered_through == min(through, below)
    again.answered_through.updated_at.isoformat()


def test_an_action_comes_back_with_its_actor_and_person_though_its_id_is_known() -> None:
    person = CrmPerson(kind="contact", id="501")
    action = ConversationSettled(
        workspace_id="wk1",
        conversation_id="1",
        trigger=Trigger.ACTION,
        app="hubspot",
        action_id="act-1",
        actor_id="5001",
        person=person,
    )
    asked = fold(Row(KEY), action, ("hubspot",), NOW).row
    row = replace(answered(asked), answered_through=SAID)
    again = asked_again(row, asked.requests[0], NOW + timedelta(days=1))
    assert again is not None
    (request,) = again.requests
    assert (request.actor_id, request.person, request.action_id) == ("5001", person, "act-1")
    assert request.asked_at == NOW + timedelta(days=1)
    assert again.answered_through == SAID
    assert fold(again, action, ("hubspot",), NOW).repeated == 1


def test_what_is_asked_for_already_is_not_asked_twice() -> None:
    row, request = failed_once()
    newer = fold(row, settled(Update(NOW, 9)), ("hubspot",), NOW).row
    assert asked_again(newer, request, NOW) is None
    once = asked_again(row, request, NOW)
    assert once is not None
    assert asked_again(once, request, NOW) is None


def test_a_replay_shortens_no_wait_of_the_row() -> None:
    row, request = failed_once()
    late = NOW + timedelta(hours=2)
    waits = replace(row, waiting=Waiting.RETRY, not_before_retry=late, attempts=3)
    again = asked_again(waits, request, NOW)
    assert again is not None
    assert (ready_at(again, NOW), again.attempts) == (late, 3)


def test_every_outcome_but_the_good_ones_can_be_replayed() -> None:
    good = {Outcome.DELIVERED, Outcome.UP_TO_DATE, Outcome.SUPERSEDED}
    assert set(Outcome) - good == REPLAYABLE
    assert UNWRITTEN < REPLAYABLE
    assert {Outcome.FAILED, Outcome.SYNC_OFF, Outcome.UNINSTALLED} < UNWRITTEN


@pytest.mark.parametrize("place", [Place(NOW, 0, "hubspot"), Place(NOW, 2**62, "x y/\u00e9")])
def test_a_cursor_leads_back_to_its_place(place: Place) -> None:
    assert Place.at(place.cursor()) == place
    assert place.cursor().isascii()
