"""Our block inside a note that people may have edited and the CRM's sanitizer rewritten.

The block runs from the line that starts with the marker to the line that ends with it:

    people's text
    [lull ws/12] Intercom conversation with ...      <- head
    ...
    Copied from Intercom on ... <link> [lull ws/12]  <- tail
    people's text

Sanitizers may turn tags, attributes, entities and white space round, so the marker is searched as
visible text. It is matched with its brackets: that of another conversation, or of another period,
never matches. What people write between head and tail is lost on an update: it is our copy there.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from typing import Final

from delivery.domain.note import COPIED_ON, OPEN_IT, ActionMarker, Marker, Note

# A sanitizer may write a character as itself or as an entity.
_OPEN: Final = r"(?:\[|&#0*91;|&#[xX]0*5[bB];|&lbrack;|&lsqb;)"
_CLOSE: Final = r"(?:\]|&#0*93;|&#[xX]0*5[dD];|&rbrack;|&rsqb;)"
_SLASH: Final = r"(?:/|&#0*47;|&#[xX]0*2[fF];|&sol;)"
_SPACE: Final = r"(?:\s|&nbsp;|&#0*160;|&#[xX]0*[aA]0;|&#0*32;|&#[xX]0*20;)"
_CHARS: Final = {
    "[": _OPEN,
    "]": _CLOSE,
    "/": _SLASH,
    " ": f"{_SPACE}{{1,9}}",
    "-": r"(?:-|&#0*45;|&#[xX]0*2[dD];|&hyphen;)",
    "_": r"(?:_|&#0*95;|&#[xX]0*5[fF];|&lowbar;)",
}
TOKEN: Final = re.compile(  # the marker of any conversation or action
    rf"{_OPEN}lull{_CHARS[' ']}[\w-]{{1,64}}{_SLASH}[0-9]{{1,20}}"
    rf"(?:{_SLASH}(?:[0-9]{{1,20}}|a[\w.:-]{{1,100}}))?{_CLOSE}"
)

_ATTRIBUTES: Final = r"""(?:[^"'<>]++|"[^"]*+"|'[^']*+')*+"""
_TAG: Final = re.compile(rf"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]*){_ATTRIBUTES}>")
_SPACES: Final = re.compile(rf"{_SPACE}*+")
_LAST_SPACE: Final = re.compile(rf"{_SPACE}\Z")
_VOID: Final = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "wbr"})
_INLINE: Final = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "code", "del", "em", "font", "i", "ins", "mark", "s", "small"}
    | {"span", "strike", "strong", "sub", "sup", "u", "wbr"}
)
_COPIED_AT: Final = re.compile(
    rf"(?<={COPIED_ON.replace(' ', '')}).{{1,80}}?(?={OPEN_IT.replace(' ', '')})"
)
_REACH: Final = 4096  # how far from the marker its line's tags may begin


@dataclass(frozen=True, slots=True)
class _Tag:
    name: str
    closes: bool
    start: int
    end: int


def carries(body: str, marker: Marker) -> bool:
    """Whether the note holds our block: both marker lines, each once, matched whole.

    A record that people made from our inbox app has no block: there its marker is enough.
    """
    if isinstance(marker, ActionMarker):
        return _pattern(marker).search(body) is not None
    return _ends(body, marker) is not None


def replaced(body: str, marker: Marker, note: Note) -> str | None:
    """The body with our block brought up to date, people's text around it kept.

    None: the block is no longer whole, people own this note now.
    """
    span = _span(body, marker, html=note.body.startswith("<"))
    return None if span is None else body[: span[0]] + note.body + body[span[1] :]


def says_the_same(body: str, marker: Marker, note: Note) -> bool:
    """Whether the block in this body shows what the note would, the time of copying aside.

    Only what is read counts: a sanitizer may have written tags and entities its own way.
    """
    html = note.body.startswith("<")
    return _shown(body, marker, html=html) == _shown(note.body, marker, html=html)


def _shown(body: str, marker: Marker, *, html: bool) -> str | None:
    """The block's visible characters, without white space and the time of copying."""
    ends = _ends(body, marker)
    if ends is None:
        return None
    block = body[slice(*ends)]
    shown = "".join((unescape(_TAG.sub(" ", block)) if html else block).split())
    last = shown.rfind(COPIED_ON.replace(" ", ""))
    return shown[:last] + _COPIED_AT.sub("", shown[last:], count=1)


def around(body: str, marker: Marker, *, html: bool) -> str | None:
    """People's text around our block: what a new block must leave room for."""
    span = _span(body, marker, html=html)
    return None if span is None else body[: span[0]] + body[span[1] :]


