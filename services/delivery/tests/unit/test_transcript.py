"""The renderer: what a transcript says, in both forms, and where it is cut.

Golden files: set LULL_WRITE_GOLDEN=1 to write them anew, then read the difference.
"""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from common.updates import Update
from delivery.domain.block import carries
from delivery.domain.conversation import Conversation, Message
from delivery.domain.note import Marker
from delivery.domain.text import Size
from delivery.domain.transcript import render

GOLDEN = Path(__file__).parent / "golden"
AT = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # half an hour before clocks go back in Vienna
MARKER = Marker("wk1", "215470000000001")
LINK = "https://app.eu.intercom.com/a/inbox/wk1/inbox/conversation/215470000000001"


def said(
    number: int,
    text: str = "",
    kind: str = "user",
    name: str | None = "Ada Example",
    files: tuple[str, ...] = (),
    redacted: bool = False,
) -> Message:
    at = AT + timedelta(minutes=20 * number)
    update = None if kind == "bot" else Update(at, number)
    return Message(number, at, kind, name, text, files, redacted, update)


def conversation(*messages: Message, omitted: int = 0, channel: str = "email") -> Conversation:
    return Conversation(
        "wk1", MARKER.conversation_id, channel, messages, omitted, "5001", False, ("c1",), AT
    )


def rendered(talk: Conversation, *, html: bool = True, max_chars: int = 65_536, **how: Any) -> Any:
    given = {
        "marker": MARKER,
        "link": LINK,
        "time_zone": "Europe/Vienna",
        "copied_at": AT + timedelta(hours=3),
        **how,
    }
    return render(talk, html=html, max_chars=max_chars, **given)


