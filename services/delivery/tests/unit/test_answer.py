"""What an attempt's findings mean for its row."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.events import ConversationSettled, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.domain.answer import Result, Verdict, Wait, finished, spread
from delivery.domain.fold import fold
from delivery.domain.ready import is_due, ready_at
from delivery.domain.row import ONCE_MORE, Key, Known, Request, Row, Waiting, Written
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(minutes=3)
KEY = Key("wk1", "1", "hubspot", "42001")
OWN = f"{ONCE_MORE}token"
KNOWN = Known(person_id="501", note=Written("77", None, Update(NOW, 9)))


def request(
    number: int, trigger: Trigger = Trigger.QUIET, part: int = 1, app: str = "a"
) -> Request:
    update = Update(NOW, part) if trigger in (Trigger.QUIET, Trigger.BACKFILL) else None
    return Request(number, trigger, app, NOW, update)


def row(*requests: Request, taken: int | None = None) -> Row:
    wanted = max(r.number for r in requests)
    return Row(KEY, wanted=wanted, taken=taken or wanted, requests=requests, leased=True)


def test_a_written_row_is_done_and_says_what_was_written() -> None:
    written = Result(KNOWN, {1: Verdict(Outcome.DELIVERED, through=Update(NOW, 9))})
    after = finished(row(request(1)), written, NOW)
    assert (after.done, after.requests, after.leased) == (1, (), False)
    assert after.answered_through == Update(NOW, 9)
    (outcome,) = after.outcomes
    assert (outcome.outcome, outcome.note_id, outcome.part_id) == (Outcome.DELIVERED, "77", 9)
    assert ready_at(after, NOW) is None


def test_a_reason_that_is_no_code_does_not_keep_a_row_from_ending() -> None:
    for reason, code in [("HTTP 400: Bad\n", "http_400:_bad_"), ("x" * 200, "x" * 80), ("", None)]:
        after = finished(row(request(1)), Result(KNOWN, {1: Verdict(Outcome.FAILED, reason)}), NOW)
        assert after.outcomes[0].reason == code


def test_of_one_apps_requests_the_newest_gets_the_verdict_and_the_others_are_superseded() -> None:
    requests = [request(1), request(2, Trigger.ACTION), request(3, Trigger.MANUAL, app="b")]
    found = spread(requests, Verdict(Outcome.DELIVERED))
    assert [found[n].outcome for n in (1, 2, 3)] == [
        Outcome.SUPERSEDED,
        Outcome.DELIVERED,
        Outcome.DELIVERED,
    ]


def test_a_request_of_our_own_is_answered_and_told_to_nobody() -> None:
    asked, own = request(1, Trigger.REMOVED), replace(request(2, Trigger.REMOVED), action_id=OWN)
    found = spread([asked, own], Verdict(Outcome.UPDATED))
    assert found[1].outcome == Outcome.UPDATED  # not superseded by what nobody hears of
    after = finished(row(asked, own), Result(KNOWN, found), NOW)
    assert after.requests == ()
    assert [outcome.outcome for outcome in after.outcomes] == [Outcome.UPDATED]


def test_what_a_request_of_our_own_wrote_still_has_to_be_told_to_those_who_ask() -> None:
    waits, own = request(1, part=5), replace(request(2, Trigger.REMOVED), action_id=OWN)
    written = Verdict(Outcome.UPDATED, through=Update(NOW, 9))
    after = finished(row(waits, own), Result(KNOWN, {2: written}), NOW)
    assert (after.requests, after.answered_through, after.outcomes) == ((waits,), None, ())


def test_an_event_that_came_during_the_attempt_keeps_the_row_ready() -> None:
    during = row(request(1), request(2, Trigger.MANUAL), taken=1)
    after = finished(during, Result(KNOWN, {1: Verdict(Outcome.DELIVERED)}), NOW)
    assert (after.done, after.wanted) == (1, 2)
    assert [r.number for r in after.requests] == [2]
    assert ready_at(after, NOW) == NOW


def test_a_quiet_request_that_is_not_quiet_is_answered_where_the_text_holds_its_reply() -> None:
    asked = row(request(1, part=5), request(2, Trigger.ACTION))
    written = Result(
        KNOWN,
        {2: Verdict(Outcome.DELIVERED, through=Update(NOW, 9))},
        Wait(Waiting.QUIET, SOON),
    )
    after = finished(asked, written, NOW)
    assert after.requests == ()
    assert [o.outcome for o in after.outcomes] == [Outcome.SUPERSEDED, Outcome.DELIVERED]
    assert (after.waiting, after.not_before_quiet) == (None, None)


def test_one_refusal_answers_that_request_alone() -> None:
    asked = row(request(1), request(2, Trigger.ACTION))
    refused = Result(KNOWN, {2: Verdict(Outcome.ACTOR_NOT_APP_USER)}, Wait(Waiting.QUIET, SOON))
    after = finished(asked, refused, NOW)
    assert [r.number for r in after.requests] == [1]
    assert after.done == 0  # the older one is still to be answered
    assert after.answered_through is None
    assert ready_at(after, NOW) == SOON


def test_waiting_for_quiet_gives_way_to_an_action_but_a_backoff_does_not() -> None:
    quiet = finished(row(request(1)), Result(KNOWN, wait=Wait(Waiting.QUIET, SOON)), NOW)
    backoff = finished(row(request(1)), Result(KNOWN, wait=Wait(Waiting.RETRY, SOON, "x")), NOW)
    action = ConversationSettled(
        workspace_id="wk1",
        conversation_id="1",
        trigger=Trigger.ACTION,
        app="hubspot",
        actor_id="5",
        action_id="a1",
    )
    assert ready_at(fold(quiet, action, ("hubspot",), NOW).row, NOW) == NOW
    assert ready_at(fold(backoff, action, ("hubspot",), NOW).row, NOW) == SOON


def test_failures_are_counted_from_the_first_and_forgotten_after_an_answer() -> None:
    failed = Result(KNOWN, wait=Wait(Waiting.RETRY, SOON, "http_500"))
    once = finished(row(request(1)), failed, NOW)
    twice = finished(replace(once, leased=True), failed, SOON)
    assert (twice.attempts, twice.failing_since, twice.reason) == (2, NOW, "http_500")
    answered = finished(twice, Result(KNOWN, {1: Verdict(Outcome.FAILED)}), SOON)
    assert (answered.attempts, answered.failing_since, answered.waiting) == (0, None, None)


def test_waiting_for_settings_or_a_reconnect_is_no_failure_of_the_crm() -> None:
    for waiting in (Waiting.SETTINGS, Waiting.RECONNECT, Waiting.PROBE):
        after = finished(row(request(1)), Result(KNOWN, wait=Wait(waiting, SOON)), NOW)
        assert (after.attempts, after.failing_since) == (0, None)
        assert ready_at(after, NOW) == SOON


def test_a_heal_that_was_asked_for_meanwhile_is_kept() -> None:
    served, later = NOW, NOW + timedelta(minutes=10)
    base = replace(row(request(1)), requests=())
    for found, expected in ((served, None), (later, later)):
        asked = replace(base, known=replace(KNOWN, heal_at=found))
        result = Result(replace(KNOWN, heal_at=served), healed_at=served)
        assert finished(asked, result, NOW).known.heal_at == expected


def test_a_row_to_be_healed_is_claimed_then_but_its_requests_still_wait() -> None:
    waiting = finished(row(request(1)), Result(KNOWN, wait=Wait(Waiting.RETRY, SOON)), NOW)
    healing = replace(waiting, known=replace(KNOWN, heal_at=NOW))
    assert ready_at(healing, NOW) == NOW
    assert not is_due(healing, NOW)
    assert is_due(healing, SOON)


TAKEN = st.tuples(st.sampled_from(list(Trigger)), st.integers(1, 6))
STEPS = st.one_of(TAKEN, st.sampled_from(["claim", "write", "refuse", "wait", "retry"]))


def event(trigger: Trigger, number: int) -> ConversationSettled:
    named: dict[str, Any] = {"updated_at": NOW, "part_id": number}
    if trigger not in (Trigger.QUIET, Trigger.BACKFILL):
        named = {"action_id": f"{trigger}{number}", "app": "hubspot", "actor_id": "5"}
    return ConversationSettled(workspace_id="wk1", conversation_id="1", trigger=trigger, **named)


def attempted(current: Row, end: str) -> Row:
    taken = [r for r in current.requests if r.number <= current.taken]
    written = Verdict(Outcome.DELIVERED, None, Update(NOW, 3))
    result = {
        "write": Result(KNOWN, spread(taken, written)),
        "refuse": Result(KNOWN, {r.number: Verdict(Outcome.SYNC_OFF) for r in taken[:1]}),
        "wait": Result(KNOWN, wait=Wait(Waiting.QUIET, SOON)),
        "retry": Result(KNOWN, wait=Wait(Waiting.RETRY, SOON, "x")),
    }[end]
    return finished(current, result, NOW)


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=300, deadline=None)
def test_every_accepted_event_ends_exactly_once(
    history: list[tuple[Trigger, int] | str],
) -> None:
    current, accepted, ended = Row(KEY), 0, []
    for step in history:
        through = current.answered_through
        if isinstance(step, tuple):
            folded = fold(current, event(*step), ("hubspot",), NOW)
            accepted += folded.accepted
            assert folded.accepted or folded.row == current
            current = folded.row
        elif step == "claim":
            if current.requests and not current.leased:
                current = replace(current, taken=current.wanted, leased=True)
        elif current.leased:
            current = attempted(current, step)
        ended += [outcome.outcome_id for outcome in current.outcomes]
        current = replace(current, outcomes=())
        assert current.done <= current.taken <= current.wanted
        assert accepted == len(ended) + len(current.requests)
        assert len(set(ended)) == len(ended)
        assert bool(current.requests) == (ready_at(current, NOW) is not None)
        assert through is None or (current.answered_through or through) >= through


def test_a_removal_answers_no_other_request() -> None:
    found = spread([request(1), request(2, Trigger.REMOVED)], Verdict(Outcome.NO_PERSON))
    assert [found[n].outcome for n in (1, 2)] == [Outcome.NO_PERSON, Outcome.SUPERSEDED]
