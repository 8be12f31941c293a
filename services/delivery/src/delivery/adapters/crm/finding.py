"""What is looked for in a CRM: people and users by their addresses, notes by their marker.

A CRM's own file asks, and says what each record of the answer holds. Which of them are meant is
said here, once: what does not hold the very address is dropped, since a filter may be wider than
it says or may have been ignored.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from delivery.adapters.calls import Deadline, shape
from delivery.adapters.crm.base import HttpCrm
from delivery.domain import person
from delivery.domain.block import carries
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker, StoredNote
from delivery.ports import CrmAccess

Held = tuple[str, Sequence[str]]  # a record's id, and the addresses and phones in it


class By(StrEnum):
    EMAIL = "email"
    PHONE = "phone"


class FindingCrm(HttpCrm):
    # How long a search may miss a new person; None where the CRM's never does.
    search_lag: timedelta | None = None

    # What the CRM's file says.

    @abstractmethod
    async def search_persons(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]: ...

    async def search_leads(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        """Open ones, where leads are people of their own."""
        return ()

    async def newest_persons(
        self, access: CrmAccess, since: datetime, until: Deadline
    ) -> Iterable[Held]:
        """Those that came or changed since; only where there is a `search_lag`."""
        return ()

    @abstractmethod
    async def users(self, access: CrmAccess, email: str, until: Deadline) -> Iterable[Held]:
        """Active ones, by the ids that records are owned by; others than that address's may be."""

    @abstractmethod
    async def notes_of(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        until: Deadline,
    ) -> Iterable[StoredNote]:
        """Live ones that may carry the marker, oldest first, from every page."""

    # The calls.

    async def find_persons(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        return await _found(self.search_persons, access, contact, Deadline(deadline))

    async def find_leads(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        return await _found(self.search_leads, access, contact, Deadline(deadline))

    async def made_lately(
        self, access: CrmAccess, contact: Contact, since: datetime, until: Deadline
    ) -> Sequence[str]:
        """Persons that a search may not show yet."""
        if self.search_lag is None:
            return ()
        newest = await self.newest_persons(access, since - self.search_lag, until)
        return _holding(newest, *contact.emails, *contact.phones)

    async def user_with_email(
        self, access: CrmAccess, email: str, deadline: timedelta
    ) -> str | None:
        """None where it is nobody's, and where several share it: whose a record is, is no guess."""
        users = await self.users(access, email, Deadline(deadline))
        ids = _holding(users, email.casefold())
        return ids[0] if len(ids) == 1 else None

    async def notes_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        notes = await self.notes_of(access, person_id, marker, since, Deadline(deadline))
        return [note for note in notes if carries(note.body, marker)]


async def _found(
    search: Callable[[CrmAccess, By, str, Deadline], Awaitable[Iterable[Held]]],
    access: CrmAccess,
    contact: Contact,
    until: Deadline,
) -> list[str]:
    """By the addresses; by phone only where none of them finds anybody."""
    ids: list[str] = []
    for by, addresses in ((By.EMAIL, contact.emails), (By.PHONE, contact.phones)):
        for address in () if ids and by is By.PHONE else addresses:
            ids += _holding(await search(access, by, address, until), address)
    return list(dict.fromkeys(ids))


def _holding(records: Iterable[Held], *addresses: str) -> list[str]:
    with shape():  # what is held may be no text at all
        found = [
            one
            for one, held in records
            if any(person.among(address, held) for address in addresses)
        ]
    return list(dict.fromkeys(found))
