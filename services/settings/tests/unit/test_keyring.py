"""Tokens at rest: bound to their place, readable through a rotation, never by accident."""

import base64
import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from settings.adapters.keyring import Keyring, Place
from settings.ports.faults import TokenUnreadable

OLD = ("k1", base64.b64encode(b"1" * 32).decode())
NEW = ("k2", base64.b64encode(b"2" * 32).decode())
PLACE = Place("wk1", "hubspot", "access_token")


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_encrypted_is_decrypted_at_its_place(plain: str) -> None:
    ring = Keyring([OLD])
    assert ring.decrypt(ring.encrypt(plain, PLACE), PLACE) == plain


@pytest.mark.parametrize(
    "elsewhere",
    [
        dataclasses.replace(PLACE, workspace_id="wk2"),
        dataclasses.replace(PLACE, app="pipedrive"),
        dataclasses.replace(PLACE, field="refresh_token"),
    ],
)
def test_a_value_moved_to_another_place_is_unreadable(elsewhere: Place) -> None:
    ring = Keyring([OLD])
    with pytest.raises(TokenUnreadable):
        ring.decrypt(ring.encrypt("token", PLACE), elsewhere)


def test_a_value_under_another_key_id_is_unreadable_even_with_the_same_key() -> None:
    ring = Keyring([("a", OLD[1]), ("b", OLD[1])])
    stored = ring.encrypt("token", PLACE)
    with pytest.raises(TokenUnreadable):
        ring.decrypt(stored.replace("a.", "b.", 1), PLACE)


def test_rotation_reads_the_old_and_writes_the_new() -> None:
    stored = Keyring([OLD]).encrypt("token", PLACE)
    rotating = Keyring([NEW, OLD])
    assert rotating.decrypt(stored, PLACE) == "token"
    again = rotating.encrypt("token", PLACE)
    assert again.startswith("k2.")
    assert Keyring([NEW]).decrypt(again, PLACE) == "token"


def test_without_its_key_or_with_any_character_changed_a_value_is_unreadable() -> None:
    ring = Keyring([OLD])
    stored = ring.encrypt("token", PLACE)
    with pytest.raises(TokenUnreadable):
        Keyring([NEW]).decrypt(stored, PLACE)
    # The last characters hold padding; every other one counts.
    for n in range(len(stored.rstrip("=")) - 1):
        changed = stored[:n] + ("A" if stored[n] != "A" else "B") + stored[n + 1 :]
        with pytest.raises(TokenUnreadable):
            ring.decrypt(changed, PLACE)
    for garbage in ("", "k1", "k1.", "k1.AAAA", "k1.äöü", ".", "k1.%%%"):
        with pytest.raises(TokenUnreadable):
            ring.decrypt(garbage, PLACE)


def test_two_encryptions_of_one_value_differ_and_hide_it() -> None:
    ring = Keyring([OLD])
    first, second = ring.encrypt("token", PLACE), ring.encrypt("token", PLACE)
    assert first != second
    assert "token" not in first
