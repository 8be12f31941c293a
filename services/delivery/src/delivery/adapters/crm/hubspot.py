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

import httpx

from delivery.adapters.calls import Deadline, error_body, record_id, shape, whole_number
from delivery.adapters.crm.base import CLOCK_SKEW, HttpCrm, Json, utc_iso
from delivery.domain import person
from delivery.domain.block import carries
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call, RateLimit, Scope, Told
from delivery.ports import CrmAccess, GiveUp, PersonState, ReconnectNeeded, RetryLater

CONTACTS: Final = "/crm/objects/2026-09/contacts"
NOTES: Final = "/crm/objects/2026-09/notes"
NOTES_OF_CONTACT: Final = "/crm/associations/2026-09/contacts/notes/batch/read"
# HubSpot/hubspot-api-nodejs issues 342 and 360; another id makes a note that nobody sees.
NOTE_TO_CONTACT: Final = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}
# Unconfirmed that associations are read without a lag: search takes up to 30 s in reports.
VISIBLE_AFTER: Final = timedelta(seconds=10)
BATCH: Final = 100  # batch/read takes at most 100 ids
BODIES_PER_READ: Final = 25  # 25 notes of full length stay below the cap of one answer
ADDRESSES: Final = ("email", "hs_additional_emails")
PHONES: Final = ("phone", "mobilephone")


class HubSpot(HttpCrm):
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
        linked = [{"to": {"id": person_id}, "types": [NOTE_TO_CONTACT]}]
        return NOTES, {"properties": _properties(note.body, note), "associations": linked}

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PATCH", {"properties": _properties(body, note)}

    def forbidden(self, response: httpx.Response) -> Exception:
        if error_body(response).get("category") == "MISSING_SCOPES":
            return ReconnectNeeded("missing_scopes")
        return super().forbidden(response)

    def window_ends(self, response: httpx.Response) -> timedelta:
        searched = self.limit_hit(response) == "searches"
        return timedelta(seconds=1) if searched else self.rate_limit_wait

    def limit_hit(self, response: httpx.Response) -> str:
        return "searches" if error_body(response).get("policyName") == "SECONDLY" else "calls"

    def told(self, response: httpx.Response) -> Sequence[Told]:
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
        ids = ids or await self._search(access, ADDRESSES, contact.emails, until)
        ids = ids or await self._search(access, PHONES, contact.phones, until)
        return list(dict.fromkeys(ids))

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

    async def _search(
        self, access: CrmAccess, fields: Sequence[str], values: Sequence[str], until: Deadline
    ) -> list[str]:
        found: list[str] = []
        for value in values:
            groups = [{"filters": [_filter(field, value)]} for field in fields]
            body = {"filterGroups": groups, "properties": list(fields), "limit": BATCH}
            path = f"{CONTACTS}/search"
            answer = await self._send(access, "POST", path, until, Call.SEARCH, body)
            with shape():
                found += [
                    record_id(contact["id"])
                    for contact in answer["results"]
                    if person.among(value, _values(contact["properties"], fields))
                ]
        return found

    async def notes_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        until = Deadline(deadline)
        made: list[tuple[datetime, str]] = []  # bodies are read of the notes in question only
        for batch in _batches(await self._notes_of(access, person_id, until), BATCH):
            for note in await self._notes(access, batch, "hs_createdate", until):
                with shape():
                    made.append((datetime.fromisoformat(note["createdAt"]), self.id_in(note)))
        recent = [note_id for at, note_id in sorted(made) if at >= since - CLOCK_SKEW]
        stored: dict[str, StoredNote] = {}
        for batch in _batches(recent, BODIES_PER_READ):
            for found in await self._notes(access, batch, "hs_note_body", until):
                with shape():  # batch/read tells no associations
                    read = self.note_in(found)
                if read and carries(read.body, marker):
                    stored[read.id] = replace(read, person_id=person_id)
        return [stored[note_id] for note_id in recent if note_id in stored]

    async def _notes_of(self, access: CrmAccess, person_id: str, until: Deadline) -> list[str]:
        ids: list[str] = []
        page: Json | None = {"id": person_id}
        while page:
            asked = {"inputs": [page]}
            answer = await self._send(access, "POST", NOTES_OF_CONTACT, until, Call.NOTES, asked)
            page = None
            with shape():
                for result in _complete(answer):
                    ids += [record_id(note["toObjectId"]) for note in result["to"]]
                    after = result.get("paging", {}).get("next", {}).get("after")
                    page = {"id": person_id, "after": str(after)} if after else page
        return ids

    async def _notes(
        self, access: CrmAccess, ids: Sequence[str], field: str, until: Deadline
    ) -> list[Json]:
        inputs = [{"id": note_id} for note_id in ids]
        body = {"inputs": inputs, "properties": [field], "propertiesWithHistory": []}
        answer = await self._send(access, "POST", f"{NOTES}/batch/read", until, Call.NOTES, body)
        with shape():
            return _complete(answer)


ADAPTER: Final = HubSpot


def _properties(body: str, note: Note) -> Json:
    return {"hs_timestamp": utc_iso(note.written_for), "hs_note_body": body}


def _filter(field: str, value: str) -> Json:
    # Secondary addresses stand in one text, parted by semicolons.
    operator = "CONTAINS_TOKEN" if field == "hs_additional_emails" else "EQ"
    return {"propertyName": field, "operator": operator, "value": value}


def _values(properties: Json, fields: Sequence[str]) -> list[str]:
    return ";".join(str(properties.get(field) or "") for field in fields).split(";")


def _complete(answer: Json) -> list[Json]:
    """A batch may answer in part; only what does not exist may be missing from it."""
    for error in answer.get("errors") or []:
        if error.get("category") != "OBJECT_NOT_FOUND":
            raise RetryLater("partial_answer")
    results: list[Json] = answer["results"]
    return results


def _batches(ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
