"""Dynamics 365's tables: contacts and leads by their ids, and records made from our inbox app.

Source: Microsoft's table reference of contact, lead, opportunity, task and systemuser and its page
on opening forms by address, MicrosoftDocs/powerapps-docs, read 2026-11-22 and 2026-11-26.

Each record that an action makes gets an id made of the action's marker, so asking again makes no
second one. Unconfirmed: the names that bind an opportunity or task to its person; that a plain user
may read the addresses of users.
"""

from collections.abc import Iterable
from typing import ClassVar, Final

from common.catalog import ActionKind

from delivery.adapters.calls import Deadline, record_id, shape
from delivery.adapters.crm.base import Json, utc_iso
from delivery.adapters.crm.dynamics365.dataverse import (
    API,
    ExistsAlready,
    any_of,
    guid,
    id_of_marker,
    owned_by,
    quoted,
)
from delivery.adapters.crm.dynamics365.notes import DataverseNotes
from delivery.adapters.crm.finding import Held
from delivery.domain.action import Action, NewDeal, NewLead, NewPerson, NewTask, body_of, title_of
from delivery.domain.note import Note
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp, PersonState

CONTACTS, LEADS, OPPORTUNITIES, TASKS, USERS = (
    "contacts", "leads", "opportunities", "tasks", "systemusers",
)  # fmt: skip
KEYS: Final = {
    CONTACTS: "contactid",
    LEADS: "leadid",
    OPPORTUNITIES: "opportunityid",
    TASKS: "activityid",
    USERS: "systemuserid",
}
LOGICAL: Final = {
    CONTACTS: "contact",
    LEADS: "lead",
    OPPORTUNITIES: "opportunity",
    TASKS: "task",
}
TABLE_OF: Final = {
    ActionKind.PERSON: CONTACTS,
    ActionKind.LEAD: LEADS,
    ActionKind.DEAL: OPPORTUNITIES,
    ActionKind.TASK: TASKS,
}
LEAD: Final = "lead."  # before the guid, in the ids that the core holds
EMAIL, PHONE = "emailaddress1", "telephone1"
DEAL_OF: Final = {CONTACTS: "parentcontactid", LEADS: "originatingleadid"}
NAME_MAX_CHARS: Final = 50  # of first and of last name
TASK_TEXT_MAX_CHARS: Final = 1_800  # a task's description takes 2,000, the marker included


class DynamicsRecords(DataverseNotes):
    actions: ClassVar[frozenset[ActionKind]] = frozenset(ActionKind)

    def person_path(self, person_id: str) -> str:
        return row_path(*place(person_id))

    def person_in(self, found: Json) -> PersonState | None:
        return PersonState(id_in(CONTACTS if KEYS[CONTACTS] in found else LEADS, found))

    def person_id_of(self, logical_name: str, row_id: str) -> str | None:
        tables = {LOGICAL[table]: table for table in (CONTACTS, LEADS)}
        return id_of(tables[logical_name], row_id) if logical_name in tables else None

    def note_fields(self, person_id: str, note: Note) -> Json:
        table, row_id = place(person_id)
        return bound(f"objectid_{LOGICAL[table]}", table, row_id) | owned_by(note.owner_id)

    async def users(self, access: CrmAccess, email: str, until: Deadline) -> Iterable[Held]:
        key, address = KEYS[USERS], "internalemailaddress"
        holds = f"{any_of([(address, quoted(email))])} and isdisabled eq false"
        query = {"$select": f"{key},{address}", "$filter": holds, "$top": "2"}
        answer = await self._send(access, "GET", f"{API}/{USERS}", until, Call.OTHER, query=query)
        with shape():
            return [(record_id(user[key]), [str(user[address])]) for user in answer["value"]]

    async def new_record(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> tuple[str, Json]:
        path = row_path(TABLE_OF[action.kind], id_of_marker(access, action.marker))
        owner = owned_by(action.owner_id)
        match action.what:
            case NewPerson(who) | NewLead(who, _):
                topic = (
                    {"subject": title_of(action.what.title)}
                    if isinstance(action.what, NewLead)
                    else {}
                )
                named = {
                    "firstname": who.first_name[:NAME_MAX_CHARS],
                    "lastname": who.last_name[:NAME_MAX_CHARS],
                    EMAIL: who.email,
                    PHONE: who.phone,
                }
                return path, {k: v for k, v in (topic | named).items() if v} | owner
            case NewDeal(on, title):
                table, row_id = place(on)
                return path, {"name": title_of(title)} | bound(
                    DEAL_OF[table], table, row_id
                ) | owner
            case NewTask(on, title, due_at, text):
                table, row_id = place(on)
                said = body_of(text[:TASK_TEXT_MAX_CHARS], action.marker, html=False)
                task = {"subject": title_of(title), "description": said}
                task["scheduledend"] = utc_iso(due_at)
                whom = bound(f"regardingobjectid_{LOGICAL[table]}_task", table, row_id)
                return path, task | whom | owner
        raise GiveUp("action_not_offered")

    async def made_before(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str | None:
        table = TABLE_OF[action.kind]
        path = row_path(table, id_of_marker(access, action.marker))
        query = {"$select": KEYS[table]}
        found = await self._find(access, path, until.left(), Call.OTHER, query)
        with shape():
            return None if found is None else id_in(table, found)

    async def _new(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str:
        """At an id of ours: what is there already is what was asked for."""
        table = TABLE_OF[action.kind]
        path, body = await self.new_record(access, action, person_id, until)
        key, call = KEYS[table], Call.OTHER
        try:
            made = await self.create_at(access, path, key, body, person_id, until, call)
        except ExistsAlready:
            return id_of(table, id_of_marker(access, action.marker))
        with shape(write=True):
            return id_in(table, made)

    def is_lead(self, person_id: str) -> bool:
        return person_id.startswith(LEAD)

    def person_url(self, access: CrmAccess, person_id: str) -> str | None:
        table = LEADS if self.is_lead(person_id) else CONTACTS
        return _page(access, table, person_id.removeprefix(LEAD))

    def record_url(
        self, access: CrmAccess, kind: ActionKind, record_id: str, person_id: str | None
    ) -> str | None:
        return _page(access, TABLE_OF[kind], record_id.removeprefix(LEAD))


def place(person_id: str) -> tuple[str, str]:
    """Table and guid: a contact's guid stands bare."""
    table = LEADS if person_id.startswith(LEAD) else CONTACTS
    return table, guid(person_id.removeprefix(LEAD))


def id_of(table: str, row_id: object) -> str:
    return (LEAD if table == LEADS else "") + record_id(row_id).lower()


def id_in(table: str, row: Json) -> str:
    return id_of(table, row[KEYS[table]])


def row_path(table: str, row_id: str) -> str:
    return f"{API}/{table}({row_id})"


def bound(column: str, table: str, row_id: str) -> Json:
    return {f"{column}@odata.bind": f"/{table}({row_id})"}


def _page(access: CrmAccess, table: str, row_id: str) -> str:
    page = f"main.aspx?pagetype=entityrecord&etn={LOGICAL[table]}&id={row_id}"
    return f"{access.api_base.rstrip('/')}/{page}"
