"""HubSpot: a note is an object of its own, associated with a contact.

Source: HubSpot's API reference and changelog, dated API 2026-09 (contacts, notes, associations,
error handling, usage guidelines), read 2026-11-22.

What HubSpot cannot do: no idempotency key, so an unknown end is probed; no search right after a
write (the index lags by up to 30 s), so notes are found through their association; no word on
which app wrote a note, so its author is not told; a phone is found only as it is stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import quote

from common.http import Answer

from delivery.adapters.calls import Deadline, error_body, record_id, shape, whole_number
from delivery.adapters.crm.base import Json, utc_iso
from delivery.adapters.crm.finding import By, Held
from delivery.adapters.crm.hubspot.records import (
    BATCH,
    CONTACTS,
    NOTES,
    HubSpotObjects,
    linked_to,
    owned_by,
)
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call, RateLimit, Scope, Told
from delivery.ports import CrmAccess, GiveUp, PersonState, ReconnectNeeded

# HubSpot/hubspot-api-nodejs issues 342 and 360; another id makes a note that nobody sees.
NOTE_TO_CONTACT: Final = 202
# Unconfirmed that associations are read without a lag: search takes up to 30 s in reports.
VISIBLE_AFTER: Final = timedelta(seconds=10)
FIELDS: Final = {
    By.EMAIL: ("email", "hs_additional_emails"),
    By.PHONE: ("phone", "mobilephone"),
}


class HubSpot(HubSpotObjects):
    name = "hubspot"
    note_max_chars = 65_536  # whether markup counts is unconfirmed, so all of the HTML is counted
    visible_after = VISIBLE_AFTER
    limits: ClassVar[tuple[RateLimit, ...]] = (
        # Of an installed app at one account; searches have a limit of their own.
        RateLimit("calls", Scope.TENANT, 110, timedelta(seconds=10), {Call.SEARCH: 0}),
        RateLimit("searches", Scope.TENANT, 5, timedelta(seconds=1), {Call.SEARCH: 1}, otherwise=0),
    )
    rate_limit_wait = timedelta(seconds=10)  # Retry-After is not documented
    person_query: ClassVar[Mapping[str, str]] = {"properties": "email"}
    note_query: ClassVar[Mapping[str, str]] = {
        "properties": "hs_note_body",
        "associations": "contacts",
    }

    def person_path(self, person_id: str) -> str:
        return f"{CONTACTS}/{quote(person_id, safe='')}"

    def person_in(self, found: Json) -> PersonState | None:
        # The old id of a merged contact answers with the contact that is left, under its own id.
        return None if found.get("archived") else PersonState(record_id(found["id"]))

    def note_path(self, note_id: str) -> str:
        return f"{NOTES}/{quote(note_id, safe='')}"

    def note_in(self, found: Json) -> StoredNote | None:
        if found.get("archived"):  # deleted; people can restore it for 90 days
            return None
        linked = found.get("associations", {}).get("contacts", {}).get("results", [])
        body = found["properties"].get("hs_note_body") or ""
        person_id = record_id(linked[0]["id"]) if linked else None
        return StoredNote(record_id(found["id"]), str(body), None, person_id)

    def id_in(self, made: Json) -> str:
        return record_id(made["id"])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        given = _properties(note.body, note) | owned_by(note.owner_id)
        return NOTES, {"properties": given, "associations": linked_to(person_id, NOTE_TO_CONTACT)}

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PATCH", {"properties": _properties(body, note)}

    def forbidden(self, response: Answer) -> Exception:
        if error_body(response).get("category") == "MISSING_SCOPES":
            return ReconnectNeeded("missing_scopes")
        return super().forbidden(response)

    def window_ends(self, response: Answer) -> timedelta:
        searched = self.limit_hit(response) == "searches"
        return timedelta(seconds=1) if searched else self.rate_limit_wait

    def limit_hit(self, response: Answer) -> str:
        return "searches" if error_body(response).get("policyName") == "SECONDLY" else "calls"

    def told(self, response: Answer) -> Sequence[Told]:
        left = whole_number(response, "x-hubspot-ratelimit-remaining")
        if left is None:  # answers to searches say nothing
            return ()
        # How long the window goes on is not told; of one that rolls, a bit is back each moment.
        amount = whole_number(response, "x-hubspot-ratelimit-max")
        return (Told("calls", amount, left, timedelta(seconds=1)),)

    async def find_persons(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        until = Deadline(deadline)
        found = [await self._by_email(access, email, until) for email in contact.emails]
        ids = [state.id for state in found if state]
        return list(dict.fromkeys(ids)) or await super().find_persons(access, contact, until.left())

    async def _by_email(self, access: CrmAccess, email: str, until: Deadline) -> PersonState | None:
        """By the unique property, which reads the record itself: a new contact is there at once."""
        query = {**self.person_query, "idProperty": "email"}
        try:
            path = self.person_path(email)
            found = await self._find(access, path, until.left(), Call.PERSON, query)
        except GiveUp as refused:
            if refused.reason != "http_400":
                raise
            return None  # an address that HubSpot does not take for one finds nobody
        with shape():
            return None if found is None else self.person_in(found)

    async def search_persons(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        fields = FIELDS[by]
        groups = [{"filters": [_filter(field, address)]} for field in fields]
        body = {"filterGroups": groups, "properties": list(fields), "limit": BATCH}
        answer = await self._send(access, "POST", f"{CONTACTS}/search", until, Call.SEARCH, body)
        with shape():
            found = answer["results"]
            return [(record_id(one["id"]), _values(one["properties"], fields)) for one in found]

    async def notes_of(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        until: Deadline,
    ) -> Iterable[StoredNote]:
        found = await self.texts(access, person_id, "notes", "hs_note_body", since, until)
        with shape():  # batch/read tells no associations
            read = [self.note_in(note) for note in found]
            return [replace(note, person_id=person_id) for note in read if note]


ADAPTER: Final = HubSpot


def _properties(body: str, note: Note) -> Json:
    return {"hs_timestamp": utc_iso(note.written_for), "hs_note_body": body}


def _filter(field: str, value: str) -> Json:
    # Secondary addresses stand in one text, parted by semicolons.
    operator = "CONTAINS_TOKEN" if field == "hs_additional_emails" else "EQ"
    return {"propertyName": field, "operator": operator, "value": value}


def _values(properties: Json, fields: Sequence[str]) -> list[str]:
    return ";".join(str(properties.get(field) or "") for field in fields).split(";")
