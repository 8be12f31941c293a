"""What an event changes in a row, and what it does not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.events import ConversationSettled, CrmPerson, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.domain.fold import SEEN_ACTIONS_MAX, fold, take_over, without
from delivery.domain.row import ONCE_MORE, Distrust, Key, Row

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = Key("wk1", "1", "hubspot", "42001")
ROW = Row(KEY)
HUBSPOT = ("hubspot",)


def said(minute: int, part: int = 1) -> Update:
    return Update(NOW - timedelta(hours=1) + timedelta(minutes=minute), part)


def event(trigger: Trigger = Trigger.QUIET, about: Update | None = None, **rest: Any) -> Any:
    if about is not None:
        rest |= {"updated_at": about.updated_at, "part_id": about.part_id}
    return ConversationSettled(workspace_id="wk1", conversation_id="1", trigger=trigger, **rest)


def action(action_id: str, **rest: Any) -> Any:
    given = {"app": "hubspot", "actor_id": "5001", **rest}
    return event(Trigger.ACTION, action_id=action_id, **given)


def test_a_first_event_raises_wanted_and_stands_open() -> None:
    folded = fold(ROW, event(about=said(1)), HUBSPOT, NOW)
    assert (folded.accepted, folded.repeated) == (1, 0)
    assert (folded.row.wanted, folded.row.taken, folded.row.done) == (1, 0, 0)
    (request,) = folded.row.requests
    assert (request.number, request.trigger, request.update) == (1, Trigger.QUIET, said(1))


def test_a_request_of_our_own_supersedes_its_like_alone_and_silently() -> None:
    row = ROW
    for name in ("act-1", f"{ONCE_MORE}a", f"{ONCE_MORE}b"):
        row = fold(row, event(Trigger.REMOVED, action_id=name), HUBSPOT, NOW).row
    assert [request.action_id for request in row.requests] == ["act-1", f"{ONCE_MORE}b"]
    assert row.outcomes == ()


@pytest.mark.parametrize("trigger", [Trigger.QUIET, Trigger.BACKFILL])
@pytest.mark.parametrize(
    ("answered", "about", "accepted"),
    [
        (said(5), said(5), False),
        (said(5), said(4), False),
        (said(5, part=2), said(5, part=1), False),
        (said(5, part=1), said(5, part=2), True),
        (said(5), said(6), True),
        (None, said(1), True),
    ],
)
def test_an_event_not_above_what_was_answered_is_a_repeat(
    trigger: Trigger, answered: Update | None, about: Update, accepted: bool
) -> None:
    row = replace(ROW, answered_through=answered)
    folded = fold(row, event(trigger, about), HUBSPOT, NOW)
    assert folded.accepted == accepted
    assert accepted or folded.row == row


def test_an_event_not_above_the_open_one_is_a_repeat() -> None:
    row = fold(ROW, event(about=said(5)), HUBSPOT, NOW).row
    for about in (said(5), said(4)):
        assert fold(row, event(about=about), HUBSPOT, NOW).row == row


def test_a_newer_quiet_event_supersedes_the_open_one() -> None:
    row = fold(ROW, event(about=said(5)), HUBSPOT, NOW).row
    folded = fold(row, event(about=said(9)), HUBSPOT, NOW).row
    (request,) = folded.requests
    assert (request.number, request.update) == (2, said(9))
    (outcome,) = folded.outcomes
    assert outcome.outcome is Outcome.SUPERSEDED
    assert outcome.updated_at == said(5).updated_at


def test_an_action_is_known_again_by_its_id_also_after_it_was_answered() -> None:
    row = fold(ROW, action("a1"), HUBSPOT, NOW).row
    assert fold(row, action("a1"), HUBSPOT, NOW).row == row
    answered = replace(row, requests=(), answered_through=said(9), done=1, taken=1)
    assert fold(answered, action("a1"), HUBSPOT, NOW).row == answered
    assert fold(answered, action("a2"), HUBSPOT, NOW).accepted == 1


def test_actions_of_other_people_or_about_other_persons_stand_side_by_side() -> None:
    row = fold(ROW, action("a1"), HUBSPOT, NOW).row
    row = fold(row, action("a2", actor_id="5002"), HUBSPOT, NOW).row
    row = fold(row, action("a3", person=CrmPerson(kind="contact", id="7")), HUBSPOT, NOW).row
    assert [request.action_id for request in row.requests] == ["a1", "a2", "a3"]
    row = fold(row, action("a4"), HUBSPOT, NOW).row
    assert [request.action_id for request in row.requests] == ["a2", "a3", "a4"]
    assert [outcome.outcome for outcome in row.outcomes] == [Outcome.SUPERSEDED]


def test_every_app_of_the_account_is_asked_by_one_event() -> None:
    folded = fold(ROW, event(Trigger.MANUAL, action_id="m1"), ("hubspot", "pipedrive"), NOW)
    assert folded.accepted == 2
    assert [request.app for request in folded.row.requests] == ["hubspot", "pipedrive"]
    again = fold(folded.row, event(Trigger.MANUAL, action_id="m1"), ("hubspot", "pipedrive"), NOW)
    assert (again.accepted, again.repeated) == (0, 2)


def test_the_ids_kept_are_bounded_and_the_newest_stay() -> None:
    row = ROW
    for number in range(SEEN_ACTIONS_MAX + 10):
        row = fold(row, action(f"a{number}"), HUBSPOT, NOW).row
    assert len(row.seen_actions) == SEEN_ACTIONS_MAX
    assert fold(row, action(f"a{SEEN_ACTIONS_MAX + 9}"), HUBSPOT, NOW).accepted == 0


def test_requests_taken_over_get_numbers_of_their_new_row() -> None:
    old = fold(ROW, action("a1"), HUBSPOT, NOW).row
    new = replace(ROW, key=replace(KEY, crm_account="42002"), wanted=7, taken=7, done=7)
    taken = take_over(new, old.requests)
    assert (taken.wanted, [request.number for request in taken.requests]) == (8, [8])
    assert fold(taken, action("a1"), HUBSPOT, NOW).accepted == 0


def test_after_a_restore_no_number_is_given_out_that_was_given_out_before() -> None:
    distrust = Distrust(before=NOW, declared_at=NOW)
    row = replace(ROW, wanted=3, distrust=distrust)
    first = fold(row, event(about=said(1)), HUBSPOT, NOW).row
    second = fold(first, action("a"), HUBSPOT, NOW).row
    numbers = [request.number for request in second.requests]
    assert numbers == [int(NOW.timestamp()) + 1, int(NOW.timestamp()) + 2]
    assert take_over(Row(KEY, distrust=distrust), first.requests).wanted == numbers[0]


def test_one_apps_requests_leave_and_the_others_stay_to_be_answered() -> None:
    apps = ("dynamics365", "dynamics365-sales")
    row = replace(fold(ROW, event(Trigger.MANUAL, action_id="m1"), apps, NOW).row, taken=2)
    stays, leaving = without(row, "dynamics365-sales")
    assert [request.app for request in leaving] == ["dynamics365-sales"]
    assert [request.app for request in stays.requests] == ["dynamics365"]
    assert stays.done < stays.wanted
    nobody, _ = without(stays, "dynamics365")
    assert (nobody.requests, nobody.done) == ((), nobody.wanted)
