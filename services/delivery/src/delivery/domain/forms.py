"""The two forms of a transcript, HTML and plain text: how lines and messages are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import escape
from typing import Final

from delivery.domain.conversation import Message
from delivery.domain.person import NAME_MAX_CHARS, role
from delivery.domain.text import harmless, one_line

REMOVED: Final = "(message removed)"
FILE_NAME_MAX_CHARS: Final = 120
FILES_SHOWN: Final = 20


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


@dataclass(frozen=True, slots=True)
class Form:
    """How a line, a text and a message are written; the two forms share what is said."""

    zone: tzinfo
    newline = "\n"

    def time(self, at: datetime) -> str:
        local = at.astimezone(self.zone).isoformat(" ", "minutes")
        return f"{local[:16]} {local[16:22]}"

    def text(self, text: str) -> str:
        return text

    def line(self, text: str) -> str:
        return f"{text}\n\n"

    def last_line(self, text: str, link: str, marker: str) -> str:
        return f"{text} {link} {marker}"

    def heading(self, text: str) -> str:
        return text

    def message(
        self,
        message: Message,
        *,
        text: str | None = None,
        attachments: Sequence[str] | None = None,
    ) -> str:
        said = harmless(message.text) if text is None else text
        files = message.attachments if attachments is None else attachments
        lines = [self.heading(f"{self.time(message.sent_at)} · {_author(message)}")]
        if message.redacted:
            lines.append(self.text(REMOVED))
        elif said:
            lines.append(self.text(said))
        lines += [
            self.text(f"Attachment: {one_line(name, FILE_NAME_MAX_CHARS)}")
            for name in files[:FILES_SHOWN]
        ]
        if len(files) > FILES_SHOWN:
            lines.append(f"and {counted(len(files) - FILES_SHOWN, 'more attachment')}")
        return self._block(lines)

    def gap(self, omitted: int) -> str:
        return self._block([f"… {counted(omitted, 'message')} omitted …"])

    def _block(self, lines: Sequence[str]) -> str:
        return self.newline.join(lines) + "\n\n"


class Plain(Form):
    __slots__ = ()


class Html(Form):
    """Paragraphs and line breaks only: what every CRM's sanitizer lets through."""

    __slots__ = ()
    newline = "<br>"

    def text(self, text: str) -> str:
        return escape(text, quote=False).replace("\n", "<br>")

    def line(self, text: str) -> str:
        return f"<p>{self.text(text)}</p>"

    def last_line(self, text: str, link: str, marker: str) -> str:
        anchor = f'<a href="{escape(link)}">{escape(link, quote=False)}</a>'
        return f"<p>{self.text(text)} {anchor} {self.text(marker)}</p>"

    def heading(self, text: str) -> str:
        return f"<strong>{self.text(text)}</strong>"

    def _block(self, lines: Sequence[str]) -> str:
        return f"<p>{'<br>'.join(lines)}</p>"


def _author(message: Message) -> str:
    kind = role(message.author_kind)
    name = one_line(message.author_name or "", NAME_MAX_CHARS)
    return f"{name} ({kind})" if name and name != kind else kind
