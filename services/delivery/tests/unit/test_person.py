"""Who somebody is: the name to show, and the addresses that find a customer."""

import pytest
from delivery.domain import person


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("Ada Example", "user", "Ada Example"),
        (" Ada\n Example ", "user", "Ada Example"),
        ("ada@example.com", "lead", "Customer"),
        ("Ada <ada@example.com>", "user", "Customer"),
        ("sam@example.org", "admin", "Teammate"),
        ("+49 (30) 123-456", "contact", "Customer"),
        ("fin@bot.example", "bot", "Bot"),
        ("Room 101", "user", "Room 101"),
        ("me @ home", "user", "me @ home"),
        ("\u202eadA", "user", "\ufffdadA"),
        ("", "user", None),
        (" \n", "admin", None),
        (None, "bot", None),
    ],
)
def test_an_address_is_never_shown_as_a_name(
    name: str | None, kind: str, shown: str | None
) -> None:
    assert person.display_name(name, kind) == shown


@pytest.mark.parametrize(
    ("kind", "role"),
    [("user", "Customer"), ("lead", "Customer"), ("contact", "Customer"), ("admin", "Teammate"),
     ("team", "Teammate"), ("bot", "Bot"), ("operator", "Bot"), ("something new", "Bot")],
)  # fmt: skip
def test_everybody_has_a_role(kind: str, role: str) -> None:
    assert person.role(kind) == role


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("+49 30 123456", "+4930123456"),
        ("+1 (650) 253-0000", "+16502530000"),
        ("030 123456", None),
        ("tel:", None),
        ("+", None),
        ("+999 12", None),
        ("x" * 10_000, None),
        ("", None),
    ],
)
def test_a_phone_finds_somebody_only_with_its_country(raw: str, number: str | None) -> None:
    assert person.e164(raw) == number


def test_a_contact_has_each_address_once_in_the_form_crms_compare() -> None:
    contact = person.contact(
        "c1", [" Ada@Example.com", "ada@example.com", "not an address"], ["+49 30 123456", "12"]
    )
    assert contact.emails == ("ada@example.com",)
    assert contact.phones == ("+4930123456",)


def test_a_near_match_is_no_match() -> None:
    stored = ["Ada@Example.com ", "+49 (30) 123456"]
    assert person.among("ada@example.com", stored)
    assert person.among("+4930123456", stored)
    assert not person.among("da@example.com", stored)
    assert not person.among("+493012345", stored)
    assert not person.among("+4930123456", [])
