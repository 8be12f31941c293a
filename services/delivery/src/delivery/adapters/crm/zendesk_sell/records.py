"""Zendesk Sell's records: contacts and leads by their ids, lists by pages, and what actions make.

Source: the vendor's SDK basecrm-python (paths, writable keys, filters) and its app
zendesk-sell-for-zapier, read 2026-11-22 and 2026-11-26.

What Sell cannot do: no key of ours, so what an action made is found by its marker in a text of the
record. Unconfirmed: which fields a deal needs; how long a new record is missing from lists.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from common.catalog import ActionKind

from delivery.adapters.calls import Deadline, number, record_id, shape
from delivery.adapters.crm.acting import ActingCrm
from delivery.adapters.crm.base import CLOCK_SKEW, Json, utc_iso
from delivery.adapters.crm.finding import By, Held
from delivery.domain.action import Action, NewDeal, NewLead, NewPerson, NewTask, body_of, title_of
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp

CONTACT, LEAD = "contact", "lead"
LEAD_ID: Final = "lead."  # before the number, in the ids that the core holds
PAGE: Final = 50  # notes of full length stay below the cap of one answer
FIELDS: Final = {By.EMAIL: ("email",), By.PHONE: ("phone", "mobile")}
# Unconfirmed how long a filtered list misses a new contact.
SEARCH_LAG: Final = timedelta(minutes=5)
# Where a record's marker stands: the text that it has.
MARKED: Final = {
    ActionKind.LEAD: ("/v2/leads", "description"),
    ActionKind.DEAL: ("/v2/deals", "name"),
    ActionKind.TASK: ("/v2/tasks", "content"),
}
PAGES: Final = "https://app.futuresimple.com"  # unconfirmed; where Sell's own links lead


class SellRecords(ActingCrm):
    actions: ClassVar[frozenset[ActionKind]] = frozenset(ActionKind)
    search_lag = SEARCH_LAG

    def id_in(self, made: Json) -> str:
        kind = made["meta"]["type"]
        return id_of(kind, made["data"]["id"])

    async def newest(
        self,
        access: CrmAccess,
        path: str,
        since: datetime,
        until: Deadline,
        call: Call,
        query: Mapping[str, str] | None = None,
    ) -> list[Json]:
        """What a list holds, newest first, no further back than needed; clocks may differ."""
        asked = {"sort_by": "created_at:desc", "per_page": str(PAGE), **(query or {})}
        found: dict[str, Json] = {}
        turn, full = 0, True
        while full:  # that links are given is not documented
            turn += 1
            asked["page"] = str(turn)
            page = await self._send(access, "GET", path, until, call, query=asked)
            with shape():
                records = records_in(page)
                full = len(records) == PAGE
                for one in records:
                    if datetime.fromisoformat(one["created_at"]) < since - CLOCK_SKEW:
                        return list(found.values())
                    found[record_id(one["id"])] = one
        return list(found.values())

    async def users(self, access: CrmAccess, email: str, until: Deadline) -> Iterable[Held]:
        query = {"email": email, "per_page": str(PAGE)}
        page = await self._send(access, "GET", "/v2/users", until, Call.OTHER, query=query)
        with shape():
            return [(record_id(user["id"]), [str(user.get("email"))]) for user in records_in(page)]

    async def new_record(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> tuple[str, Json]:
        owner = {"owner_id": number(action.owner_id)} if action.owner_id else {}
        match action.what:
            case NewPerson(who) | NewLead(who, _):
                lead = isinstance(action.what, NewLead)
                fields: Json = {"first_name": who.first_name, "last_name": who.last_name}
                fields |= {"email": who.email, "phone": who.phone}
                if isinstance(action.what, NewLead):
                    fields["description"] = f"{title_of(action.what.title)}\n\n{action.marker}"
                fields = {name: value for name, value in fields.items() if value}
                return f"/v2/{LEAD if lead else CONTACT}s", {"data": fields | owner}
            case NewDeal(on, title):
                kind, contact_id = place(on)
                if kind != CONTACT:
                    raise GiveUp("deal_on_a_lead")
                name = f"{title_of(title)} {action.marker}"
                return "/v2/deals", {"data": {"name": name, "contact_id": contact_id} | owner}
            case NewTask(on, title, due_at, text):
                kind, resource_id = place(on)
                said = body_of(f"{title_of(title)}\n{text}", action.marker, html=False)
                task: Json = {"content": said, "due_date": utc_iso(due_at)}
                task |= {"resource_type": kind, "resource_id": resource_id}
                return "/v2/tasks", {"data": task | owner}
        raise GiveUp("action_not_offered")

    async def made_before(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str | None:
        path, field = MARKED[action.kind]
        listed = await self.newest(access, path, action.asked_at, until, Call.OTHER)
        with shape():
            ours = [one for one in listed if str(action.marker) in str(one.get(field))]
            kind = LEAD if action.kind is ActionKind.LEAD else action.kind
            return id_of(kind, ours[0]["id"]) if ours else None

    async def newest_persons(
        self, access: CrmAccess, since: datetime, until: Deadline
    ) -> Iterable[Held]:
        listed = await self.newest(access, f"/v2/{CONTACT}s", since, until, Call.OTHER)
        with shape():
            return [held_by(CONTACT, one) for one in listed]

    def is_lead(self, person_id: str) -> bool:
        return person_id.startswith(LEAD_ID)

    def person_url(self, access: CrmAccess, person_id: str) -> str | None:
        kind = LEAD if self.is_lead(person_id) else CONTACT
        page = "leads" if kind == LEAD else "crm/contacts"
        return f"{PAGES}/{page}/{person_id.removeprefix(LEAD_ID)}"

    def record_url(
        self, access: CrmAccess, kind: ActionKind, record_id: str, person_id: str | None
    ) -> str | None:
        if kind is ActionKind.LEAD:
            return self.person_url(access, record_id)
        return super().record_url(access, kind, record_id, person_id)


def records_in(page: Json) -> list[Json]:
    """Of a list, each out of its envelope."""
    return [item["data"] for item in page["items"]]


def held_by(kind: str, one: Json) -> Held:
    """A contact or lead, and its addresses; none of a company's, which is a contact too."""
    fields = () if one.get("is_organization") else (*FIELDS[By.EMAIL], *FIELDS[By.PHONE])
    return id_of(kind, one["id"]), [str(one[field]) for field in fields if one.get(field)]


def place(person_id: str) -> tuple[str, int]:
    """Kind and number: a contact's number stands bare."""
    kind = LEAD if person_id.startswith(LEAD_ID) else CONTACT
    return kind, number(person_id.removeprefix(LEAD_ID))


def id_of(kind: str, raw: object) -> str:
    return (LEAD_ID if kind == LEAD else "") + record_id(raw)
