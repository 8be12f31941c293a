"""Pipedrive: a note on a person (API v1), and an activity beside it (API v2).

Source: Pipedrive's OpenAPI descriptions v1 and v2 (notes, persons, activities), its pages on rate
limiting and response formats, and the thread named below, read 2026-11-22.

What Pipedrive cannot do: no idempotency key and no field of ours, so an unknown end is probed; a
merged person leaves no trace, its old id answers 404; a phone is found only as it is stored.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from delivery.adapters.calls import Deadline, number, record_id, shape
from delivery.adapters.crm.activity import HttpActivityCrm
from delivery.adapters.crm.base import Json
from delivery.adapters.crm.finding import By, Held
from delivery.adapters.crm.pipedrive.records import (
    ACTIVITIES,
    NOTES,
    PAGE,
    PERSONS,
    PipedriveRecords,
    due,
    is_deleted,
    owned_by,
    participants,
)
from delivery.domain.block import carries
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp, PersonState

# About 100 KB by the pages (older ones: 3 MB); how an excess is answered is unconfirmed.
NOTE_MAX_BYTES: Final = 90_000
NOTE_REFUSED_BYTES: Final = 100_000  # people's text around ours may fill up to here
# Unconfirmed that lists show a note at once; no delay is documented.
VISIBLE_AFTER: Final = timedelta(seconds=10)


class Pipedrive(PipedriveRecords, HttpActivityCrm):
    name = "pipedrive"
    note_max_chars = NOTE_MAX_BYTES
    note_max_bytes = NOTE_MAX_BYTES
    visible_after = VISIBLE_AFTER

    def person_path(self, person_id: str) -> str:
        return f"{PERSONS}/{number(person_id)}"

    def person_in(self, found: Json) -> PersonState | None:
        return None if is_deleted(found["data"]) else PersonState(self.id_in(found))

    def note_path(self, note_id: str) -> str:
        return f"{NOTES}/{number(note_id)}"

    def note_in(self, found: Json) -> StoredNote | None:
        return None if is_deleted(found["data"]) else _stored(found["data"])

    def id_in(self, made: Json) -> str:
        return record_id(made["data"]["id"])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        return NOTES, {**_note(note.body, note), "person_id": number(person_id)}

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PUT", _note(body, note)

    def activity_path(self, activity_id: str) -> str:
        return f"{ACTIVITIES}/{number(activity_id)}"

    def activity_in(self, found: Json) -> StoredNote | None:
        return self.note_in(found)

    def new_activity(self, person_id: str, note: Note) -> tuple[str, Json]:
        made = {**_activity(note.body, note), "type": note.activity_type or self.activities.type}
        made["done"] = self.activities.done  # only now: later on it is the people's own
        return ACTIVITIES, made | participants(person_id) | owned_by(note.owner_id)

    def changed_activity(self, body: str, note: Note) -> tuple[str, Json]:
        return "PATCH", _activity(body, note)

    async def search_persons(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        field = "email" if by is By.EMAIL else "phone"
        query = {"term": address, "fields": field, "exact_match": "true", "limit": str(PAGE)}
        path = f"{PERSONS}/search"
        page = await self._send(access, "GET", path, until, Call.SEARCH, query=query)
        with shape():
            items = [result["item"] for result in page["data"]["items"]]
            return [(record_id(item["id"]), item[f"{field}s"]) for item in items]

    async def notes_of(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        until: Deadline,
    ) -> Iterable[StoredNote]:
        listed = await self.listed(access, NOTES, person_id, since, until)
        with shape():
            return [_stored(note) for note in listed]

    async def activities_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        """Ours only with the marker in subject and note: an automation may copy the one."""
        listed = await self.listed(access, ACTIVITIES, person_id, since, Deadline(deadline))
        with shape():
            named = [_stored(a) for a in listed if str(a["subject"]).endswith(str(marker))]
        return [stored for stored in named if carries(stored.body, marker)]


ADAPTER: Final = Pipedrive


def _note(body: str, note: Note) -> Json:
    if len(body.encode()) > NOTE_REFUSED_BYTES:
        raise GiveUp("note_too_large")
    # One older text says that `add_time` takes an admin; the description does not.
    return {"content": body, "add_time": f"{note.written_for.astimezone(UTC):%Y-%m-%d %H:%M:%S}"}


def _activity(body: str, note: Note) -> Json:
    return {"subject": note.subject, "note": body, **due(note.written_for)}


def _stored(data: Json) -> StoredNote:
    body = data.get("content") or data.get("note") or ""  # of a note, of an activity
    author = data.get("user_id") or data.get("creator_user_id")
    ids = (record_id(raw) if raw else None for raw in (author, data.get("person_id")))
    return StoredNote(record_id(data["id"]), str(body), *ids)
