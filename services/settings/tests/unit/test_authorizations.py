"""A state is bound to its vendor, to ten minutes, and to the browser it was started from."""

from datetime import UTC, datetime, timedelta

from settings.domain.authorizations import (
    STATE_LIFETIME,
    Authorization,
    Browser,
    Refusal,
    challenge,
    refusal,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def authorization(vendor: str = "hubspot", browser: Browser | None = None) -> Authorization:
    expires_at = NOW + STATE_LIFETIME
    return Authorization(vendor, "wk1", "hubspot", expires_at, "the-verifier", browser=browser)


def test_a_state_completes_at_its_vendor_until_its_last_moment() -> None:
    last = NOW + timedelta(minutes=10) - timedelta(microseconds=1)
    assert refusal(authorization(), "hubspot", None, last) is None


def test_a_state_is_refused_exactly_at_ten_minutes() -> None:
    late = NOW + timedelta(minutes=10)
    assert refusal(authorization(), "hubspot", None, late) is Refusal.STATE_EXPIRED


def test_an_unknown_state_is_refused() -> None:
    assert refusal(None, "hubspot", None, NOW) is Refusal.STATE_UNKNOWN


def test_a_state_is_refused_at_any_other_vendor() -> None:
    for other in ("pipedrive", "intercom"):
        assert refusal(authorization(), other, None, NOW) is Refusal.STATE_OF_ANOTHER_VENDOR


def test_a_state_is_refused_in_any_other_browser_and_in_one_without_a_session() -> None:
    bound = authorization(browser=Browser("this"))
    assert refusal(bound, "hubspot", "this", NOW) is None
    for other in ("that", "", None):
        assert refusal(bound, "hubspot", other, NOW) is Refusal.STATE_OF_ANOTHER_BROWSER


def test_a_state_that_the_operator_made_is_completed_in_any_browser() -> None:
    for anybody in (None, "this"):
        assert refusal(authorization(), "hubspot", anybody, NOW) is None


def test_the_challenge_is_the_one_of_rfc_7636_appendix_b() -> None:
    assert (
        challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_a_verifier_is_never_printed() -> None:
    assert "the-verifier" not in repr(authorization())
