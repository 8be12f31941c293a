"""HubSpot's objects: read by their association with a contact, and made from our inbox app.

Source: HubSpot's API reference, dated API 2026-09 (objects, associations, owners, pipelines), and
HubSpot/hubspot-api-php issue 59 (a contact that exists already), read 2026-11-22 and 2026-11-26.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Final

from common.catalog import ActionKind
from common.http import Answer

from delivery.adapters.calls import Deadline, error_body, record_id, shape
from delivery.adapters.crm.acting import ActingCrm, AlreadyThere
from delivery.adapters.crm.base import CLOCK_SKEW, Json, utc_iso
from delivery.adapters.crm.finding import Held
from delivery.domain.action import Action, NewDeal, NewPerson, NewTask, body_of, title_of
from delivery.domain.block import carries
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp, RetryLater

OBJECTS: Final = "/crm/objects/2026-09"
CONTACTS: Final = f"{OBJECTS}/contacts"
NOTES: Final = f"{OBJECTS}/notes"
ASSOCIATIONS: Final = "/crm/associations/2026-09/contacts"
OWNERS: Final = "/crm/owners/2026-09"
PIPELINES: Final = "/crm/pipelines/2026-09/deals"
DEAL_TO_CONTACT: Final = 3
TASK_TO_CONTACT: Final = 204  # unconfirmed: not on the pages that were read
BATCH: Final = 100  # batch/read takes at most 100 ids
BODIES_PER_READ: Final = 25  # 25 notes of full length stay below the cap of one answer
PAGES: Final = "https://app.hubspot.com/contacts"  # leads on to the account's own region
_EXISTING: Final = re.compile(r"Existing ID: ([0-9]+)")  # the only word about which one it is


class HubSpotObjects(ActingCrm):
    actions: ClassVar[frozenset[ActionKind]] = frozenset(
        # Leads are objects of paid seats, and none of the pages read say how they are made.
        {ActionKind.PERSON, ActionKind.DEAL, ActionKind.TASK, ActionKind.NOTE}
    )

    async def texts(
        self,
        access: CrmAccess,
        person_id: str,
        kind: str,
        field: str,
        since: datetime,
        until: Deadline,
    ) -> list[Json]:
        """A contact's live objects made since, each with its text, oldest first."""
        made: list[tuple[datetime, str]] = []  # texts are read of the objects in question only
        for batch in _batches(await self._linked(access, person_id, kind, until), BATCH):
            for found in await self._read(access, kind, batch, "hs_object_id", until):
                with shape():
                    made.append((datetime.fromisoformat(found["createdAt"]), self.id_in(found)))
        recent = [one for at, one in sorted(made) if at >= since - CLOCK_SKEW]
        live: dict[str, Json] = {}
        for batch in _batches(recent, BODIES_PER_READ):
            for found in await self._read(access, kind, batch, field, until):
                with shape():
                    if not found.get("archived"):
                        live[self.id_in(found)] = found
        return [live[one] for one in recent if one in live]

    async def _linked(
        self, access: CrmAccess, person_id: str, kind: str, until: Deadline
    ) -> list[str]:
        ids: list[str] = []
        page: Json | None = {"id": person_id}
        path = f"{ASSOCIATIONS}/{kind}/batch/read"
        while page:
            answer = await self._send(access, "POST", path, until, Call.NOTES, {"inputs": [page]})
            page = None
            with shape():
                for result in _complete(answer):
                    ids += [record_id(found["toObjectId"]) for found in result["to"]]
                    after = result.get("paging", {}).get("next", {}).get("after")
                    page = {"id": person_id, "after": str(after)} if after else page
        return ids

    async def _read(
        self, access: CrmAccess, kind: str, ids: Sequence[str], field: str, until: Deadline
    ) -> list[Json]:
        inputs = [{"id": one} for one in ids]
        body = {"inputs": inputs, "properties": [field], "propertiesWithHistory": []}
        path = f"{OBJECTS}/{kind}/batch/read"
        answer = await self._send(access, "POST", path, until, Call.NOTES, body)
        with shape():
            return _complete(answer)

    async def users(self, access: CrmAccess, email: str, until: Deadline) -> Iterable[Held]:
        """By the owner's id, which is another one than the user's."""
        query = {"email": email, "archived": "false"}
        answer = await self._send(access, "GET", OWNERS, until, Call.OTHER, query=query)
        with shape():
            return [(record_id(one["id"]), [str(one.get("email"))]) for one in answer["results"]]

    async def new_record(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> tuple[str, Json]:
        what, owner = action.what, owned_by(action.owner_id)
        match what:
            case NewPerson(who):
                given = {"email": who.email, "phone": who.phone}
                given |= {"firstname": who.first_name, "lastname": who.last_name}
                properties = {name: value for name, value in given.items() if value}
                return CONTACTS, {"properties": properties | owner, "associations": []}
            case NewDeal(on, title):
                stage = await self._first_stage(access, until)
                given = {"dealname": title_of(title), "description": str(action.marker), **stage}
                linked = linked_to(on, DEAL_TO_CONTACT)
                return f"{OBJECTS}/deals", {"properties": given | owner, "associations": linked}
            case NewTask(on, title, due_at, text):
                given = {
                    "hs_timestamp": utc_iso(due_at),
                    "hs_task_subject": title_of(title),
                    "hs_task_body": body_of(text, action.marker, html=True),
                    "hs_task_status": "NOT_STARTED",
                    "hs_task_type": "TODO",
                }
                linked = linked_to(on, TASK_TO_CONTACT)
                return f"{OBJECTS}/tasks", {"properties": given | owner, "associations": linked}
        raise GiveUp("action_not_offered")

    async def _first_stage(self, access: CrmAccess, until: Deadline) -> Json:
        """Where a new deal begins: pipelines and their stages are each account's own."""
        answer = await self._send(access, "GET", PIPELINES, until, Call.OTHER)
        with shape():
            pipeline = min(answer["results"], key=_order)
            stage = min(pipeline["stages"], key=_order)
            return {"pipeline": str(pipeline["id"]), "dealstage": str(stage["id"])}

    async def made_before(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str | None:
        is_deal = action.kind is ActionKind.DEAL
        kind, field = ("deals", "description") if is_deal else ("tasks", "hs_task_body")
        if person_id is None:
            return None
        found = await self.texts(access, person_id, kind, field, action.asked_at, until)
        with shape():
            for one in found:
                if carries(str(one["properties"].get(field) or ""), action.marker):
                    return self.id_in(one)
        return None

    def already_there(self, response: Answer) -> AlreadyThere | None:
        if response.status_code != 409:
            return None
        told = _EXISTING.search(str(error_body(response).get("message")))
        return AlreadyThere("http_409", told[1]) if told else None

    def person_url(self, access: CrmAccess, person_id: str) -> str | None:
        return f"{PAGES}/{access.account_id}/record/0-1/{person_id}"

    def note_url(self, access: CrmAccess, person_id: str, note_id: str) -> str | None:
        return f"{self.person_url(access, person_id)}/view/1?engagement={note_id}"

    def record_url(
        self, access: CrmAccess, kind: ActionKind, record_id: str, person_id: str | None
    ) -> str | None:
        object_type = "0-3" if kind is ActionKind.DEAL else "0-27"
        return f"{PAGES}/{access.account_id}/record/{object_type}/{record_id}"


def linked_to(person_id: str, type_id: int) -> list[Json]:
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]
    return [{"to": {"id": person_id}, "types": types}]


def owned_by(owner_id: str | None) -> Json:
    return {} if owner_id is None else {"hubspot_owner_id": owner_id}


def _order(listed: Json) -> tuple[int, str]:
    return int(listed["displayOrder"]), str(listed["id"])


def _complete(answer: Json) -> list[Json]:
    """A batch may answer in part; only what does not exist may be missing from it."""
    for error in answer.get("errors") or []:
        if error.get("category") != "OBJECT_NOT_FOUND":
            raise RetryLater("partial_answer")
    results: list[Json] = answer["results"]
    return results


def _batches(ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
