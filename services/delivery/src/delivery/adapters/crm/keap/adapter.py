"""Keap: a plain-text note below its contact (REST v2).

Source: Keap's description of REST v2 (SDK 2.0.21, contacts and notes), and reports of its
community, read 2026-11-22.

What Keap cannot do: no idempotency key and no field of ours, so an unknown end is probed; no field
dates a note, so the time stands in its text alone; no HTML; a merged contact leaves no trace, its
old id answers 404; a phone is found only as it is stored; an address that holds `;` or `*` finds
nobody. A note is changed and deleted below its contact only, whom a merge may have changed.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar, Final

import httpx

from delivery.adapters.calls import Deadline, number, record_id, shape
from delivery.adapters.crm.base import Json
from delivery.adapters.crm.finding import By, Held
from delivery.adapters.crm.keap.records import (
    ADDRESSES,
    API,
    CONTACTS,
    FOUND_PAGE,
    KeapRecords,
    held_by,
    searchable,
    user_of,
)
from delivery.domain.block import carries
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp, Gone, PersonState

NOTES: Final = f"{API}/notes"
# No limit of a note is documented; text fields of the same description hold 65,535 characters, and
# a MySQL TEXT so many bytes.
NOTE_MAX_BYTES: Final = 60_000
NOTE_REFUSED_BYTES: Final = 65_535  # people's text around ours may fill up to here
TITLE_MAX_CHARS: Final = 100  # unconfirmed
# Unconfirmed that lists show a note at once; no delay is documented.
VISIBLE_AFTER: Final = timedelta(seconds=10)
PHONES: Final = "PHONE1,PHONE2,PHONE3,PHONE4,PHONE5"
PLACES_MAX: Final = 200  # more than one process works at at once


class Keap(KeapRecords):
    name = "keap"
    html = False
    note_max_chars = NOTE_MAX_BYTES
    note_max_bytes = NOTE_MAX_BYTES
    visible_after = VISIBLE_AFTER
    person_query: ClassVar[Mapping[str, str]] = {"fields": "id"}

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        super().__init__(client)
        # Below which contact a note was when it was last read, by account and note.
        self._places: dict[tuple[str, str], str] = {}

    def person_path(self, person_id: str) -> str:
        return f"{CONTACTS}/{number(person_id)}"

    def person_in(self, found: Json) -> PersonState | None:
        return PersonState(self.id_in(found))

    def note_path(self, note_id: str) -> str:
        """Of `contact/note`."""
        contact_id, _, own_id = note_id.partition("/")
        return f"{self.person_path(contact_id)}/notes/{number(own_id)}"

    def note_in(self, found: Json) -> StoredNote | None:
        # Whether `created_by_user_id` is the token's user or the one that was sent is unconfirmed,
        # so the author is not told.
        contact_id = found.get("contact_id")
        person_id = record_id(contact_id) if contact_id else None
        return StoredNote(self.id_in(found), str(found.get("text") or ""), None, person_id)

    def id_in(self, made: Json) -> str:
        return record_id(made["id"])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        # No `type`: which ones there are is for the account's admin to say (Keap Classic).
        title = {"title": note.subject[:TITLE_MAX_CHARS]}
        return f"{self.person_path(person_id)}/notes", _text(note.body) | title

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PATCH", _text(body)

    async def create_note(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        path, body = self.new_note(person_id, note)
        body["user_id"] = user_of(access, note)
        return await self._create_for(access, person_id, path, body, deadline, Call.CREATE_NOTE)

    async def note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> StoredNote | None:
        query = {"filter": f"ids=={number(note_id)}"}
        page = await self._send(access, "GET", NOTES, Deadline(deadline), Call.NOTE, query=query)
        with shape():
            listed = [stored for stored in map(self.note_in, page["notes"]) if stored]
            found = next((stored for stored in listed if stored.id == note_id), None)
            if listed and found is None:  # a filter that is not understood lists the whole account
                raise ValueError("not what was asked for")
        if found:
            self._remember(access, found)
        return found

    async def update_note(
        self, access: CrmAccess, note_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        until, mask = Deadline(deadline), {"update_mask": "text"}
        method, change = self.changed_note(note_id, body, note)
        change["user_id"] = user_of(access, note)  # required, and left as it is by the mask

        async def change_it(path: str) -> None:
            call = Call.UPDATE_NOTE
            await self._send(access, method, path, until, call, change, mask, write=True)

        await self._at_its_place(access, note_id, until, change_it)

    async def delete_note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> None:
        until = Deadline(deadline)

        async def delete_it(path: str) -> None:
            await self._send(access, "DELETE", path, until, Call.DELETE_NOTE, write=True)

        with suppress(Gone):
            await self._at_its_place(access, note_id, until, delete_it)

    async def _at_its_place(
        self,
        access: CrmAccess,
        note_id: str,
        until: Deadline,
        send: Callable[[str], Awaitable[None]],
    ) -> None:
        """Below the contact where the note was read last; else, or if it moved, it is asked for."""
        held = self._places.pop((access.account_id, note_id), None)
        if held is not None:
            with suppress(Gone):
                await send(self.note_path(f"{held}/{note_id}"))
                return
        stored = await self.note(access, note_id, until.left())
        if stored is None or stored.person_id is None:
            raise Gone("note")
        await send(self.note_path(f"{stored.person_id}/{note_id}"))

    def _remember(self, access: CrmAccess, stored: StoredNote) -> None:
        if stored.person_id is not None:
            while len(self._places) >= PLACES_MAX:
                del self._places[next(iter(self._places))]
            self._places[access.account_id, stored.id] = stored.person_id

    async def search_persons(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        if not searchable(address):
            return ()
        sought = f"email=={address}"
        if by is By.PHONE:
            sought = f"phone_number=={address};phone_fields=={PHONES}"
        query = {"filter": sought, "fields": ADDRESSES, "page_size": str(FOUND_PAGE)}
        page = await self._send(access, "GET", CONTACTS, until, Call.SEARCH, query=query)
        with shape():
            return [held_by(one) for one in page["contacts"]]

    async def notes_of(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        until: Deadline,
    ) -> Iterable[StoredNote]:
        """By time and not by title, which people may change."""
        path = f"{self.person_path(person_id)}/notes"
        listed = await self.newest(access, path, since, until, Call.NOTES)
        with shape():
            read = [stored for stored in map(self.note_in, reversed(listed)) if stored]
        for stored in read:
            if carries(stored.body, marker):
                self._remember(access, stored)
        return read


ADAPTER: Final = Keap


def _text(body: str) -> Json:
    if len(body.encode()) > NOTE_REFUSED_BYTES:
        raise GiveUp("note_too_large")
    return {"text": body}