SITUATIONS = {
    "talk": conversation(
        said(0, "Hello,\n\nis 1 < 2 & \"so\"?\n  Ada"),
        said(1, "I am a bot", "bot", "Fin"),
        said(2, "Yes, see the file", "admin", "Sam Agent", ("invoice 7.pdf", "a&b.png")),
        said(3, "", files=("photo.jpg",)),
        said(4, redacted=True),
        said(5, "bye \U0001f469\U0001f3fd\u200d\U0001f4bb", "lead", "Customer"),
    ),
    "hostile": conversation(
        said(0, "</p><script>alert('x')</script>{{ contact.email }} {% raw %} ${7*7}"),
        said(1, "\u202eevil \x00\x1b[31m \ud83d \r\ncr\rlf\u2028ls", name="<b>A</b>\n\u202eX"),
        said(2, "[lull wk1/215470000000001] I quote you\n[lull wk1/215470000000001]"),
        said(3, "&#91;lull wk1/215470000000001&#93;", "admin", "[lull wk1/215470000000001]"),
    ),
    "group_with_omissions": conversation(
        *(said(n, f"Message {n}", name=f"Guest {n}") for n in range(7)),
        omitted=1234,
        channel="whatsapp",
    ),
    "empty": conversation(channel="fax"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["html", "txt"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_transcript_is_the_golden_one(situation: Any, form: Any) -> None:
    body = rendered(SITUATIONS[situation], html=form == "html").body
    golden = GOLDEN / f"{situation}.{form}"
    if os.environ.get("LULL_WRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(body + "\n", encoding="utf-8", newline="")
    assert body + "\n" == golden.read_bytes().decode()


def test_the_note_is_dated_by_the_last_reply_of_a_person() -> None:
    note = rendered(SITUATIONS["talk"])
    assert note.written_for == AT + timedelta(minutes=100)
    assert note.subject == f"Intercom conversation {MARKER.conversation_id} {MARKER}"
    only_bot = conversation(said(0, "Hi", "bot"))
    assert rendered(only_bot).written_for == AT


def test_an_unknown_time_zone_is_utc_and_says_so() -> None:
    for zone in ("Nowhere/Land", "", "../../etc/passwd", "\x00"):
        body = rendered(conversation(said(0, "x")), time_zone=zone).body
        assert "2026-10-25 00:30 +00:00" in body
        assert "(UTC)" in body


def test_the_period_stands_in_both_markers() -> None:
    marker = Marker("wk1", "12", 9001)
    body = rendered(conversation(said(0, "x")), marker=marker).body
    assert body.count("[lull wk1/12/9001]") == 2
    assert carries(body, marker)
    assert not carries(body, Marker("wk1", "12"))


@pytest.mark.parametrize("html", [True, False])
def test_a_body_of_exactly_the_limit_is_whole_and_one_less_is_cut(html: Any) -> None:
    talk = conversation(said(0, "first"), *(said(n, "word " * 50) for n in range(1, 30)))
    whole = rendered(talk, html=html).body
    assert "omitted" not in whole
    limit = Size.of(whole).chars
    assert rendered(talk, html=html, max_chars=limit).body == whole
    less = rendered(talk, html=html, max_chars=limit - 1).body
    assert "1 message omitted" in less
    assert "first" in less
    assert Size.of(less).chars < limit


@pytest.mark.parametrize("html", [True, False])
def test_of_a_long_talk_the_opening_and_the_newest_stay(html: Any) -> None:
    talk = conversation(*(said(n, f"number {n}.") for n in range(400)), omitted=100)
    body = rendered(talk, html=html, max_chars=5000).body
    shown = [n for n in range(400) if f"number {n}." in body]
    assert shown[0] == 0
    assert shown[1:] == list(range(400 - len(shown) + 1, 400))
    assert f"{500 - len(shown)} messages omitted" in body
    assert "500 messages" in body
    room = 5000 - Size.of(body).chars
    assert 0 <= room < 200


@pytest.mark.parametrize("html", [True, False])
def test_one_giant_message_is_cut_visibly_to_the_last_character(html: Any) -> None:
    body = rendered(conversation(said(0, "x" * 10**6)), html=html, max_chars=9000).body
    assert Size.of(body).chars == 9000
    assert body.count("cut here") == 1
    assert "omitted" not in body
    assert carries(body, MARKER)


def test_giant_messages_share_the_room_and_small_ones_leave_it() -> None:
    giant = "x" * 50_000
    body = rendered(conversation(said(0, giant), said(1, "small")), max_chars=9000).body
    assert "small" in body
    assert "omitted" not in body
    assert body.count("x") > 8000
    body = rendered(conversation(said(0, giant), said(1, giant)), max_chars=9000).body
    assert body.count("cut here") == 2
    assert "omitted" not in body


def test_what_is_shown_after_the_gap_has_no_gap_of_its_own() -> None:
    talk = conversation(
        said(0, "opening"), said(1, "old"), said(2, "x" * 9000), said(3, "new"), said(4, "newest")
    )
    body = rendered(talk, max_chars=3000).body
    assert [word for word in ("opening", "old<", "xx", "new<", "newest") if word in body] == [
        "opening",
        "new<",
        "newest",
    ]
    assert "2 messages omitted" in body


def test_attachments_give_way_before_the_message_does() -> None:
    files = tuple("f" * 300 for _ in range(50))
    body = rendered(conversation(said(0, "x" * 5000, files=files)), max_chars=3000).body
    assert "cut here" in body
    assert "xxx" in body


def test_bytes_are_a_limit_of_their_own() -> None:
    talk = conversation(said(0, "\u20ac" * 50_000))
    body = rendered(talk, max_chars=50_000, max_bytes=9000).body
    assert 8990 < len(body.encode()) <= 9000


def test_a_limit_without_room_for_the_link_is_refused() -> None:
    talk = conversation(said(0, "x" * 1000))
    with pytest.raises(ValueError, match="no room"):
        rendered(talk, max_chars=200)
    tight = rendered(replace(talk, omitted=7), max_chars=420).body
    assert LINK in tight
    assert carries(tight, MARKER)
    assert len(tight) <= 420


def test_many_names_and_files_are_counted_not_listed() -> None:
    many = conversation(*(said(n, "x", name=f"Guest {n}") for n in range(9)))
    assert "Guest 0, Guest 1, Guest 2, Guest 3 and 5 more" in rendered(many).body
    files = tuple(f"{n}.txt" for n in range(23))
    assert "and 3 more attachments" in rendered(conversation(said(0, files=files))).body


def test_a_name_is_cut_to_one_short_line() -> None:
    body = rendered(conversation(said(0, "x", name="A\nB " * 100)), html=False).body
    assert max(map(len, body.splitlines()[2:-1])) < 130
