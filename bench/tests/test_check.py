"""The checker finds what is planted."""

from array import array

from bench.debounce.check import Checker, Name, Output, Updates, Verdict, quiet_ms_for

NAME = Name()
# Conversation 7 speaks at 0, 100 and 1100 ms, conversation 8 at 50 ms: quiet for 500 ms are
# the second and the third of 7, and the one of 8.
UPDATES = Updates(
    array("I", [7, 8, 7, 7]), array("q", [1_000, 1_050, 1_100, 2_100]), array("I", [1, 1, 1, 2])
)
RIGHT = [Output(NAME(8), 1, 1), Output(NAME(7), 1, 2), Output(NAME(7), 2, 3)]


def judged(outputs: list[Output]) -> Verdict:
    return Checker(UPDATES, UPDATES.newer_ms(), 500).judge(outputs, NAME)


def test_what_is_right_is_right() -> None:
    assert judged(RIGHT) == Verdict(
        expected=3, outputs=3, missing=0, premature=0, repeated=0, wrong=0
    )
    assert judged(RIGHT).right


def test_a_missing_output_is_found() -> None:
    verdict = judged(RIGHT[1:])
    assert verdict.missing == 1
    assert not verdict.right


def test_an_output_naming_an_update_that_was_followed_too_soon_is_premature() -> None:
    verdict = judged([*RIGHT, Output(NAME(7), 1, 0)])
    assert verdict.premature == 1
    assert not verdict.right


def test_an_output_that_was_there_before_is_repeated_and_right() -> None:
    verdict = judged([*RIGHT, RIGHT[0]])
    assert verdict.repeated == 1
    assert verdict.right


def test_an_output_of_another_conversation_time_or_number_is_wrong() -> None:
    planted = [Output(NAME(9), 1, 1), Output(NAME(8), 2, 1), Output(NAME(8), 1, 4)]
    assert judged([*RIGHT, *planted]).wrong == 3
    assert judged([*RIGHT[1:], *planted]).missing == 1


def test_exactly_the_quiet_period_is_quiet() -> None:
    newer = UPDATES.newer_ms()
    assert Checker(UPDATES, newer, 1_000).expected == 3
    assert Checker(UPDATES, newer, 1_001).expected == 2


def test_the_quiet_period_is_chosen_so_that_so_many_settle() -> None:
    newer = UPDATES.newer_ms()
    assert quiet_ms_for(UPDATES, newer, 3) == 1_000
    assert quiet_ms_for(UPDATES, newer, 4) == 100
