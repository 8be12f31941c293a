"""The CRM as a replica sees it: lists and searches lag, tokens are refused, writes land late."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from delivery.domain import block
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.row import Kind
from delivery.ports import CrmAccess, Gone, PersonState, TokenRejected
from delivery.simulation.judge import Judge
from delivery.simulation.store import THEM, Account, SimNote
from delivery.simulation.time import instant
from delivery.simulation.wire import Wire

VISIBLE_AFTER = timedelta(seconds=10)


class Tokens:
    """Which access tokens the CRM takes: `account:generation`."""

    def __init__(self) -> None:
        self.refused: set[str] = set()


class SimCrm:
    """One replica's way to it: the port `ActivityCrm`."""

    html = True
    note_max_chars = 20_000
    note_max_bytes: int | None = None
    visible_after = VISIBLE_AFTER

    def __init__(
        self,
        name: str,
        accounts: dict[str, Account],
        tokens: Tokens,
        wire: Wire,
        judge: Judge,
        *,
        has_activity: bool,
    ) -> None:
        self.name = name
        self.note_id_is_ours = False
        self.has_activity = has_activity
        self._accounts = accounts
        self._tokens = tokens
        self._wire = wire
        self._judge = judge
        self._loop = asyncio.get_running_loop()

    def _account(self, access: CrmAccess) -> Account:
        if access.access_token in self._tokens.refused:
            raise TokenRejected("http_401")
        return self._accounts[access.account_id]

    async def find_persons(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        def work() -> list[str]:
            now = self._loop.time()
            return [
                person.id
                for person in self._account(access).persons.values()
                if person.alive and person.found_at <= now and person.email in contact.emails
            ]

        return await self._wire.read(work)

    async def find_leads(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        return ()

    async def person(
        self, access: CrmAccess, person_id: str, deadline: timedelta
    ) -> PersonState | None:
        def work() -> PersonState | None:
            person = self._account(access).reach(person_id)
            return PersonState(person.id) if person else None

        return await self._wire.read(work)

    async def user_with_email(
        self, access: CrmAccess, email: str, deadline: timedelta
    ) -> str | None:
        return await self._wire.read(lambda: email.partition("@")[0])

    async def create_note(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        return await self._create("note", access, person_id, note, deadline)

    async def create_activity(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        return await self._create("activity", access, person_id, note, deadline)

    async def _create(
        self, kind: Kind, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        self._judge.sends(kind, access.account_id, note.marker, create=True)

        def work() -> str:
            account, now = self._account(access), self._loop.time()
            person = account.reach(person_id)
            if person is None:
                raise Gone("person")
            made = SimNote(
                f"n{len(account.notes) + 1}",
                kind,
                person.id,
                note.body,
                access.user_id or THEM,
                now,
                now + self._wire.listed_after(VISIBLE_AFTER.total_seconds()),
                note.marker,
            )
            account.notes[made.id] = made
            self._judge.made(account, kind, note.marker)
            return made.id

        return await self._wire.write(work, deadline)

    async def note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> StoredNote | None:
        def work() -> StoredNote | None:
            note = self._account(access).notes[note_id]
            self._judge.saw(access.account_id, note)
            return None if note.gone else _stored(note)

        return await self._wire.read(work)

    async def activity(
        self, access: CrmAccess, activity_id: str, deadline: timedelta
    ) -> StoredNote | None:
        return await self.note(access, activity_id, deadline)

    async def update_note(
        self, access: CrmAccess, note_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        stored = self._accounts[access.account_id].notes[note_id]
        self._judge.sends(stored.kind, access.account_id, note.marker, create=False)
        self._judge.changes(access.account_id, stored, note.marker, body)

        def work() -> None:
            self._account(access)
            if stored.gone:
                raise Gone("note")
            stored.body = body
            if stored.people not in body:  # written while the update was under way
                stored.people = ""

        await self._wire.write(work, deadline)

    async def update_activity(
        self, access: CrmAccess, activity_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        await self.update_note(access, activity_id, body, note, deadline)

    async def delete_note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> None:
        stored = self._accounts[access.account_id].notes[note_id]
        self._judge.changes(access.account_id, stored, stored.marker, None)

        def work() -> None:
            self._account(access)
            stored.gone = stored.gone or "us"

        await self._wire.write(work, deadline)

    async def delete_activity(
        self, access: CrmAccess, activity_id: str, deadline: timedelta
    ) -> None:
        await self.delete_note(access, activity_id, deadline)

    async def notes_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        return await self._listed("note", access, person_id, marker, since)

    async def activities_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        return await self._listed("activity", access, person_id, marker, since)

    async def _listed(
        self,
        kind: Kind,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
    ) -> Sequence[StoredNote]:
        def work() -> list[StoredNote]:
            account, now = self._account(access), self._loop.time()
            found = [
                note
                for note in account.notes.values()
                if (note.kind, note.person, note.gone) == (kind, person_id, "")
                and note.listed_at <= now
                and instant(note.made_at) >= since
                and block.carries(note.body, marker)
            ]
            for note in found:
                self._judge.saw(access.account_id, note)
            return [_stored(note) for note in found]

        return await self._wire.read(work)


def _stored(note: SimNote) -> StoredNote:
    return StoredNote(note.id, note.body, note.author, note.person)
