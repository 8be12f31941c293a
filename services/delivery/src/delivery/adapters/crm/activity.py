"""The calls of a CRM that gets an Activity beside the note (R5)."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.adapters.calls import Deadline, shape
from delivery.adapters.crm.base import HttpCrm, Json
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call
from delivery.ports import CrmAccess


@dataclass(frozen=True, slots=True)
class Activities:
    """How they are made; only the account itself says which types there are."""

    type: str = "task"
    done: bool = True


class HttpActivityCrm(HttpCrm):
    has_activity = True
    activities = Activities()

    @abstractmethod
    def activity_path(self, activity_id: str) -> str: ...

    @abstractmethod
    def activity_in(self, found: Json) -> StoredNote | None:
        """None: deleted."""

    @abstractmethod
    def new_activity(self, person_id: str, note: Note) -> tuple[str, Json]:
        """Path and body of the request that creates it."""

    @abstractmethod
    def changed_activity(self, body: str, note: Note) -> tuple[str, Json]:
        """Method and body of the request that changes it."""

    @abstractmethod
    async def activities_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]: ...

    async def create_activity(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        path, body = self.new_activity(person_id, note)
        return await self._create_for(access, person_id, path, body, deadline, Call.CREATE_ACTIVITY)

    async def activity(
        self, access: CrmAccess, activity_id: str, deadline: timedelta
    ) -> StoredNote | None:
        path = self.activity_path(activity_id)
        found = await self._find(access, path, deadline, Call.ACTIVITY)
        with shape():
            return None if found is None else self.activity_in(found)

    async def update_activity(
        self, access: CrmAccess, activity_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        method, change = self.changed_activity(body, note)
        path = self.activity_path(activity_id)
        await self._send(
            access, method, path, Deadline(deadline), Call.UPDATE_ACTIVITY, change, write=True
        )

    async def delete_activity(
        self, access: CrmAccess, activity_id: str, deadline: timedelta
    ) -> None:
        path = self.activity_path(activity_id)
        await self._delete(access, path, deadline, Call.DELETE_ACTIVITY)
