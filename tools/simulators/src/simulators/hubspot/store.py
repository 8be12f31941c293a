"""A HubSpot account: its limits, its HTML sanitizer, its records as CRM objects with properties."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import nh3

from simulators.clock import iso
from simulators.crm import Activity, CrmAccount, Deal, Note, Person, Record, User
from simulators.rate_limits import RollingWindow

NOTE_MAX_CHARS = 65_536
KINDS = ("contacts", "notes", "tasks", "deals")

_TAGS = {
    "a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "hr", "i", "img",
    "li", "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr",
    "u", "ul",
}  # fmt: skip
"""No list is published; this is the common subset of rich text editors."""

_DEFAULT_PROPERTIES = {
    "contacts": (
        "createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname",
    ),
    "notes": ("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
    "tasks": ("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
    "deals": (
        "amount", "closedate", "createdate", "dealname", "dealstage", "hs_object_id", "pipeline",
    ),
}  # fmt: skip

ASSOCIATION_TYPES = {
    ("notes", "contacts"): 202,
    ("contacts", "notes"): 201,
    ("tasks", "contacts"): 204,
    ("contacts", "tasks"): 203,
    ("deals", "contacts"): 3,
    ("contacts", "deals"): 4,
}

ALL_IDS = itertools.count(501)
"""Ids are unique over all accounts, as HubSpot's are."""


class HubSpotAccount(CrmAccount):
    crm = "hubspot"

    def __init__(
        self, account_id: str, name: str, users: Iterable[User], ids: Iterator[int] = ALL_IDS
    ) -> None:
        super().__init__(account_id, name, users, ids)
        self.calls_window = RollingWindow(110, 10)
        self.search_window = RollingWindow(5, 1)

    def set_limits(self, limits: Mapping[str, Any]) -> None:
        for name, value in limits.items():
            if name == "requests_per_10s":
                self.calls_window.limit = int(value)
            elif name == "searches_per_s":
                self.search_window.limit = int(value)
            else:
                message = f"no such limit: {name}"
                raise ValueError(message)

    def limits(self) -> dict[str, Any]:
        return {
            "requests_per_10s": self.calls_window.limit,
            "searches_per_s": self.search_window.limit,
        }

    def sanitize(self, html: str) -> str:
        return nh3.clean(html, tags=_TAGS)

    def records(self, kind: str) -> Mapping[str, Record]:
        kinds: dict[str, Mapping[str, Record]] = {
            "contacts": self.persons,
            "notes": self.notes,
            "tasks": self.activities,
            "deals": self.deals,
        }
        return kinds[kind]

    def contact_by_email(self, email: str) -> Person | None:
        """Primary and secondary addresses both lead to the contact."""
        wanted = email.strip().lower()
        for person in self.persons.values():
            if not person.deleted and wanted in (e.lower() for e in person.emails):
                return person
        return None


def owner_id_of(user_id: str) -> str:
    return f"7700{user_id}"


def kind_of(record: Record) -> str:
    if isinstance(record, Person):
        return "contacts"
    if isinstance(record, Note):
        return "notes"
    return "tasks" if isinstance(record, Activity) else "deals"


def properties_of(record: Record) -> dict[str, str | None]:
    """Every property the object has."""
    by_hand = record.created_by == "hand"
    common: dict[str, str | None] = {
        **record.extra,
        "hs_object_id": record.id,
        "hs_object_source": "CRM_UI" if by_hand else "INTEGRATION",
    }
    if isinstance(record, Person):
        return common | _contact_properties(record)
    if isinstance(record, Deal):
        return common | {"dealname": record.title, "createdate": iso(record.created_at)}
    common |= {
        "hs_createdate": iso(record.created_at),
        "hs_lastmodifieddate": iso(record.updated_at),
    }
    if isinstance(record, Note):
        return common | {
            "hs_note_body": record.body,
            "hs_timestamp": iso(record.said_at),
            "hs_created_by_user_id": record.user_id,
        }
    if isinstance(record, Activity):
        return common | {
            "hs_task_subject": record.subject,
            "hs_task_body": record.body,
            "hs_task_type": record.type,
            "hs_task_status": "COMPLETED" if record.done else "NOT_STARTED",
            "hs_created_by_user_id": record.user_id,
        }
    return common


def _contact_properties(person: Person) -> dict[str, str | None]:
    first, _, last = person.name.partition(" ")
    return {
        "email": person.emails[0] if person.emails else None,
        "hs_additional_emails": ";".join(person.emails[1:]) or None,
        "firstname": first or None,
        "lastname": last or None,
        "phone": person.phone,
        "createdate": iso(person.created_at),
        "lastmodifieddate": iso(person.updated_at),
        "hs_merged_object_ids": ";".join(person.merged_ids) or None,
    }


def shown(record: Record, wanted: Iterable[str] = ()) -> dict[str, Any]:
    """The object with its default properties and the wanted ones; an unknown one is left out."""
    everything = properties_of(record)
    names = [*_DEFAULT_PROPERTIES[kind_of(record)], *wanted]
    body: dict[str, Any] = {
        "id": record.id,
        "properties": {n: everything.get(n) for n in dict.fromkeys(names) if n in everything},
        "createdAt": iso(record.created_at),
        "updatedAt": iso(record.updated_at),
        "archived": record.deleted,
    }
    if record.deleted_at is not None:
        body["archivedAt"] = iso(record.deleted_at)
    return body
