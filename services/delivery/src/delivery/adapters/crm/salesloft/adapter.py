"""Salesloft: a plain-text note on a person.

Source: Salesloft's API description v2 (notes, people) as mirrored by APIs-guru, and its page "API
Basics" (authentication, rate limits, errors) as transcribed by api-evangelist, read 2026-11-22.

What Salesloft cannot do: no idempotency key for notes and no field of ours, so an unknown end is
probed; no field dates a note, so the time stands in its text alone; no search by phone; a merged
or deleted person leaves no trace, and one outside the user's visibility answers like a missing one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

from common.http import Answer

from delivery.adapters.calls import Deadline, answered_at, number, record_id, shape, whole_number
from delivery.adapters.crm.base import Json
from delivery.adapters.crm.finding import By, Held
from delivery.adapters.crm.salesloft.records import PEOPLE, SalesloftRecords, held_by
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call, RateLimit, Scope, Told
from delivery.ports import CrmAccess, PersonState

NOTES: Final = "/v2/notes"
# No limit is documented, nor whether HTML is understood.
NOTE_MAX_CHARS: Final = 20_000
# Unconfirmed that lists show a note at once; no delay is documented.
VISIBLE_AFTER: Final = timedelta(seconds=10)
# A note that changes is carried to the connected CRM in its first version only: better not at all.
SKIP_CRM_SYNC: Final = True


class Salesloft(SalesloftRecords):
    name = "salesloft"
    html = False
    note_max_chars = NOTE_MAX_CHARS
    visible_after = VISIBLE_AFTER
    limits: ClassVar[tuple[RateLimit, ...]] = (
        # Shared with all other integrations of the team; a page after the 100th would cost more.
        RateLimit("points", Scope.TENANT, 600, timedelta(minutes=1)),
    )
    rate_limit_wait = timedelta(minutes=1)  # no Retry-After is documented

    def person_path(self, person_id: str) -> str:
        return f"{PEOPLE}/{number(person_id)}.json"

    def person_in(self, found: Json) -> PersonState | None:
        return PersonState(self.id_in(found))

    def note_path(self, note_id: str) -> str:
        return f"{NOTES}/{number(note_id)}.json"

    def note_in(self, found: Json) -> StoredNote | None:
        return _stored(found["data"])

    def id_in(self, made: Json) -> str:
        return record_id(made["data"]["id"])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        return f"{NOTES}.json", {
            "content": note.body,
            "subject": note.subject,
            "associated_with_type": "person",
            "associated_with_id": number(person_id),
            "skip_crm_sync": SKIP_CRM_SYNC,
        }

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PUT", {"content": body}

    def told(self, response: Answer) -> Sequence[Told]:
        left, at = whole_number(response, "x-ratelimit-remaining-minute"), answered_at(response)
        minute_ends = timedelta(seconds=60 - at.second) if at else self.rate_limit_wait
        return () if left is None else (Told("points", None, left, minute_ends),)

    async def search_persons(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        if by is By.PHONE:
            return ()
        query = {"email_addresses[]": address}
        people = await self.search(access, PEOPLE, until, query, Call.SEARCH)
        with shape():
            return [held_by(one) for one in people]

    async def notes_of(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        until: Deadline,
    ) -> Iterable[StoredNote]:
        whom = {"associated_with_type": "person", "associated_with_id": str(number(person_id))}
        listed = await self.newest(access, NOTES, since, until, Call.NOTES, whom)
        with shape():
            return [_stored(note) for note in reversed(listed)]


ADAPTER: Final = Salesloft


def _stored(data: Json) -> StoredNote:
    user, whom = data.get("user") or {}, data.get("associated_with") or {}
    ids = (record_id(raw["id"]) if raw.get("id") else None for raw in (user, whom))
    return StoredNote(record_id(data["id"]), str(data.get("content") or ""), *ids)
