"""A state is bound to its vendor and to ten minutes."""

from datetime import UTC, datetime, timedelta

from settings.domain.authorizations import (
    STATE_LIFETIME,
    Authorization,
    Refusal,
    challenge,
    refusal,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def authorization(vendor: str = "hubspot") -> Authorization:
    return Authorization(vendor, "wk1", "hubspot", NOW + STATE_LIFETIME, "the-verifier")


def test_a_state_completes_at_its_vendor_until_its_last_moment() -> None:
    last = NOW + timedelta(minutes=10) - timedelta(microseconds=1)
    assert refusal(authorization(), "hubspot", last) is None


def test_a_state_is_refused_exactly_at_ten_minutes() -> None:
    assert refusal(authorization(), "hubspot", NOW + timedelta(minutes=10)) is Refusal.STATE_EXPIRED


def test_an_unknown_state_is_refused() -> None:
    assert refusal(None, "hubspot", NOW) is Refusal.STATE_UNKNOWN


def test_a_state_is_refused_at_any_other_vendor() -> None:
    for other in ("pipedrive", "intercom"):
        assert refusal(authorization(), other, NOW) is Refusal.STATE_OF_ANOTHER_VENDOR


def test_the_challenge_is_the_one_of_rfc_7636_appendix_b() -> None:
    assert (
        challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_a_verifier_is_never_printed() -> None:
    assert "the-verifier" not in repr(authorization())
