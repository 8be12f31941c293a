"""Canvas Kit's components, as far as an inbox card needs them, and the canvas around them.

Source: Intercom's Canvas Kit reference and its own TypeScript client, 6.3.0 (read 2026-11-26).
A live canvas (`content_url`) exists in the Messenger only: an inbox card changes when a button is
pressed or the conversation is opened again.
"""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

Component = dict[str, Any]
Canvas = dict[str, Any]

_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>])")
_SUBMIT: Final = {"type": "submit"}


def canvas(components: Sequence[Component], stored: dict[str, Any]) -> Canvas:
    """The answer to a request. What is stored comes back with the card's next request."""
    return {"canvas": {"content": {"components": list(components)}, "stored_data": stored}}


def text(
    said: str, style: Literal["header", "paragraph", "muted", "error"] = "paragraph"
) -> Component:
    return {"type": "text", "text": said, "style": style}


def link(label: str, url: str) -> str:
    """Markdown within a text."""
    return f"[{escaped(label)}]({url.replace('(', '%28').replace(')', '%29').replace(' ', '%20')})"


def escaped(said: str) -> str:
    """A text of somebody else's, so that Markdown changes nothing in it."""
    return _MARKDOWN.sub(r"\\\1", said)


def button(
    component_id: str, label: str, style: Literal["primary", "secondary", "link"] = "secondary"
) -> Component:
    return {
        "type": "button",
        "id": component_id,
        "label": label,
        "style": style,
        "action": _SUBMIT,
    }


def one_line(component_id: str, label: str, value: str, *, failed: bool) -> Component:
    state = "failed" if failed else "unsaved"
    field = {"type": "input", "id": component_id, "label": label, "save_state": state}
    return field | ({"value": value} if value else {})


def lines(component_id: str, label: str, value: str, *, failed: bool) -> Component:
    field = {"type": "textarea", "id": component_id, "label": label, "error": failed}
    return field | ({"value": value} if value else {})


def choice(
    component_id: str, label: str, options: dict[str, str], value: str, *, failed: bool
) -> Component:
    """Of two to ten options, by what each sends."""
    return {
        "type": "dropdown",
        "id": component_id,
        "label": label,
        "options": [{"type": "option", "id": key, "text": said} for key, said in options.items()],
        "value": value,
        "save_state": "failed" if failed else "unsaved",
    }


def divider() -> Component:
    return {"type": "divider"}
