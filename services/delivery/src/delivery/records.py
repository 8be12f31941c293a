"""Our notes in one CRM account, or the activities beside them, by the same words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.row import Kind
from delivery.ports import Crm, CrmAccess
from delivery.working import as_activity_crm


class Records(Protocol):
    """As the methods of the port `Crm` that they call: the same answers, the same errors."""

    async def create(self, person_id: str, note: Note) -> str: ...

    async def read(self, record_id: str) -> StoredNote | None: ...

    async def update(self, record_id: str, body: str, note: Note) -> None: ...

    async def delete(self, record_id: str) -> None: ...

    async def marked(
        self, person_id: str, marker: Marker, since: datetime
    ) -> Sequence[StoredNote]: ...


@dataclass(frozen=True, slots=True)
class _Notes:
    crm: Crm
    access: CrmAccess
    deadline: timedelta

    async def create(self, person_id: str, note: Note) -> str:
        return await self.crm.create_note(self.access, person_id, note, self.deadline)

    async def read(self, record_id: str) -> StoredNote | None:
        return await self.crm.note(self.access, record_id, self.deadline)

    async def update(self, record_id: str, body: str, note: Note) -> None:
        await self.crm.update_note(self.access, record_id, body, note, self.deadline)

    async def delete(self, record_id: str) -> None:
        await self.crm.delete_note(self.access, record_id, self.deadline)

    async def marked(self, person_id: str, marker: Marker, since: datetime) -> Sequence[StoredNote]:
        return await self.crm.notes_marked(self.access, person_id, marker, since, self.deadline)


@dataclass(frozen=True, slots=True)
class _Activities:
    crm: Crm
    access: CrmAccess
    deadline: timedelta

    async def create(self, person_id: str, note: Note) -> str:
        crm = as_activity_crm(self.crm)
        return await crm.create_activity(self.access, person_id, note, self.deadline)

    async def read(self, record_id: str) -> StoredNote | None:
        return await as_activity_crm(self.crm).activity(self.access, record_id, self.deadline)

    async def update(self, record_id: str, body: str, note: Note) -> None:
        crm = as_activity_crm(self.crm)
        await crm.update_activity(self.access, record_id, body, note, self.deadline)

    async def delete(self, record_id: str) -> None:
        await as_activity_crm(self.crm).delete_activity(self.access, record_id, self.deadline)

    async def marked(self, person_id: str, marker: Marker, since: datetime) -> Sequence[StoredNote]:
        crm = as_activity_crm(self.crm)
        return await crm.activities_marked(self.access, person_id, marker, since, self.deadline)


def records(kind: Kind, crm: Crm, access: CrmAccess, deadline: timedelta) -> Records:
    return (_Notes if kind == "note" else _Activities)(crm, access, deadline)
