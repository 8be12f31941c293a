"""The renderer under anything that can be typed: always whole, always within the limit, fast."""

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from delivery.domain.block import carries, replaced
from delivery.domain.conversation import Conversation, Message
from delivery.domain.note import Marker
from delivery.domain.text import Size, boundary, harmless
from delivery.domain.transcript import render
from growth import LINEAR, growth
from hypothesis import example, given, settings
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MARKER = Marker("wk1", "12")
LINK = "https://app.intercom.com/a/inbox/wk1/inbox/conversation/12?a=1&b=2"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
CLUSTERS = [
    FAMILY,
    "\U0001f44d\U0001f3fd",
    "\U0001f1e6\U0001f1f9",
    "e\u0301",
    "\u0915\u094d\u0937",
    "\uac00\u11a8",
]
HARMFUL = ["\ud800", "\udc00", "\u202e", "\u2066", "\x00", "\x1b[0m", "\r\n", "\u2028", "\ufffe"]
MARKUP = [
    "<b",
    "</p>",
    "<br>",
    "<!--",
    "]]>",
    "&",
    "&amp;",
    "{{x}}",
    "${x}",
    "'",
    '"',
    "javascript:",
]
MARKERS = ["&#91;lull wk1/12]", "[lull wk1/12]", "[lull wk1/123]", "\n[lull wk1/12]\n"]
NASTY = [*CLUSTERS, *HARMFUL, *MARKUP, *MARKERS, "\u0627\u0644", " ", "\xa0", "a", "word "]
TEXTS = st.lists(st.sampled_from(NASTY) | st.text(max_size=20), max_size=60).map("".join)
MESSAGES = st.lists(
    st.builds(
        lambda text, name, kind, files, redacted: (text, name, kind, tuple(files), redacted),
        TEXTS,
        st.none() | TEXTS,
        st.sampled_from(["user", "lead", "admin", "bot", "odd"]),
        st.lists(TEXTS, max_size=3),
        st.booleans(),
    ),
    max_size=8,
)


def talk(messages: Any, omitted: Any = 0) -> Any:
    built = tuple(
        Message(n, AT + timedelta(seconds=n), kind, name, text, files, redacted, None)
        for n, (text, name, kind, files, redacted) in enumerate(messages)
    )
    return Conversation("wk1", "12", "conversation", built, omitted, None, False, (), AT)


def rendered(conversation: Any, *, html: Any, max_chars: Any, max_bytes: Any = None) -> Any:
    return render(
        conversation,
        marker=MARKER,
        link=LINK,
        time_zone="Asia/Kathmandu",
        copied_at=AT,
        html=html,
        max_chars=max_chars,
        max_bytes=max_bytes,
    )


