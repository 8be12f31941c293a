"""What people make in the CRM from our inbox app: a person, a lead, a deal, a task, a plain note.

Hardly a CRM takes an id of ours, so each record carries a marker in a text of its own where it has
one, `[lull <workspace>/<conversation>/a<action id>]`, by which it is found again after an unknown
end. Text and names are held in memory only (R11).
"""

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import ClassVar, Final

from common.catalog import ActionKind

from delivery.domain.note import ActionMarker
from delivery.domain.text import harmless, one_line

NAME_MAX_CHARS: Final = 80  # the shortest of the CRMs: first and last name of 40 each
TITLE_MAX_CHARS: Final = 200  # of a deal, lead or task; the marker comes on top where it must
TEXT_MAX_CHARS: Final = 8_000  # five times as long where every character is escaped


@dataclass(frozen=True, slots=True)
class Who:
    """A customer to be made; at least one address, or nobody could find them again."""

    name: str
    email: str | None = None
    phone: str | None = None  # E.164

    def __post_init__(self) -> None:
        _bounded(self.name, NAME_MAX_CHARS)
        if not self.email and not self.phone:
            raise ValueError("a person needs an address or a phone number")

    @property
    def first_name(self) -> str:
        return " ".join(self.name.split()[:-1])

    @property
    def last_name(self) -> str:
        """Never empty: most CRMs ask for it."""
        return self.name.split()[-1]


@dataclass(frozen=True, slots=True)
class NewPerson:
    kind: ClassVar[ActionKind] = ActionKind.PERSON
    who: Who


@dataclass(frozen=True, slots=True)
class NewLead:
    """Some CRMs keep leads as people of their own, some hang them on a person."""

    kind: ClassVar[ActionKind] = ActionKind.LEAD
    who: Who
    title: str

    def __post_init__(self) -> None:
        _bounded(self.title, TITLE_MAX_CHARS)


@dataclass(frozen=True, slots=True)
class NewDeal:
    """A deal or opportunity."""

    kind: ClassVar[ActionKind] = ActionKind.DEAL
    person_id: str
    title: str

    def __post_init__(self) -> None:
        _bounded(self.title, TITLE_MAX_CHARS)


@dataclass(frozen=True, slots=True)
class NewTask:
    kind: ClassVar[ActionKind] = ActionKind.TASK
    person_id: str
    title: str
    due_at: datetime
    text: str = ""

    def __post_init__(self) -> None:
        _bounded(self.title, TITLE_MAX_CHARS)
        _bounded(self.text, TEXT_MAX_CHARS, may_be_empty=True)


@dataclass(frozen=True, slots=True)
class NewNote:
    """A teammate's own words, not a transcript."""

    kind: ClassVar[ActionKind] = ActionKind.NOTE
    person_id: str
    text: str

    def __post_init__(self) -> None:
        _bounded(self.text, TEXT_MAX_CHARS)


What = NewPerson | NewLead | NewDeal | NewTask | NewNote


@dataclass(frozen=True, slots=True)
class Action:
    marker: ActionMarker
    what: What
    asked_at: datetime  # whatever was made for it is not older
    owner_id: str | None = None  # the CRM's user; the connection's own where None
    # An earlier attempt's end is not known. Ask again only when what it made must be visible
    # (`visible_after` from its deadline on): the record is looked for before one is made.
    again: bool = False
    begun_at: datetime | None = None  # this attempt at it, where that is not the first

    @property
    def dated_at(self) -> datetime:
        return self.begun_at or self.asked_at

    @property
    def kind(self) -> ActionKind:
        return self.what.kind


@dataclass(frozen=True, slots=True)
class Made:
    kind: ActionKind
    id: str
    person_id: str | None  # whom it belongs to; None where a lead is a person of its own
    url: str | None  # where people see it
    was_there: bool = False  # found instead of made


def title_of(title: str) -> str:
    return one_line(title, TITLE_MAX_CHARS)


def body_of(text: str, marker: ActionMarker, *, html: bool) -> str:
    """A teammate's text as the CRM takes it, with the marker on a line of its own at the end."""
    said = harmless(text).strip()
    if not html:
        return f"{said}\n\n{marker}" if said else str(marker)
    paragraph = escape(said, quote=False).replace("\n", "<br>")
    return f"<p>{paragraph}</p><p>{marker}</p>" if said else f"<p>{marker}</p>"


def _bounded(text: str, max_chars: int, *, may_be_empty: bool = False) -> None:
    """Raises ValueError; the text itself is not repeated."""
    if not may_be_empty and not text.strip():
        raise ValueError("must not be empty")
    if len(text) > max_chars:
        raise ValueError(f"at most {max_chars} characters")
