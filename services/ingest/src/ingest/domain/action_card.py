"""The card of one action: its form, and what became of it.

What was typed stays on the card until it is done: there is no other copy, and whoever is told to
press again must be able to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from common.catalog import APPS, ActionKind

from ingest.domain.canvas_kit import (
    Canvas,
    Component,
    button,
    canvas,
    choice,
    escaped,
    lines,
    link,
    one_line,
    text,
)
from ingest.domain.canvas_request import DO, REFRESH, Button, Contact, Drawing
from ingest.domain.standing import End, Ends
from ingest.domain.words import button_label, noun

NAME_MAX_CHARS: Final = 80  # of a default; delivery says what it takes
_WHO: Final = ("name", "email", "phone")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    ActionKind.PERSON: _WHO,
    ActionKind.LEAD: (*_WHO, "title"),
    ActionKind.DEAL: ("title",),
    ActionKind.TASK: ("title", "due_at", "text"),
    ActionKind.NOTE: ("text",),
}
ON_A_PERSON: Final = frozenset({ActionKind.DEAL, ActionKind.TASK, ActionKind.NOTE})
_LABELS: Final = {
    "name": "Name",
    "email": "E-mail",
    "phone": "Phone, with country code",
    "title": "Title",
    "due_at": "Due",
    "text": "Text",
}
_DUE: Final = {
    "In an hour": timedelta(hours=1),
    "In a day": timedelta(days=1),
    "In three days": timedelta(days=3),
    "In a week": timedelta(weeks=1),
    "In a month": timedelta(days=30),
}
_USUAL_DUE: Final = "In a day"
_AT_IT: Final = (
    "{app} is slow and still at it. Press the button again to see whether it is done; it is done "
    "once, however often you press."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One action: its form as it was drawn, and what stands in it."""

    app: str
    kind: str
    drawing: Drawing
    typed: Mapping[str, str] = field(repr=False)

    @property
    def action_id(self) -> str:
        """The same however often this form is submitted."""
        return f"{self.drawing.id}.{self.app}.{self.kind}"

    @property
    def person_id(self) -> str | None:
        return self.drawing.persons.get(self.app) if self.kind in ON_A_PERSON else None

    def form(self) -> dict[str, str]:
        """Of the fields that this kind has."""
        return {name: self.typed.get(name, "") for name in _FIELDS.get(self.kind, ())}


def first_asked(app: str, kind: str, drawing: Drawing, contact: Contact) -> Asked:
    """The form with what the conversation's contact suggests."""
    whom = contact.name or contact.email or "a contact"
    titles = {
        ActionKind.LEAD: f"Lead: {whom}",
        ActionKind.DEAL: f"Deal with {whom}",
        ActionKind.TASK: f"Follow up with {whom}",
    }
    defaults = {
        "name": (contact.name or contact.email.partition("@")[0])[:NAME_MAX_CHARS],
        "email": contact.email,
        "phone": contact.phone,
        "title": titles[ActionKind(kind)][:NAME_MAX_CHARS] if kind in titles else "",
        "due_at": due_choices(drawing.at)[_USUAL_DUE],
        "text": "",
    }
    return Asked(app, kind, drawing, defaults)


def form_card(asked: Asked, end: End | None = None) -> Canvas:
    """The form; again with what was typed and why, unless it is done.

    Args:
        asked: the action.
        end: how the last press ended.

    """
    errors = end.errors if end is not None else {}
    title = f"{button_label(asked.app, asked.kind)} · {APPS[asked.app].name}"
    components = [text(title, "header"), *_told(asked, end)]
    for name, value in asked.form().items():
        components.append(_field(asked, name, value, failed=name in errors))
        if name in errors:
            components.append(text(f"{_LABELS[name]}: {errors[name]}", "error"))
    again = end is not None and end.state in (Ends.WORKING, Ends.UNKNOWN, Ends.AWAY)
    label = "Press again" if again else button_label(asked.app, asked.kind)
    if end is None or end.state is not Ends.REFUSED:
        act = Button(DO, asked.app, asked.kind)
        components.append(button(str(act), label, "primary"))
    components.append(_back())
    return canvas(components, asked.drawing.stored())


def done_card(asked: Asked, end: End) -> Canvas:
    """What came of it. Nothing of what was typed."""
    app = APPS[asked.app].name
    what = noun(asked.app, asked.kind)
    if asked.kind not in _FIELDS:
        told = f"{app}: the transcript is synced now."
    elif end.was_there:
        told = f"The {what} was there already in {app}; the transcript is synced now."
    else:
        told = f"The {what} is in {app}; the transcript is synced now."
    opens = [text(link(f"Open in {app}", end.url))] if end.url else []
    return canvas([text("Done", "header"), text(told), *opens, _back()], {})


def due_choices(at: int) -> dict[str, str]:
    """The instant of each choice, counted from when the form was drawn."""
    drawn = datetime.fromtimestamp(at, UTC).replace(second=0)
    return {said: (drawn + after).isoformat() for said, after in _DUE.items()}


def _told(asked: Asked, end: End | None) -> list[Component]:
    if end is None:
        return []
    if end.state is Ends.WORKING:
        return [text(_AT_IT.format(app=APPS[asked.app].name))]
    if end.state is Ends.INVALID:
        shown = asked.form()
        others = [
            text(f"{'Person' if name == 'person_id' else 'Form'}: {said}", "error")
            for name, said in end.errors.items()
            if name not in shown
        ]
        return [text("Not done yet: some fields need another look.", "error"), *others]
    return [text(escaped(end.sentence), "error")]


def _field(asked: Asked, name: str, value: str, *, failed: bool) -> Component:
    label = _LABELS[name]
    if name == "text":
        return lines(name, label, value, failed=failed)
    if name == "due_at":
        options = {instant: said for said, instant in due_choices(asked.drawing.at).items()}
        chosen = value if value in options else due_choices(asked.drawing.at)[_USUAL_DUE]
        return choice(name, label, options, chosen, failed=failed)
    return one_line(name, label, value, failed=failed)


def _back() -> Component:
    return button(str(Button(REFRESH)), "Back to the card", "link")
