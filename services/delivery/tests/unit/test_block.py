"""Our block inside a note that people edited and a sanitizer rewrote."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import nh3
import pytest
from delivery.domain.block import around, carries, replaced, says_the_same
from delivery.domain.conversation import Conversation, Message
from delivery.domain.note import Marker
from delivery.domain.transcript import render
from growth import LINEAR, growth
from hypothesis import given, settings
from hypothesis import strategies as st

TWICE_A_CRMS_LIMIT = 200_000
AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MARKER = Marker("wk1", "12")
OTHERS = [
    Marker("wk1", "1"),
    Marker("wk1", "123"),
    Marker("wk1", "12", 9),
    Marker("wk", "12"),
    Marker("wk12", "12"),
    Marker("xwk1", "12"),
    Marker("WK1", "12"),
    Marker("wk.", "12"),
]


def note(
    text: Any = "Hello <b>", marker: Any = MARKER, *, html: Any = True, copied_at: Any = AT
) -> Any:
    message = Message(0, AT, "user", "Ada & Co", text, ("a.pdf",), False, None)
    talk = Conversation("wk1", marker.conversation_id, "email", (message,), 0, None, False, (), AT)
    return render(
        talk,
        marker=marker,
        link="https://app.intercom.com/a?b=1&c=2",
        time_zone="UTC",
        copied_at=copied_at,
        html=html,
        max_chars=65_536,
    )


OLD, NEW = note("old"), note("new")
REWRITTEN: dict[str, Callable[[str], str]] = {
    "as sent": lambda body: body,
    "nh3": nh3.clean,
    "nh3 with few tags": lambda body: nh3.clean(body, tags={"p", "br"}),
    "in a div": lambda body: f'<div style="" dir="auto" data-top-level="true">{body}</div>',
    "paragraphs with attributes": lambda body: body.replace("<p>", '<p style="" data-a="1>0">'),
    "paragraphs as divs": lambda body: body.replace("<p>", "<div>").replace("</p>", "</div>"),
    "spans inside": lambda body: body.replace("<p>", "<p><span>").replace("</p>", "</span></p>"),
    "breaks for paragraphs": lambda body: body.replace("</p><p>", "<br/><br />"),
    "upper case": lambda body: body.replace("<p>", "<P>").replace("</p>", "</P>"),
    "lines between": lambda body: body.replace("</p>", "</p>\n\n").replace("<p>", "<p>\n"),
    "hex entities": lambda body: body.replace("[", "&#x5B;").replace("]", "&#x5d;"),
    "decimal entities": lambda body: body.replace("wk1/", "wk1&#47;").replace("[", "&#091;"),
    "unbreakable spaces": lambda body: body.replace(" ", "&nbsp;").replace("<a&nbsp;", "<a "),
    "raw unbreakable spaces": lambda body: body.replace("lull ", "lull\xa0"),
    "trailing space": lambda body: body.replace("</p>", " &nbsp;</p>"),
    "no paragraphs at all": lambda body: re.sub("</?(p|strong)>", "\n", body),
}  # fmt: skip


@pytest.mark.parametrize("rewrite", REWRITTEN.values(), ids=REWRITTEN)
def test_a_rewritten_block_is_found_and_replaced_whole(rewrite: Any) -> None:
    stored = rewrite(OLD.body)
    assert carries(stored, MARKER)
    after = replaced(stored, MARKER, NEW)
    assert after is not None
    assert NEW.body in after
    assert "old" not in after
    assert "lull" not in after.replace(NEW.body, "")
    assert "<p><p>" not in after
    assert is_sound(after)
    assert replaced(after, MARKER, NEW) == after


@pytest.mark.parametrize("rewrite", REWRITTEN.values(), ids=REWRITTEN)
def test_a_clock_that_moved_on_is_no_change_and_a_word_is_one(rewrite: Any) -> None:
    stored = f"<p>Mine</p>{rewrite(OLD.body)}<p>yours</p>"
    later = note("old", copied_at=AT + timedelta(days=40, hours=3))
    assert later.body != OLD.body
    assert says_the_same(stored, MARKER, later)
    assert not says_the_same(stored, MARKER, NEW)
    assert not says_the_same("<p>Mine</p>", MARKER, later)


@pytest.mark.parametrize("html", [True, False])
def test_only_the_last_lines_own_time_may_differ(html: Any) -> None:
    def quoting(day: int) -> Any:
        said = f"Copied from Intercom on 2020-01-0{day} 10:00 +00:00 (UTC). Open the conversation"
        return note(f"{said} for its latest state:", html=html)

    assert says_the_same(quoting(1).body, MARKER, quoting(1))
    assert not says_the_same(quoting(1).body, MARKER, quoting(2))


@pytest.mark.parametrize("rewrite", REWRITTEN.values(), ids=REWRITTEN)
@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("<p>Mine</p>", ""),
        ("", "<p>Mine</p>"),
        ("<h2>Mine</h2><ul><li>a</li></ul>", "<p>yours <b>too</b></p>"),
        ("Mine<br>", "<br>yours"),
        ("<p></p>", "<p>&nbsp;</p>"),
        ("<p>See [lull wk1/12] in the middle</p>", "<p>or [lull wk1/123]</p>"),
        ("<div><div><p>Mine</p></div></div>", "<blockquote><p>yours</p></blockquote>"),
    ],
)
def test_peoples_words_around_it_are_kept(rewrite: Any, above: Any, below: Any) -> None:
    stored = above + rewrite(OLD.body) + below
    after = replaced(stored, MARKER, NEW)
    assert after is not None
    assert after.startswith(above)
    assert after.endswith(below)
    assert is_sound(after)
    rest = around(stored, MARKER, html=True)
    assert rest is not None
    assert len(after) == len(rest) + len(NEW.body)


def test_peoples_words_inside_it_give_way_to_the_copy() -> None:
    stored = OLD.body.replace("</p><p>", "</p><p>inserted by hand</p><p>", 1)
    assert replaced(stored, MARKER, NEW) == NEW.body


@pytest.mark.parametrize("other", OTHERS, ids=str)
@pytest.mark.parametrize("html", [True, False])
def test_the_marker_of_another_conversation_never_matches(other: Any, html: Any) -> None:
    assert not carries(note(html=html).body, other)
    theirs = note(marker=other, html=html)
    assert carries(theirs.body, other)
    assert not carries(theirs.body, MARKER)
    assert replaced(theirs.body, MARKER, NEW) is None


TAKEN_OVER: dict[str, Callable[[str], str]] = {
    "head gone": lambda body: body[body.index("</p>") + 4 :],
    "tail gone": lambda body: body[: body.rindex("<p>")],
    "head's marker gone": lambda body: body.replace("[lull wk1/12] ", "", 1),
    "bracket gone": lambda body: body.replace("[lull wk1/12] ", "lull wk1/12] ", 1),
    "a digit more": lambda body: body.replace("[lull wk1/12] ", "[lull wk1/120] ", 1),
    "words before the head": lambda body: body.replace("<p>[lull", "<p>NB: [lull", 1),
    "words behind the tail": lambda body: body.replace("wk1/12]</p>", "wk1/12] thanks!</p>"),
    "pasted twice": lambda body: body + body,
    "head copied": lambda body: "<p>[lull wk1/12] Intercom</p>" + body,
    "tail copied": lambda body: body + "<p>as of [lull wk1/12]</p>",
    "the lines swapped": lambda body: "<p>x [lull wk1/12]</p><p>[lull wk1/12] y</p>",
    "one lone marker": lambda body: "<p>[lull wk1/12]</p>",
    "emptied": lambda body: "",
}


@pytest.mark.parametrize("edit", TAKEN_OVER.values(), ids=TAKEN_OVER)
def test_a_block_that_is_no_longer_whole_is_peoples(edit: Any) -> None:
    stored = edit(OLD.body)
    assert not carries(stored, MARKER)
    assert replaced(stored, MARKER, NEW) is None
    assert around(stored, MARKER, html=True) is None


def test_tags_that_cannot_be_cut_soundly_hand_the_note_over() -> None:
    stored = f"<div>Mine {OLD.body.replace('</p>', '</p></div>', 1)}"
    assert replaced(stored, MARKER, NEW) is None
    for crossing in ("<i></p></i><p>", "</p><b><i>x</b></i><p>"):
        crossed = OLD.body.replace("</p><p>", crossing, 1)
        assert replaced(crossed, MARKER, NEW) is None


@pytest.mark.parametrize("text", ["<div> </p> <b>", "a\n[lull wk1/12]\nb", "-- \n"])
def test_a_plain_body_knows_no_tags(text: Any) -> None:
    old, new = note(text, html=False), note("new", html=False)
    stored = f"Mine <b>\n\n{old.body}\nyours"
    assert carries(stored, MARKER)
    assert replaced(stored, MARKER, new) == f"Mine <b>\n\n{new.body}\nyours"


def test_what_a_customer_typed_cannot_end_our_block() -> None:
    for html in (True, False):
        forged = note("x\n[lull wk1/12]\n\n[lull wk1/12] y\n&#91;lull wk1/12&#93;", html=html)
        stored = nh3.clean(forged.body) if html else forged.body
        assert carries(stored, MARKER)
        new = note("new", html=html)
        assert replaced(stored + "\nmine", MARKER, new) == new.body + "\nmine"


TAGS = [
    "<p>",
    "</p>",
    "<div>",
    "</div>",
    "<b>",
    "</b>",
    "<br>",
    "<ul><li>",
    "</li></ul>",
    "<a href='x'>",
]
WORDS = ["text", " ", "\n", "&nbsp;", "[lull wk1/123]", "see [lull wk1/12] there", "<!--", "<", ">"]
PIECES = st.sampled_from(TAGS + WORDS)
FILLERS = [
    "<p>",
    "</p>",
    "<",
    "<a '",
    '<a "',
    "[lull wk1/12]",
    "<b>[lull wk1/12]</b>",
    " ",
    "&nbsp;",
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(PIECES, max_size=12).map("".join),
    st.sampled_from(sorted(REWRITTEN)),
)
def test_whatever_people_type_around_it_is_kept_or_the_note_is_theirs(
    above: Any, below: Any, rewrite: Any
) -> None:
    stored = nh3.clean(above + REWRITTEN[rewrite](OLD.body) + below)
    after = replaced(stored, MARKER, NEW)
    if after is None:
        return
    rest = around(stored, MARKER, html=True)
    assert rest is not None
    assert after.replace(NEW.body, "") == rest
    assert stored.startswith(after[: after.index(NEW.body)])
    assert "old" not in rest
    assert is_sound(after)


@pytest.mark.parametrize("filler", FILLERS)
def test_looking_through_a_note_costs_in_step_with_its_length(filler: Any) -> None:
    for around_it in (
        lambda body: body + OLD.body,
        lambda body: OLD.body + body,
        lambda body: OLD.body.replace("old", body),
    ):

        def looked_through(length: int, around_it: Callable[[str], str] = around_it) -> None:
            stored = around_it(filler * (length // len(filler)))
            carries(stored, MARKER)
            replaced(stored, MARKER, NEW)

        assert growth(looked_through, TWICE_A_CRMS_LIMIT) < LINEAR


def is_sound(html: Any) -> Any:
    """Every closing tag closes what was opened last, and nothing stays open."""
    opened = []
    for end, name in re.findall(r"<(/?)([A-Za-z0-9]+)(?:\"[^\"]*\"|[^>\"])*>", html):
        if name.lower() == "br":
            continue
        if not end:
            opened.append(name.lower())
        elif not opened or opened.pop() != name.lower():
            return False
    return not opened
