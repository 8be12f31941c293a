"""Dynamics 365: which contact or lead a note goes to; three apps share this adapter.

Source: Microsoft's table reference of contact, lead and incident and its page on merging rows,
MicrosoftDocs/powerapps-docs and MicrosoftDocs/dynamics-365-customer-engagement, read 2026-11-22.

MS Dynamics and MS Dynamics Cases write to the contact, MS Dynamics Sales to an open lead where no
contact matches. Where several contacts share an address, the one behind an open case is meant. What
Dynamics cannot do: date a note by the last reply (`overriddencreatedon` takes a privilege of its
own, and counts on creation only); a phone is found only as it is stored.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from delivery.adapters.calls import Deadline, shape
from delivery.adapters.crm.base import Json
from delivery.adapters.crm.dynamics365.dataverse import API, any_of, guid, quoted
from delivery.adapters.crm.dynamics365.records import (
    CONTACTS,
    EMAIL,
    KEYS,
    LEADS,
    PHONE,
    DynamicsRecords,
    id_in,
    id_of,
    place,
)
from delivery.adapters.crm.finding import By, Held
from delivery.domain.conversation import Contact
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp, Gone, PersonState

CASES: Final = "incidents"
# Where a row leads on: to the survivor of a merge, to the contact that a lead became. Whether a
# qualified lead's notes are copied is unconfirmed, so the contact is written to.
MASTER, QUALIFIED_AS = "_masterid_value", "_parentcontactid_value"
FURTHER: Final = {CONTACTS: (MASTER,), LEADS: (MASTER, QUALIFIED_AS)}
MERGES_FOLLOWED: Final = 5
# That text is compared without regard to case is unconfirmed: what is stored in another case than
# the customer writes is then not found.
COLUMNS: Final = {
    By.EMAIL: (EMAIL, "emailaddress2", "emailaddress3"),
    By.PHONE: (PHONE, "mobilephone"),
}
OPEN: Final = "statecode eq 0"  # an active contact, an open lead, an active case
CASE_CONTACTS: Final = ("_primarycontactid_value", "_customerid_value")
FOUND_AT_MOST: Final = "50"


class Dynamics365(DynamicsRecords):
    name = "dynamics365"

    async def person(
        self, access: CrmAccess, person_id: str, deadline: timedelta
    ) -> PersonState | None:
        """The row itself, or the one that merges and qualification lead to."""
        until = Deadline(deadline)
        for _ in range(MERGES_FOLLOWED + 1):
            table, _row = place(person_id)
            query = {"$select": ",".join((KEYS[table], *FURTHER[table]))}
            path = self.person_path(person_id)
            found = await self._find(access, path, until.left(), Call.PERSON, query)
            if found is None:
                return None
            with shape():
                further = _further(found)
                if further is None:
                    return self.person_in(found)
            person_id = further
        raise GiveUp("merged_in_circles")

    async def find_persons(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        until = Deadline(deadline)
        found = await super().find_persons(access, contact, until.left())
        return found if len(found) < 2 else await self._behind_a_case(access, found, until)

    async def search_persons(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        return await self._search(access, CONTACTS, by, address, until)

    async def search_leads(
        self, access: CrmAccess, by: By, address: str, until: Deadline
    ) -> Iterable[Held]:
        return await self._search(access, LEADS, by, address, until)

    async def _search(
        self, access: CrmAccess, table: str, by: By, address: str, until: Deadline
    ) -> list[Held]:
        columns = COLUMNS[by]
        holds = any_of([(column, quoted(address)) for column in columns])
        rows = await self._rows(access, table, (KEYS[table], *columns), holds, until)
        with shape():
            return [
                (id_in(table, row), [str(row[column]) for column in columns if row.get(column)])
                for row in rows
            ]

    async def _behind_a_case(
        self, access: CrmAccess, ids: Sequence[str], until: Deadline
    ) -> Sequence[str]:
        """Of several contacts those with an open case; all of them where none has one."""
        holds = any_of([(column, guid(one)) for one in ids for column in CASE_CONTACTS])
        try:
            rows = await self._rows(access, CASES, CASE_CONTACTS, holds, until)
        except (GiveUp, Gone):  # no Customer Service in this environment, or not for our user
            return ids
        with shape():
            behind = {row.get(column) for row in rows for column in CASE_CONTACTS}
        return [one for one in ids if one in behind] or ids

    async def _rows(
        self, access: CrmAccess, table: str, columns: Sequence[str], holds: str, until: Deadline
    ) -> list[Json]:
        query = {
            "$select": ",".join(columns),
            "$filter": f"{holds} and {OPEN}",
            "$top": FOUND_AT_MOST,
        }
        path = f"{API}/{table}"
        answer = await self._send(access, "GET", path, until, Call.SEARCH, query=query)
        with shape():
            return list(answer["value"])


ADAPTER: Final = Dynamics365


def _further(found: Json) -> str | None:
    table = CONTACTS if KEYS[CONTACTS] in found else LEADS
    if found.get(MASTER):
        return id_of(table, found[MASTER])
    contact = found.get(QUALIFIED_AS)
    return id_of(CONTACTS, contact) if contact else None
