"""What every simulated CRM keeps: persons, notes, activities and deals, each with its history.

The vendors' folders put their own wire format on top of these records.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from simulators.http import Json
from simulators.oauth import TokenServer

By = Literal["api", "hand"]


@dataclass(kw_only=True, slots=True)
class Record:
    id: str
    created_at: float
    created_by: By
    updated_at: float
    updated_by: By
    revision: int = 1
    deleted: bool = False
    deleted_at: float | None = None
    deleted_by: By | None = None
    extra: Json = field(default_factory=dict)  # the vendor's other fields

    def touch(self, now: float, by: By) -> None:
        self.updated_at, self.updated_by = now, by
        self.revision += 1

    def delete(self, now: float, by: By) -> None:
        self.deleted, self.deleted_at, self.deleted_by = True, now, by

    def history(self) -> Json:
        return {
            "created_at": self.created_at,
            "created_by": self.created_by,
            "updated_at": self.updated_at,
            "updated_by": self.updated_by,
            "revision": self.revision,
            "deleted": self.deleted,
            "deleted_at": self.deleted_at,
            "deleted_by": self.deleted_by,
        }


@dataclass(kw_only=True, slots=True)
class Person(Record):
    name: str
    emails: list[str]
    phone: str | None = None
    merged_into: str | None = None
    merged_ids: list[str] = field(default_factory=list)

    def view(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "emails": list(self.emails),
            "phone": self.phone,
            "merged_into": self.merged_into,
            "extra": dict(self.extra),
            **self.history(),
        }


@dataclass(kw_only=True, slots=True)
class Note(Record):
    person_ids: list[str]
    body: str
    body_sent: str | None
    user_id: str
    said_at: float

    def view(self) -> Json:
        return {
            "id": self.id,
            "person_ids": list(self.person_ids),
            "body": self.body,
            "body_sent": self.body_sent,
            "user_id": self.user_id,
            "said_at": self.said_at,
            "extra": dict(self.extra),
            **self.history(),
        }


@dataclass(kw_only=True, slots=True)
class Activity(Record):
    person_ids: list[str]
    subject: str
    type: str
    done: bool
    due_date: str | None
    due_time: str | None
    body: str
    body_sent: str | None
    user_id: str

    def view(self) -> Json:
        return {
            "id": self.id,
            "person_ids": list(self.person_ids),
            "subject": self.subject,
            "type": self.type,
            "done": self.done,
            "due_date": self.due_date,
            "due_time": self.due_time,
            "body": self.body,
            "body_sent": self.body_sent,
            "user_id": self.user_id,
            "extra": dict(self.extra),
            **self.history(),
        }


@dataclass(kw_only=True, slots=True)
class Deal(Record):
    person_ids: list[str]
    title: str

    def view(self) -> Json:
        return {
            "id": self.id,
            "person_ids": list(self.person_ids),
            "title": self.title,
            "extra": dict(self.extra),  # the vendor's other fields
            **self.history(),
        }


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str
    name: str


Some = TypeVar("Some", bound=Record)


class CrmAccount:
    """One customer's CRM. Vendors derive from it for limits and for what they clean out of HTML."""

    crm: str
    html = True  # notes are HTML; else plain text

    def __init__(
        self, account_id: str, name: str, users: Iterable[User], ids: Iterator[int]
    ) -> None:
        self.id = account_id
        self.name = name
        self.users = {user.id: user for user in users}
        self.persons: dict[str, Person] = {}
        self.notes: dict[str, Note] = {}
        self.activities: dict[str, Activity] = {}
        self.deals: dict[str, Deal] = {}
        self.calls: Counter[str] = Counter()
        self.events: list[Json] = []  # what an automation in the CRM would be started by
        self.search_lag_s: float | None = None
        self.token_lifetime_s: float | None = None
        self._ids = ids

    def new_id(self) -> str:
        """One that no record of any kind has, also where ids were given by hand."""
        kinds = (self.persons, self.notes, self.activities, self.deals)
        return next(i for i in map(str, self._ids) if not any(i in kind for kind in kinds))

    def happened(self, event: str, record: Record, now: float) -> None:
        """E.g. `activity.added`, `activity.updated`."""
        self.events.append({"event": event, "id": record.id, "at": now})

    def first_user(self) -> str:
        return next(iter(self.users))

    def sanitize(self, html: str) -> str:
        raise NotImplementedError

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def limits(self) -> Json:
        raise NotImplementedError

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
        person = Person(
            id=person_id or self.new_id(),
            created_at=now,
            created_by=by,
            updated_at=now,
            updated_by=by,
            name=name,
            emails=emails,
            phone=phone,
            extra=extra or {},
        )
        self.persons[person.id] = person
        return person

    def delete_person(self, person: Person, now: float, by: By) -> None:
        person.delete(now, by)

    def merge_persons(self, loser: Person, survivor: Person, now: float) -> None:
        """Everything that hangs on `loser` moves to `survivor`."""
        loser.delete(now, "hand")
        loser.merged_into = survivor.id
        survivor.merged_ids += [*loser.merged_ids, loser.id]
        survivor.emails += [e for e in loser.emails if e not in survivor.emails]
        survivor.touch(now, "hand")
        records: list[Note | Activity | Deal] = [
            *self.notes.values(), *self.activities.values(), *self.deals.values(),
        ]  # fmt: skip
        for record in records:
            if loser.id in record.person_ids:
                moved = [survivor.id if p == loser.id else p for p in record.person_ids]
                record.person_ids = list(dict.fromkeys(moved))

    def survivor_of(self, person_id: str) -> Person | None:
        """The person, or the one it was merged into, at whatever remove."""
        person = self.persons.get(person_id)
        while person is not None and person.merged_into is not None:
            person = self.persons.get(person.merged_into)
        return person

    def live_person(self, person_id: str) -> Person | None:
        person = self.persons.get(person_id)
        return None if person is None or person.deleted else person

    def add_note(
        self,
        now: float,
        by: By,
        *,
        person_ids: list[str],
        body: str,
        user_id: str,
        said_at: float,
        extra: Json | None = None,
        note_id: str | None = None,
    ) -> Note:
        note = Note(
            id=note_id or self.new_id(),
            created_at=now,
            created_by=by,
            updated_at=now,
            updated_by=by,
            person_ids=person_ids,
            body=self.sanitize(body),
            body_sent=body if by == "api" else None,
            user_id=user_id,
            said_at=said_at,
            extra=extra or {},
        )
        self.notes[note.id] = note
        return note

    def set_note_body(self, note: Note, body: str, now: float, by: By) -> None:
        note.body = self.sanitize(body)
        if by == "api":
            note.body_sent = body
        note.touch(now, by)

    def notes_of(self, person_id: str) -> list[Note]:
        return [n for n in self.notes.values() if person_id in n.person_ids and not n.deleted]

    def activities_of(self, person_id: str) -> list[Activity]:
        return [a for a in self.activities.values() if person_id in a.person_ids and not a.deleted]

    def searchable(self, records: Iterable[Some], now: float, lag_s: float) -> list[Some]:
        """What the search index shows: nothing that the API created within the lag.

        Records put in by hand are taken for old ones.
        """
        lag = self.search_lag_s if self.search_lag_s is not None else lag_s
        return [
            r
            for r in records
            if not r.deleted and (r.created_by == "hand" or r.created_at <= now - lag)
        ]

    def view(self) -> Json:
        return {
            "crm": self.crm,
            "id": self.id,
            "name": self.name,
            "users": [{"id": u.id, "email": u.email, "name": u.name} for u in self.users.values()],
            "limits": self.limits(),
            "search_lag_s": self.search_lag_s,
            "persons": [p.view() for p in self.persons.values()],
            "notes": [n.view() for n in self.notes.values()],
            "activities": [a.view() for a in self.activities.values()],
            "deals": [d.view() for d in self.deals.values()],
            "calls": dict(self.calls),
            "events": list(self.events),
        }


@dataclass(slots=True)
class CrmStore:
    """All accounts of one CRM, and the OAuth app that we are there."""

    client_id: str
    client_secret: str
    tokens: TokenServer
    accounts: dict[str, CrmAccount] = field(default_factory=dict)
