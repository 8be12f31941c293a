"""Every CRM: a note is created, read, changed, found again and deleted."""

from dataclasses import replace
from typing import Any

import pytest
from delivery.domain.block import carries, replaced
from delivery.domain.note import Marker
from delivery.domain.text import Size
from delivery.ports import GiveUp, Gone

MARKER = Marker("wk1", "12")


async def test_a_note_is_created_on_the_person_and_dated_by_the_last_reply(
    crm: Any, make_note: Any
) -> None:
    ada = crm.add_person(email="ada@example.com")
    note = make_note()
    note_id = await crm.create(ada, note)
    [stored] = crm.notes()
    assert stored["id"] == note_id
    assert stored["person_ids"] == [ada]
    assert stored["body_sent"] == note.body
    if crm.expected.note_is_dated:
        assert stored["said_at"] == note.written_for.timestamp()


async def test_a_note_is_read_back_with_its_person_and_author(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    note_id = await crm.create(ada, make_note())
    stored = await crm.crm.note(crm.access, note_id, crm.deadline)
    assert stored.id == note_id
    assert stored.person_id == ada
    assert stored.author_id in (None, crm.access.user_id)
    assert carries(stored.body, MARKER)


async def test_a_note_is_brought_up_to_date_between_peoples_words(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    note_id = await crm.create(ada, make_note())
    above, below = ("<p>Mine, above</p>", "<p>and below</p>") if crm.crm.html else ("Mine\n", "\nx")
    crm.control.edit_note(crm.vendor, crm.account, note_id, prepend=above, append=below)
    stored = await crm.crm.note(crm.access, note_id, crm.deadline)
    newer = make_note(text="Bye <b>now</b>")
    body = replaced(stored.body, MARKER, newer)
    await crm.crm.update_note(crm.access, note_id, body, newer, crm.deadline)
    [after] = crm.notes()
    assert after["body"].startswith(above)
    assert after["body"].endswith(below)
    assert ("Bye &lt;b&gt;now&lt;/b&gt;" if crm.crm.html else "Bye <b>now</b>") in after["body"]
    assert "Hello" not in after["body"]
    assert carries(after["body"], MARKER)


async def test_hostile_text_stays_text_behind_the_crms_sanitizer(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    hostile = (
        "<script>alert(1)</script><img src=x onerror=alert(1)></p></div><!-- {{ contact.email }}"
        "<style>p{}</style>&lt;b&gt; <a href='javascript:alert(1)'>x</a> ]]>"
        "\u202e\ud800 \x00 \U0001f469"
    )
    note_id = await crm.create(ada, make_note(text=hostile))
    stored = await crm.crm.note(crm.access, note_id, crm.deadline)
    if crm.crm.html:
        assert "<script" not in stored.body
        assert "<img" not in stored.body
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in stored.body
    else:
        assert "<script>alert(1)</script>" in stored.body
    assert carries(stored.body, MARKER)
    assert replaced(stored.body, MARKER, make_note()) == make_note().body


async def test_the_longest_note_we_render_is_taken_whole(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    limit = {"max_chars": crm.crm.note_max_chars, "max_bytes": crm.crm.note_max_bytes}
    for text in ("x" * 200_000, "\u20ac\U0001f600\n" * 60_000):
        note = make_note(text=text, **limit)
        note_id = await crm.create(ada, note)
        stored = await crm.crm.note(crm.access, note_id, crm.deadline)
        assert carries(stored.body, MARKER)
        size = Size.of(note.body)
        full = max(size.chars / limit["max_chars"], size.octets / (limit["max_bytes"] or 10**9))
        assert 0.999 < full <= 1


async def test_the_limit_of_length_is_exact(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    frame = make_note(text="x", max_chars=200_000).body
    counted = len(frame) if crm.crm.note_max_bytes is None else len(frame.encode())
    filler = "x" * (1 + crm.expected.refused_above - counted)
    note = make_note(text=filler, max_chars=200_000)
    await crm.create(ada, note)
    with pytest.raises(GiveUp):
        await crm.create(ada, make_note(Marker("wk1", "13"), filler + "x", max_chars=200_000))
    assert len(crm.notes()) == 1


async def test_a_note_deleted_by_people_is_none_and_cannot_be_updated(
    crm: Any, make_note: Any
) -> None:
    ada = crm.add_person(email="ada@example.com")
    note_id = await crm.create(ada, make_note())
    crm.control.delete_note(crm.vendor, crm.account, note_id)
    assert await crm.crm.note(crm.access, note_id, crm.deadline) is None
    note = make_note()
    with pytest.raises(Gone):
        await crm.crm.update_note(crm.access, note_id, note.body, note, crm.deadline)
    assert await crm.marked(ada, MARKER) == []


async def test_deleting_a_note_twice_is_deleting_it(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    note_id = await crm.create(ada, make_note())
    for _ in range(2):
        await crm.crm.delete_note(crm.access, note_id, crm.deadline)
    assert crm.notes() == []
    assert await crm.crm.note(crm.access, crm.unknown_id, crm.deadline) is None


async def test_no_note_is_created_for_a_person_who_is_gone(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    crm.control.delete_person(crm.vendor, crm.account, ada)
    for person_id in (ada, crm.unknown_id):
        with pytest.raises(Gone):
            await crm.create(person_id, make_note())
    assert crm.notes() == []


async def test_only_the_exact_marker_on_the_same_person_is_found_oldest_first(
    crm: Any, make_note: Any
) -> None:
    ada = crm.add_person(email="ada@example.com")
    bea = crm.add_person(email="bea@example.com")
    first = await crm.create(ada, make_note())
    for other in (
        Marker("wk1", "1"),
        Marker("wk1", "123"),
        Marker("wk1", "12", 9),
        Marker("w", "12"),
    ):
        await crm.create(ada, make_note(other))
    await crm.create(bea, make_note())
    crm.control.write_note(crm.vendor, crm.account, ada, "<p>See [lull wk1/12] for more</p>")
    second = await crm.create(ada, make_note())
    assert (second == first) is crm.expected.note_id_is_ours
    assert await crm.marked(ada, MARKER) == list(dict.fromkeys([first, second]))
    assert await crm.marked(ada, Marker("wk1", "99")) == []


async def test_a_note_is_found_again_past_many_others_while_the_search_lags(
    crm: Any, make_note: Any
) -> None:
    crm.control.change_account(crm.vendor, crm.account, search_lag_s=30)
    ada = crm.add_person(email="ada@example.com")
    for number in range(60):
        crm.control.write_note(crm.vendor, crm.account, ada, f"<p>Called, {number}</p>")
    note_id = await crm.create(ada, make_note())
    for number in range(55):
        crm.control.write_note(crm.vendor, crm.account, ada, f"<p>Called again, {number}</p>")
    assert await crm.marked(ada, MARKER) == [note_id]


async def test_a_person_without_notes_has_none_marked(crm: Any) -> None:
    assert await crm.marked(crm.add_person(email="ada@example.com"), MARKER) == []


async def test_hubspots_note_belongs_to_the_owner_and_an_update_leaves_it_there(
    hubspot: Any, make_note: Any
) -> None:
    ada = hubspot.add_person(email="ada@example.com")
    email = hubspot.control.account("hubspot", hubspot.account)["users"][0]["email"]
    owner = await hubspot.crm.user_with_email(hubspot.access, email, hubspot.deadline)
    assert owner != hubspot.access.user_id  # an owner's id is not the user's
    note_id = await hubspot.create(ada, replace(make_note(), owner_id=owner))
    newer = make_note(text="Bye")
    await hubspot.crm.update_note(hubspot.access, note_id, newer.body, newer, hubspot.deadline)
    [stored] = hubspot.notes()
    assert stored["extra"]["hubspot_owner_id"] == owner
