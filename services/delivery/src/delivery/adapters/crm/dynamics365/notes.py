"""Notes in Dataverse: annotations, whose ids are made of their markers.

Source: Microsoft's table reference of `annotation` and its pages on conditional operations and
upserts, MicrosoftDocs/powerapps-docs, read 2026-11-22.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from delivery.adapters.calls import Deadline, record_id, shape
from delivery.adapters.crm.base import Json
from delivery.adapters.crm.dynamics365.dataverse import (
    ANSWER_ROW,
    API,
    CHANGE_ONLY,
    Dataverse,
    ExistsAlready,
    guid,
    id_of_marker,
)
from delivery.domain.note import ActionMarker, Marker, Note, StoredNote
from delivery.domain.rates import Call
from delivery.domain.write import rewritten
from delivery.ports import CrmAccess, GiveUp, Gone, RetryLater

NOTES: Final = f"{API}/annotations"
NOTE_KEY: Final = "annotationid"
# The column takes 100,000 (table reference); that they are units of UTF-16 is unconfirmed.
NOTE_MAX_CHARS: Final = 95_000
# A row read by its id is consistent, and notes are never looked for in a list.
VISIBLE_AFTER: Final = timedelta(seconds=1)
# People may have made the first note theirs, our marker gone; then there is one more (`handed
# over`), and never a third.
NOTES_PER_MARKER: Final = 2


class DataverseNotes(Dataverse):
    note_max_chars = NOTE_MAX_CHARS
    visible_after = VISIBLE_AFTER
    note_id_is_ours = True
    note_query: ClassVar[Mapping[str, str]] = {
        "$select": "annotationid,notetext,objecttypecode,_objectid_value,_createdby_value"
    }

    @abstractmethod
    def note_fields(self, person_id: str, note: Note) -> Json:
        """What ties a new note to its person, and says whose it is."""

    @abstractmethod
    def person_id_of(self, logical_name: str, row_id: str) -> str | None:
        """The id that the core knows this row by; None where it is no person."""

    def note_path(self, note_id: str) -> str:
        return f"{NOTES}({guid(note_id)})"

    def note_in(self, found: Json) -> StoredNote | None:
        on, author = found["_objectid_value"], found["_createdby_value"]
        return StoredNote(
            self.id_in(found),
            str(found["notetext"] or ""),
            record_id(author) if author else None,
            self.person_id_of(str(found["objecttypecode"]), record_id(on)) if on else None,
        )

    def id_in(self, made: Json) -> str:
        return record_id(made[NOTE_KEY])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        text = {"subject": note.subject, "notetext": note.body}
        return NOTES, text | self.note_fields(person_id, note)

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PATCH", {"notetext": body}

    async def create_note(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        until = Deadline(deadline)
        for note_id in note_ids(access, note.marker):
            try:
                return await self._create_owned(access, person_id, note_id, note, until)
            except ExistsAlready:
                if await self._brought_up_to_date(access, note_id, note, until):
                    return note_id
        raise GiveUp("handed_over")

    async def _create_owned(
        self, access: CrmAccess, person_id: str, note_id: str, note: Note, until: Deadline
    ) -> str:
        """By its owner; where that is refused, by our own user: assigning takes a privilege."""
        path, (_, body) = self.note_path(note_id), self.new_note(person_id, note)
        call = Call.CREATE_NOTE
        try:
            made = await self.create_at(access, path, NOTE_KEY, body, person_id, until, call)
        except (GiveUp, Gone):
            if note.owner_id is None:
                raise
            ownerless = replace(note, owner_id=None)
            return await self._create_owned(access, person_id, note_id, ownerless, until)
        with shape(write=True):
            return self.id_in(made)

    async def _brought_up_to_date(
        self, access: CrmAccess, note_id: str, note: Note, until: Deadline
    ) -> bool:
        """An earlier create arrived after all; False where people have made that note theirs."""
        if isinstance(note.marker, ActionMarker):
            return True  # a teammate's own words: they stay as they are
        stored = await self.note(access, note_id, until.left())
        if stored is None:
            raise RetryLater("note_vanished")
        rewrite = rewritten(stored.body, note.marker, note)
        if rewrite is not None and rewrite.changes:
            try:
                await self.update_note(access, note_id, rewrite.body, note, until.left())
            except Gone:
                raise RetryLater("note_vanished") from None
        return rewrite is not None

    async def update_note(
        self, access: CrmAccess, note_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        method, change = self.changed_note(note_id, body, note)
        path, until = self.note_path(note_id), Deadline(deadline)
        query, headers, call = {"$select": NOTE_KEY}, CHANGE_ONLY | ANSWER_ROW, Call.UPDATE_NOTE
        try:
            made = await self._send(
                access, method, path, until, call, change, query, write=True, headers=headers
            )
        except ExistsAlready:  # 412, of a change: somebody else's came in between
            raise RetryLater("http_412") from None
        with shape(write=True):
            self.id_in(made)

    async def notes_of(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        until: Deadline,
    ) -> Iterable[StoredNote]:
        """Read at the ids that such a note can have: no list, so nothing can lag."""
        ids = note_ids(access, marker)
        read = [await self.note(access, note_id, until.left()) for note_id in ids]
        return [stored for stored in read if stored and stored.person_id == person_id]


def note_ids(access: CrmAccess, marker: Marker) -> list[str]:
    return [id_of_marker(access, marker, number) for number in range(NOTES_PER_MARKER)]
