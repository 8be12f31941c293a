"""When a session is over, what its cookie is called, and whose request changes anything."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from settings.console.limit import Limit, client_address
from settings.console.origin import is_our_own
from settings.domain.sessions import CookieRule, Lifetimes, Session, cookie_rule, session_key

START = datetime(2026, 11, 26, 9, tzinfo=UTC)
LIFETIMES = Lifetimes(idle=timedelta(hours=2), absolute=timedelta(hours=12))
OURS = "https://lull.example"


def session(seen: timedelta = timedelta(), **teammates: str) -> Session:
    return Session("key", START, START + seen, teammates)


@pytest.mark.parametrize(
    ("seen", "after", "over"),
    [
        (timedelta(), timedelta(hours=2) - timedelta(seconds=1), False),
        (timedelta(), timedelta(hours=2), True),
        (timedelta(hours=11), timedelta(hours=12) - timedelta(seconds=1), False),
        (timedelta(hours=11), timedelta(hours=12), True),
    ],
)
def test_a_session_ends_after_a_while_without_use_and_at_the_latest_half_a_day_on(
    seen: timedelta, after: timedelta, over: bool
) -> None:
    assert session(seen, wk1="5001").is_over(START + after, LIFETIMES) is over


def test_who_has_not_signed_in_has_ten_minutes_to_come_back() -> None:
    waiting = session()
    assert not waiting.is_over(START + timedelta(minutes=9, seconds=59), LIFETIMES)
    assert waiting.is_over(START + timedelta(minutes=10), LIFETIMES)


def test_what_is_stored_of_an_id_is_not_the_id() -> None:
    assert session_key("secret") != "secret"
    assert session_key("secret") == session_key("secret")
    assert len(session_key("\udcff")) == 64  # whatever a cookie may hold


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://lull.example", CookieRule("__Host-lull", secure=True)),
        ("https://127.0.0.1:8083", CookieRule("__Host-lull", secure=True)),
        ("http://127.0.0.1:8083", CookieRule("lull", secure=False)),
        ("http://[::1]:8083", CookieRule("lull", secure=False)),
        ("http://localhost", CookieRule("lull", secure=False)),
    ],
)
def test_the_plain_cookie_is_for_loopback_without_https_alone(url: str, rule: CookieRule) -> None:
    assert cookie_rule(url) == rule


@pytest.mark.parametrize(
    "url", ["http://lull.example", "http://10.0.0.1", "http://127.0.0.1.example", "http://"]
)
def test_plain_http_anywhere_else_is_no_place_for_a_session(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        cookie_rule(url)


@pytest.mark.parametrize(
    ("headers", "served"),
    [
        ({"sec-fetch-site": "same-origin", "origin": OURS}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": OURS}, True),  # a browser that sends no fetch metadata
        ({}, False),
        ({"sec-fetch-site": "none", "origin": OURS}, False),
        ({"sec-fetch-site": "same-site", "origin": OURS}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "http://lull.example"}, False),
        ({"origin": f"{OURS}.evil.example"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_only_our_own_pages_change_anything(headers: dict[str, str], served: bool) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        assert is_our_own(method, headers, OURS) is served
    assert is_our_own("GET", headers, OURS)


def test_one_address_begins_so_many_sign_ins_a_minute_and_then_waits() -> None:
    limit = Limit(per_minute=3)
    assert [limit.wait_s("a", at) for at in (0.0, 10.0, 20.0)] == [None] * 3
    assert limit.wait_s("a", 30.0) == 30.0
    assert limit.wait_s("b", 30.0) is None
    assert limit.wait_s("a", 60.0) is None
    assert limit.wait_s("a", 60.0) == 10.0


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # no proxy of ours: not believed
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["made up", " 198.51.100.1 ", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.9"], "10.0.0.9"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_only_our_own_proxies_say_whom_they_heard(
    peer: str, forwarded: list[str], address: str
) -> None:
    assert client_address(peer, forwarded, [ip_network("10.0.0.0/8")]) == address
