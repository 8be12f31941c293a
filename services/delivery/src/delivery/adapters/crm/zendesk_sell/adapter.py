"""Zendesk Sell: a plain-text note on a contact, or on a lead where no contact matches.

Thin, since the product ends on 2027-08-31 (support.zendesk.com, article 9591462550042).

Source: the vendor's SDK basecrm-python and its app zendesk-sell-for-zapier, and its pages as
transcribed by api-evangelist/zendesk-sell on 2026-08-13 (errors, conventions, rate limits), read
2026-11-22.

What Sell cannot do: no idempotency key and no field of ours, so an unknown end is probed; no field
dates a note or names its author, so the times stand in its text; one e-mail address per contact; a
merged or converted record leaves no trace that is documented, so it is searched for again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from delivery.adapters.calls import Deadline, number, record_id, shape
from delivery.adapters.crm.base import Json
from delivery.adapters.crm.finding import By, Held
from delivery.adapters.crm.zendesk_sell.records import (
    CONTACT,
    FIELDS,
    LEAD,
    PAGE,
    SellRecords,
    held_by,
    id_of,
    place,
    records_in,
)
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call, RateLimit, Scope
from delivery.ports import CrmAccess, PersonState

NOTES: Final = "/v2/notes"
# No limit is documented, nor whether HTML is understood: samples are plain text.
NOTE_MAX_CHARS: Final = 20_000
# Unconfirmed that lists show a note at once; the sync API and the firehose are said to lag.
VISIBLE_AFTER: Final = timedelta(seconds=10)
# Neither Retry-After nor headers are documented; the shorter window is a second.
RATE_LIMIT_WAIT: Final = timedelta(seconds=5)


class ZendeskSell(SellRecords):
    name = "zendesk_sell"
    html = False
    note_max_chars = NOTE_MAX_CHARS
    visible_after = VISIBLE_AFTER
    limits: ClassVar[tuple[RateLimit, ...]] = (
        RateLimit("second", Scope.CONNECTION, 10, timedelta(seconds=1)),
        RateLimit("hour", Scope.CONNECTION, 36_000, timedelta(hours=1)),
    )
    rate_limit_wait = RATE_LIMIT_WAIT
    headers: ClassVar[Mapping[str, str]] = {"User-Agent": "Lull"}  # refused without one

    def person_path(self, person_id: str) -> str:
        kind, row = place(person_id)
        return f"/v2/{kind}s/{row}"

    def person_in(self, found: Json) -> PersonState | None:
        return PersonState(self.id_in(found))

    def note_path(self, note_id: str) -> str:
        return f"{NOTES}/{number(note_id)}"

    def note_in(self, found: Json) -> StoredNote | None:
        return _stored(found["data"])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        kind, row = place(person_id)
        return NOTES, {"data": {"resource_type": kind, "resource_id": row, "content": note.body}}

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PUT", {"data": {"content": body}}

    async def search_persons(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        return await self._search(access, CONTACT, by, address, until)

    async def search_leads(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        return await self._search(access, LEAD, by, address, until)

    async def _search(
        self, access: CrmAccess, kind: str, by: By, address: str, until: Deadline
    ) -> list[Held]:
        found: list[Held] = []
        for field in FIELDS[by]:
            query = {field: address, "per_page": str(PAGE)}
            path = f"/v2/{kind}s"
            page = await self._send(access, "GET", path, until, Call.SEARCH, query=query)
            with shape():
                found += [held_by(kind, one) for one in records_in(page)]
        return found

    async def notes_of(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        until: Deadline,
    ) -> Iterable[StoredNote]:
        kind, row = place(person_id)
        query = {"resource_type": kind, "resource_id": str(row)}
        newest = await self.newest(access, NOTES, since, until, Call.NOTES, query)
        with shape():
            return [_stored(one) for one in reversed(newest)]


ADAPTER: Final = ZendeskSell


def _stored(data: Json) -> StoredNote:
    kind, row, author = data["resource_type"], data["resource_id"], data["creator_id"]
    person_id = id_of(kind, row) if row and kind in (CONTACT, LEAD) else None
    text = str(data["content"] or "")
    return StoredNote(record_id(data["id"]), text, record_id(author) if author else None, person_id)
