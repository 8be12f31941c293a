"""When a token must be replaced, and how a caller names one."""

from datetime import UTC, datetime, timedelta

import pytest
from settings.domain.tokens import Tokens, token_hash

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def tokens(life: timedelta, left: timedelta) -> Tokens:
    return Tokens("access", "refresh", obtained_at=NOW + left - life, expires_at=NOW + left)


@pytest.mark.parametrize(
    ("life_s", "left_s", "stale"),
    [
        (1800, 1799, False),
        (1800, 60, False),
        (1800, 59, True),
        (1800, -1, True),
        (30, 10, False),  # a third of a short life
        (30, 9, True),
    ],
)
def test_a_token_is_stale_under_sixty_seconds_or_a_third_of_a_short_life(
    life_s: int, left_s: int, stale: bool
) -> None:
    found = tokens(timedelta(seconds=life_s), timedelta(seconds=left_s))
    assert found.is_stale(NOW) is stale


def test_a_token_expires_at_its_last_instant() -> None:
    assert tokens(timedelta(1), timedelta(0)).is_expired(NOW)
    assert not tokens(timedelta(1), timedelta(microseconds=1)).is_expired(NOW)


def test_only_the_hash_of_the_present_token_rejects_it() -> None:
    found = tokens(timedelta(1), timedelta(1))
    assert found.is_rejected(token_hash("access"))
    assert not found.is_rejected(token_hash("older"))
    assert not found.is_rejected(None)


def test_tokens_are_never_printed() -> None:
    printed = repr(tokens(timedelta(1), timedelta(1)))
    assert "access" not in printed
    assert "refresh" not in printed
