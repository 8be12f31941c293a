r"""Foreign text made harmless, and cut without tearing a character; what people wrote stays.

What changes: line ends become `\n`; characters that no JSON or XML body may hold (lone surrogates,
control characters, noncharacters) and the overrides that turn a whole line round become the
visible U+FFFD; a copy of our marker gets an invisible joiner, so that it is never taken for ours.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Self

from delivery.domain.block import TOKEN

_LINE_ENDS: Final = re.compile("\r\n|[\r\n\v\f\x85\u2028\u2029]")
_HARMFUL: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # control characters but tab and the line ends
    "\u202d\u202e"  # left-to-right and right-to-left override; isolates end with their line
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
_BIDI: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_JOINER: Final = "\u2060"
_ZWJ: Final = "\u200d"


def harmless(text: str) -> str:
    """The text, safe in any encoding, JSON body and line of ours."""
    if not text.replace("\n", "").isprintable():  # as most are: then none of these is in it
        text = _HARMFUL.sub("\ufffd", _LINE_ENDS.sub("\n", text))
    if "lull" not in text:
        return text
    return TOKEN.sub(lambda found: found[0].replace("lull", f"l{_JOINER}ull", 1), text)


def one_line(text: str, max_chars: int) -> str:
    """A name within a line of ours: no line ends, no direction marks, bounded."""
    line = harmless(text)
    if not line.isprintable():
        line = _BIDI.sub("", line)
    line = " ".join(line.split())
    return line if len(line) <= max_chars else line[: boundary(line, max_chars - 1)] + "…"


def boundary(text: str, at: int) -> int:
    """The last index up to `at` where no user-perceived character is torn.

    A close reading of Unicode's grapheme clusters (UAX 29) with the standard library alone: where
    it errs, it keeps together what could be parted.
    """
    if at >= len(text):
        return len(text)
    while at > 0 and _joined(text, at):
        at -= 1
    return max(at, 0)


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and at this index belong together."""
    before, after = text[at - 1], text[at]
    if after in (_ZWJ, "\u200c") or unicodedata.category(after) in ("Mn", "Mc", "Me"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        return True  # a skin tone; the letters within a regional flag
    if before == _ZWJ or unicodedata.combining(before) == 9:  # 9: a virama joins two consonants
        return True
    if _regional(before) and _regional(after):
        return _run_of_regionals(text, at) % 2 == 1
    return _hangul_joined(before, after)


def _regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _run_of_regionals(text: str, at: int) -> int:
    start = at
    while start > 0 and _regional(text[start - 1]):
        start -= 1
    return at - start


def _hangul_joined(before: str, after: str) -> bool:
    leading, vowel, trailing = (
        "\u1100" <= before <= "\u115f",
        "\u1160" <= after <= "\u11a7",
        "\u11a8" <= after <= "\u11ff",
    )
    syllable = "\uac00" <= before <= "\ud7a3"
    if leading:
        return vowel or "\u1100" <= after <= "\u115f" or "\uac00" <= after <= "\ud7a3"
    inside = syllable or "\u1160" <= before <= "\u11ff"
    return inside and (vowel or trailing)


@dataclass(frozen=True, slots=True)
class Size:
    """How long a text is by the two ways in which CRMs count.

    Characters are UTF-16 units, the greatest of the usual counts, so that no CRM counts more.
    """

    chars: int
    octets: int  # UTF-8

    @classmethod
    def of(cls, text: str) -> Self:
        octets = len(text.encode())
        if octets == len(text):
            return cls(octets, octets)
        return cls(len(text.encode("utf-16-le")) // 2, octets)

    def __add__(self, other: "Size") -> "Size":
        return Size(self.chars + other.chars, self.octets + other.octets)

    def __sub__(self, other: "Size") -> "Size":
        return Size(self.chars - other.chars, self.octets - other.octets)

    def half(self) -> "Size":
        return Size(self.chars // 2, self.octets // 2)

    def fits(self, room: "Size") -> bool:
        return self.chars <= room.chars and self.octets <= room.octets

    def larger(self, other: "Size") -> "Size":
        return Size(max(self.chars, other.chars), max(self.octets, other.octets))
