"""The judge must be able to say no: one planted wrong of each kind."""

import pytest
from common.outcomes import Outcome
from demo.judge import CrmSeen, Seen, lines
from demo.scenario import Conversation, Expectation, Expected, Scenario

CONVERSATION = Conversation(
    name="chat",
    workspace="w",
    customer="Ada Bright",
    steps=[],
    expect=Expectation(
        why="R3",
        pipedrive=Expected(
            outcomes=[Outcome.DELIVERED, Outcome.UPDATED],
            notes=1,
            activities=1,
            contains=["Tom & Jerry", "https://example.test/a"],
            lacks=["secret"],
            not_yet=["later"],
        ),
    ),
)
SCENARIO = Scenario(canary="c", workspaces=[], conversations=[CONVERSATION])
KEY = ("chat", "pipedrive")
NOTE = '<p>Tom &amp; Jerry <a href="https://example.test/a">open</a></p>'


def seen(
    outcomes: tuple[Outcome, ...] = (Outcome.DELIVERED, Outcome.UPDATED),
    notes: tuple[str, ...] = (NOTE,),
    activities: tuple[str, ...] = ("x",),
) -> Seen:
    return Seen({KEY: outcomes}, {KEY: CrmSeen(notes, activities)})


def faults(what: Seen, *, by_outcomes: bool = True) -> tuple[str, ...]:
    (line,) = lines(SCENARIO, what, by_outcomes=by_outcomes)
    return line.faults


def test_what_must_be_is_right() -> None:
    assert faults(seen()) == ()


def test_a_record_found_by_the_next_attempt_is_as_good_as_one_made_by_it() -> None:
    assert faults(seen(outcomes=(Outcome.ALREADY_THERE, Outcome.UPDATED))) == ()
    assert faults(seen(outcomes=(Outcome.ALREADY_THERE, Outcome.DELIVERED))) != ()


@pytest.mark.parametrize(
    ("what", "fault"),
    [
        (seen(outcomes=(Outcome.DELIVERED,)), "outcomes delivered instead of"),
        (seen(outcomes=()), "outcomes nothing to do instead of"),
        (seen(notes=()), "0 live note record(s) instead of 1"),
        (seen(notes=(NOTE, NOTE)), "2 live note record(s) instead of 1"),
        (seen(activities=()), "0 live activity record(s) instead of 1"),
        (seen(activities=("x", "x")), "2 live activity record(s) instead of 1"),
        (seen(notes=("Tom",)), "the note lacks 'Tom & Jerry'"),
        (seen(notes=(NOTE + "secret",)), "the note shows 'secret'"),
        (seen(notes=(NOTE + "later",)), "the note shows 'later'"),
        (Seen({}, {}), "outcomes nothing to do instead of"),
    ],
)
def test_a_wrong_of_each_kind_is_named(what: Seen, fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(what))


def test_the_stores_alone_are_judged_when_processes_are_killed() -> None:
    assert faults(seen(outcomes=(), notes=(NOTE + "later",)), by_outcomes=False) == ()
    assert faults(seen(outcomes=(), notes=(NOTE, NOTE)), by_outcomes=False) != ()