def _span(body: str, marker: Marker, *, html: bool) -> tuple[int, int] | None:
    ends = _ends(body, marker)
    return _whole_elements(body, *ends) if ends and html else ends


def _ends(body: str, marker: Marker) -> tuple[int, int] | None:
    """From the first character of the head's marker to behind the last one of the tail's."""
    found = list(_pattern(marker).finditer(body))
    heads = [match for match in found if _opens_a_line(body, match.start())]
    tails = [match for match in found if _closes_a_line(body, match.end())]
    if len(heads) != 1 or len(tails) != 1:
        return None  # a line is gone, or copied: which one is ours cannot be told
    start, end = heads[0].start(), tails[0].end()
    return (start, end) if start < tails[0].start() else None


@lru_cache(maxsize=256)
def _pattern(marker: Marker) -> re.Pattern[str]:
    return re.compile("".join(_CHARS.get(char, re.escape(char)) for char in str(marker)))


def _opens_a_line(body: str, at: int) -> bool:
    """Whether nothing visible stands before this point on its line."""
    while True:
        seen = _rstrip(body, at)
        if seen == 0 or "\n" in body[seen:at]:
            return True
        tag = _tag_before(body, seen)
        if tag is None:
            return False
        if tag.name not in _INLINE:
            return True
        if tag.closes:
            return False  # an inline element ended here: the line began before it
        at = tag.start


def _closes_a_line(body: str, at: int) -> bool:
    """Whether nothing visible follows this point on its line."""
    while True:
        seen = _lstrip(body, at)
        if seen == len(body) or "\n" in body[at:seen]:
            return True
        tag = _tag_at(body, seen)
        if tag is None:
            return False
        if tag.name not in _INLINE:
            return True
        if not tag.closes:
            return False
        at = tag.end


def _whole_elements(body: str, start: int, end: int) -> tuple[int, int] | None:
    """The block widened to whole elements, so that what stays around it is sound HTML."""
    opened: list[str] = []
    missing: list[str] = []  # closed inside, opened before
    for match in _TAG.finditer(body, start, end):
        name = match["name"].lower()
        if name in _VOID:
            continue
        if not match["end"]:
            opened.append(name)
        elif not opened:
            missing.append(name)
        elif opened.pop() != name:
            return None  # crossed tags: no place to cut is right
    left, right = len(missing), len(opened)
    before = _openings_before(body, start, at_most=left + 1)
    after = _closings_after(body, end, at_most=right + 1)
    if [tag.name for tag in before[:left]] != missing:
        return None
    if [tag.name for tag in after[:right]] != opened[::-1]:
        return None
    if left < len(before) and right < len(after) and before[left].name == after[right].name == "p":
        left, right = left + 1, right + 1  # our paragraphs do not go into another one
    return (before[left - 1].start if left else start), (after[right - 1].end if right else end)


def _openings_before(body: str, at: int, at_most: int) -> list[_Tag]:
    """The opening tags that end here, nearest first, with only white space between them."""
    tags: list[_Tag] = []
    while len(tags) < at_most:
        tag = _tag_before(body, _rstrip(body, at))
        if tag is None or tag.closes or tag.name in _VOID:
            break
        tags.append(tag)
        at = tag.start
    return tags


def _closings_after(body: str, at: int, at_most: int) -> list[_Tag]:
    """The closing tags that begin here, nearest first, with only white space between them."""
    tags: list[_Tag] = []
    while len(tags) < at_most:
        tag = _tag_at(body, _lstrip(body, at))
        if tag is None or not tag.closes:
            break
        tags.append(tag)
        at = tag.end
    return tags


def _tag_before(body: str, at: int) -> _Tag | None:
    if at == 0 or body[at - 1] != ">":
        return None
    start = at
    for _ in range(8):  # an attribute's value may hold a `<` of its own
        start = body.rfind("<", max(0, at - _REACH), start)
        if start < 0:
            return None
        tag = _tag_at(body, start)
        if tag is not None and tag.end == at:
            return tag
    return None


def _tag_at(body: str, at: int) -> _Tag | None:
    match = _TAG.match(body, at, at + _REACH)
    return match and _Tag(match["name"].lower(), bool(match["end"]), at, match.end())


def _lstrip(body: str, at: int) -> int:
    spaces = _SPACES.match(body, at)
    return spaces.end() if spaces else at


def _rstrip(body: str, at: int) -> int:
    while at > 0:
        space = _LAST_SPACE.search(body, max(0, at - 12), at)
        if space is None:
            break
        at = space.start()
    return at
