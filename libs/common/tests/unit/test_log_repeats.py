"""A library that shouts the same ten times a second is heard once in a while; we always are."""

import logging

import pytest
from common.log import SAME_AGAIN_AFTER_S, _Repeats


def record(name: str, message: str, at: float, *arguments: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "file.py", 1, message, arguments, None)
    made.created = at
    return made


@pytest.fixture
def repeats() -> _Repeats:
    return _Repeats()


def test_the_same_message_is_let_through_again_only_after_a_while(repeats: _Repeats) -> None:
    said = "Unable connect to node with id %s"
    assert repeats.filter(record("aiokafka", said, 100.0, 1))
    assert not repeats.filter(record("aiokafka", said, 100.1, 2))
    assert repeats.filter(record("aiokafka", said, 100.0 + SAME_AGAIN_AFTER_S, 1))


def test_another_message_is_not_held_back(repeats: _Repeats) -> None:
    assert repeats.filter(record("aiokafka", "one", 100.0))
    assert repeats.filter(record("aiokafka", "two", 100.0))
    assert repeats.filter(record("aiokafka.consumer", "one", 100.0))


def test_our_own_lines_are_all_written(repeats: _Repeats) -> None:
    for _ in range(3):
        assert repeats.filter(record("delivery.attempt", "delivery.answered", 100.0))