class Sound(HTMLParser):
    """Fails on anything but our own few tags, closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: Any, attrs: Any) -> None:
        assert tag in {"p", "br", "strong", "a"}
        assert attrs == ([("href", LINK)] if tag == "a" else [])
        if tag != "br":
            assert (tag == "p") is (not self.open)
            self.open.append(tag)

    def handle_endtag(self, tag: Any) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: Any) -> None:
        assert self.open
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def read_html(body: Any) -> Any:
    parser = Sound()
    parser.feed(body)
    parser.close()
    assert parser.open == []
    return "".join(parser.text)


@settings(max_examples=150, deadline=None)
@given(
    MESSAGES, st.sampled_from([0, 7]), st.integers(1300, 9000), st.none() | st.integers(2500, 9000)
)
@example([("\ud83d" * 3000, "\ud83d", "user", (), False)], 0, 1300, 2500)
def test_whatever_is_said_the_block_is_whole_sound_and_within_its_limits(
    messages: Any, omitted: Any, max_chars: Any, max_bytes: Any
) -> None:
    for html in (True, False):
        note = rendered(
            talk(messages, omitted), html=html, max_chars=max_chars, max_bytes=max_bytes
        )
        size = Size.of(note.body)
        assert size.chars <= max_chars
        assert size.octets <= (max_bytes or size.octets)
        note.body.encode()
        json.dumps(note.body).encode("ascii")
        assert carries(note.body, MARKER)
        assert not carries(note.body, Marker("wk1", "123"))
        assert replaced(note.body, MARKER, note) == note.body
        text = read_html(note.body) if html else note.body
        assert LINK in text
        assert text.startswith(f"{MARKER} ")
        assert text.endswith(f" {MARKER}")
        assert text.count(str(MARKER)) == 2
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]", text)


@settings(max_examples=60, deadline=None)
@given(MESSAGES, st.booleans())
def test_what_fits_is_never_cut(messages: Any, html: Any) -> None:
    conversation = talk(messages)
    whole = rendered(conversation, html=html, max_chars=10**6).body
    text = read_html(whole) if html else whole
    assert "omitted" not in text or any("omitted" in m[0] for m in messages)
    for said, _, _, _, redacted in messages:
        if said and not redacted:
            shown = harmless(said)
            assert (shown.replace("\n", "") in text) if html else (shown in text)
    exact = Size.of(whole).chars
    if exact > 1300:
        assert rendered(conversation, html=html, max_chars=exact).body == whole
        assert rendered(conversation, html=html, max_chars=exact - 1).body != whole


@pytest.mark.parametrize("unit", CLUSTERS)
@pytest.mark.parametrize("html", [True, False])
def test_no_character_is_torn_at_any_of_many_limits(unit: Any, html: Any) -> None:
    conversation = talk([(unit * 2000, "Ada", "user", (), False)])
    for limit in range(1000, 1060):
        body = rendered(conversation, html=html, max_chars=limit).body
        found = re.search(r"\(Customer\)(?:</strong><br>|\n)(.*?)(?:<br>|\n)\(cut", body)
        assert found is not None
        run = found[1]
        assert run == unit * (len(run) // len(unit))
        assert limit - Size.of(body).chars < Size.of(unit).chars


def test_a_boundary_is_never_inside_a_cluster_made_of_marks_alone() -> None:
    assert boundary("\u0301" * 50, 20) == 0
    assert boundary("ab", 5) == 2
    assert boundary("", 0) == 0
    assert boundary("a\U0001f1e6\U0001f1f9\U0001f1e6\U0001f1f9", 2) == 1
    assert boundary("a\U0001f1e6\U0001f1f9\U0001f1e6\U0001f1f9", 3) == 3


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_ordinary_text_is_not_altered(text: Any) -> None:
    ordinary = "".join(
        c for c in text if unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp", "Cn")
    )
    ordinary = ordinary.translate({0x202D: None, 0x202E: None})
    assert harmless(ordinary) == ordinary


MEGABYTE = 1_000_000
PIECES_OF_IT = {
    "plain": "x",
    "angles": "<",
    "joined": "\U0001f469\u200d",
    "marks": "\u0301",
    "markers": "[lull wk1/12]",
    "entities": "&#91;lull ",
    "lines": "\n",
    "spaces": " ",
    "flags": "\U0001f1e6",
    "surrogates": "\ud800",
}


@pytest.mark.parametrize("piece", PIECES_OF_IT.values(), ids=PIECES_OF_IT)
@pytest.mark.parametrize("html", [True, False])
def test_a_message_costs_in_step_with_its_length(piece: Any, html: Any) -> None:
    def copied(length: int) -> None:
        text = "[lull" + piece * (length // len(piece))
        conversation = talk([(text, "Ada", "user", (), False)])
        note = rendered(conversation, html=html, max_chars=65_536, max_bytes=90_000)
        assert carries(note.body, MARKER)

    assert growth(copied, MEGABYTE) < LINEAR


def test_a_conversation_costs_in_step_with_its_messages() -> None:
    def copied(messages: int) -> None:
        said = [("a <\u00e9> " * 300, "Ada", "user", ("f",), False)] * messages
        rendered(talk(said), html=True, max_chars=65_536)

    assert growth(copied, 504) < LINEAR
