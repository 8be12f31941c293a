"""What was typed into an action's form, made into what is asked of the CRM, or why that won't do.

What is wrong is told by field, as what would be right: never by what was typed (R11).
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from common.catalog import ActionKind

from delivery.domain import person
from delivery.domain.acted import SYNC
from delivery.domain.action import (
    NAME_MAX_CHARS,
    TEXT_MAX_CHARS,
    TITLE_MAX_CHARS,
    NewDeal,
    NewLead,
    NewNote,
    NewPerson,
    NewTask,
    What,
    Who,
)

_NEW_PEOPLE: Final = frozenset({ActionKind.PERSON, ActionKind.LEAD})
_ON_A_PERSON: Final = frozenset({ActionKind.DEAL, ActionKind.TASK, ActionKind.NOTE})


class BadForm(ValueError):
    """By field, what would be right."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = dict(errors)


def what_of(kind: str, person_id: str | None, form: Mapping[str, str | None]) -> What | None:
    """What the CRM is asked to make; None for a sync.

    Args:
        kind: an ActionKind, or SYNC.
        person_id: whose it is to be; of people who are yet to be made, None.
        form: an empty field is none.

    Raises:
        BadForm: with a sentence for each field.

    """
    fields, errors, read = _FIELDS[kind], dict[str, str](), dict[str, Any]()
    typed = {name: text.strip() for name, text in form.items() if text and text.strip()}
    for name in typed.keys() - fields.keys():
        errors[name] = f"leave it out: a {kind} has none"
    for name, of in fields.items():
        try:
            read[name] = of(typed.get(name, ""))
        except (ValueError, OverflowError) as error:
            errors[name] = str(error)
    if kind in _ON_A_PERSON and person_id is None:
        errors["person_id"] = "choose whose it is to be"
    if kind in _NEW_PEOPLE and person_id is not None:
        errors["person_id"] = "leave it out: somebody new has none yet"
    if read.get("email", "") is None and read.get("phone", "") is None:
        errors["email"] = "an e-mail address or a phone number is needed"
    if errors:
        raise BadForm(errors)
    return _built(kind, person_id or "", read)


def _built(kind: str, person_id: str, read: Mapping[str, Any]) -> What | None:
    match kind:
        case ActionKind.PERSON:
            return NewPerson(Who(**read))
        case ActionKind.LEAD:
            title = read["title"]
            return NewLead(Who(read["name"], read["email"], read["phone"]), title)
        case ActionKind.DEAL:
            return NewDeal(person_id, **read)
        case ActionKind.TASK:
            return NewTask(person_id, **read)
        case ActionKind.NOTE:
            return NewNote(person_id, **read)
    return None


def _needed(max_chars: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text:
            raise ValueError("is needed")
        return _bounded(text, max_chars)

    return read


def _optional(text: str) -> str:
    return _bounded(text, TEXT_MAX_CHARS)


def _bounded(text: str, max_chars: int) -> str:
    if len(text) > max_chars:
        raise ValueError(f"at most {max_chars:,} characters")
    return text


def _email(text: str) -> str | None:
    found = person.contact("", [text], []).emails
    if text and not found:
        raise ValueError("an address such as ada@example.com")
    return found[0] if found else None


def _phone(text: str) -> str | None:
    found = person.e164(text) if text else None
    if text and found is None:
        raise ValueError("a number with its country code, such as +43 1 5125000")
    return found


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("an instant with its offset, such as 2026-11-22T10:15:00Z")
    return at


_WHO: Final[Mapping[str, Callable[[str], Any]]] = {
    "name": _needed(NAME_MAX_CHARS),
    "email": _email,
    "phone": _phone,
}
_TITLE: Final = {"title": _needed(TITLE_MAX_CHARS)}
_FIELDS: Final[Mapping[str, Mapping[str, Callable[[str], Any]]]] = {
    ActionKind.PERSON: _WHO,
    ActionKind.LEAD: {**_WHO, **_TITLE},
    ActionKind.DEAL: _TITLE,
    ActionKind.TASK: {**_TITLE, "due_at": _instant, "text": _optional},
    ActionKind.NOTE: {"text": _needed(TEXT_MAX_CHARS)},
    SYNC: {},
}
