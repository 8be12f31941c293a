"""An environment of Dataverse: its request limit, its guids, its rows, and what it does to HTML."""

import itertools
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import nh3

from simulators.crm import By, CrmAccount, Person, Record, User
from simulators.http import Json
from simulators.rate_limits import RollingWindow

NOTE_MAX_CHARS = 100_000  # of UTF-16
WINDOW_S = 300
_IDS = uuid.UUID("a3b0e8a4-5d0c-4f0e-9a55-6b1f4f0e1d11")

_TAGS = {
    "a", "b", "blockquote", "br", "div", "em", "h1", "h2", "h3", "hr", "i", "img", "li", "ol",
    "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
"""What the rich text editor of the timeline makes; no list is published."""


@dataclass(kw_only=True, slots=True)
class Case(Record):
    """An incident; its contact is the first of `person_ids`, its customer may be an account."""

    person_ids: list[str]
    title: str
    customer_id: str | None = None
    customer_kind: Literal["contact", "account"] = "contact"

    def view(self) -> Json:
        return {
            "id": self.id,
            "person_ids": list(self.person_ids),
            "title": self.title,
            **self.history(),
        }


class DynamicsAccount(CrmAccount):
    """`id` is the environment's name in its address, such as `contoso`."""

    crm = "dynamics365"

    def __init__(self, account_id: str, name: str, users: Iterable[User]) -> None:
        with_guids = [User(guid(account_id, u.id), u.email, u.name) for u in users]
        super().__init__(account_id, name, with_guids, itertools.count(1))
        self.organization_id = guid(account_id, "organization")
        self.cases: dict[str, Case] = {}
        self.requests_per_window = 6_000
        self._windows: dict[str, RollingWindow] = {}

    def window_of(self, user_id: str) -> RollingWindow:
        """Service protection counts per user."""
        window = self._windows.setdefault(
            user_id, RollingWindow(self.requests_per_window, WINDOW_S)
        )
        window.limit = self.requests_per_window
        return window

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        for name, value in limits.items():
            if name != "requests_per_5min":
                message = f"no such limit: {name}"
                raise ValueError(message)
            self.requests_per_window = int(value)

    def limits(self) -> dict[str, Any]:
        return {"requests_per_5min": self.requests_per_window}

    def new_id(self) -> str:
        return str(uuid.uuid4())

    def sanitize(self, html: str) -> str:
        return nh3.clean(html, tags=_TAGS)

    def add_person(
        self,
        now: float,
        by: By,
        *,
        name: str,
        emails: list[str],
        phone: str | None = None,
        person_id: str | None = None,
        extra: Json | None = None,
    ) -> Person:
        """An id given by hand is a number; here it becomes a guid."""
        if person_id is not None and person_id.isdecimal():
            person_id = guid(self.id, person_id)
        return super().add_person(
            now,
            by,
            name=name,
            emails=emails,
            phone=phone,
            person_id=person_id,
            extra=extra,
        )

    def delete_person(self, person: Person, now: float, by: By) -> None:
        """With everything that hangs on it: the relations cascade."""
        super().delete_person(person, now, by)
        for note in self.notes_of(person.id):
            note.delete(now, by)

    def rows(self, table: str) -> list[Record]:
        """All rows that are still there; a merged one is, only inactive."""
        held: Iterable[Record]
        if table in ("contacts", "leads"):
            held = (p for p in self.persons.values() if kind_of(p) == table)
        else:
            tables: dict[str, Iterable[Record]] = {
                "annotations": self.notes.values(),
                "incidents": self.cases.values(),
                "opportunities": self.deals.values(),
                "tasks": self.activities.values(),
            }
            held = tables[table]
        return [r for r in held if is_there(r)]

    def row(self, table: str, row_id: str) -> Record | None:
        return next((r for r in self.rows(table) if r.id == row_id), None)

    def view(self) -> Json:
        return super().view() | {"cases": [case.view() for case in self.cases.values()]}


def guid(account_id: str, name: str) -> str:
    return str(uuid.uuid5(_IDS, f"{account_id}/{name}"))


def names_of(person: Person) -> tuple[str | None, str | None]:
    """First and last name as they were written; else the first word of two is the first name."""
    if "names" in person.extra:
        first, last = person.extra["names"]
        return first, last
    first, _, last = person.name.partition(" ")
    return (first, last) if last else (None, first or None)


def kind_of(person: Person) -> str:
    return "leads" if person.extra.get("lead") else "contacts"


def is_there(record: Record) -> bool:
    return not record.deleted or (isinstance(record, Person) and record.merged_into is not None)


def new_row(now: float, row_id: str) -> dict[str, Any]:
    """What every record that the API makes begins with."""
    return {
        "id": row_id,
        "created_at": now,
        "created_by": "api",
        "updated_at": now,
        "updated_by": "api",
    }
