"""What a person types into a box, as Intercom would store it: paragraphs, escaped, links made."""

import re
from html import escape

_LINK = re.compile(r"https?://[^\s<>\"]+")


def as_html(text: str) -> str:
    paragraphs = re.split(r"\r?\n\s*\r?\n", text.strip())
    return "".join(f"<p>{_lines(p)}</p>" for p in paragraphs)


def _lines(paragraph: str) -> str:
    escaped = "<br>".join(escape(line, quote=False) for line in paragraph.splitlines())
    return _LINK.sub(lambda m: f'<a href="{m[0]}">{m[0]}</a>', escaped)
