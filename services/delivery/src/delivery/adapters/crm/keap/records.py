"""Keap's records: listed newest first, and new ones made from our inbox app.

Source: Keap's description of REST v2 (SDK 2.0.21: contacts, tasks, opportunities, users), read
2026-11-22 and 2026-11-26. The address of a contact's page: public integrations with Infusionsoft.

What Keap cannot do: no leads, which are contacts here; a contact carries no text of ours, so it is
one by its address; who is to have a task must be said, so it is the connection's user where the
assignee has no user of that address.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final

from common.catalog import ActionKind

from delivery.adapters.calls import Deadline, number, record_id, shape
from delivery.adapters.crm.base import CLOCK_SKEW, Json, utc_iso
from delivery.adapters.crm.finding import Held
from delivery.adapters.crm.keap.limits import KeapLimits
from delivery.domain.action import Action, NewDeal, NewPerson, NewTask, body_of, title_of
from delivery.domain.block import carries
from delivery.domain.note import Note
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp

API: Final = "/crm/rest/v2"
CONTACTS: Final = f"{API}/contacts"
TASKS: Final = f"{API}/tasks"
OPPORTUNITIES: Final = f"{API}/opportunities"
USERS: Final = f"{API}/users"
PAGE: Final = 100  # notes of full length stay below the cap of one answer
FOUND_PAGE: Final = 10
ADDRESSES: Final = "id,email_addresses,phone_numbers,create_time"
NAME_MAX_CHARS: Final = 40  # of each, given and family name
EMAIL1_MAX_CHARS: Final = 75  # EMAIL2 takes 100
# Unconfirmed how long a filter takes to find a new contact; no delay is documented.
SEARCH_LAG: Final = timedelta(minutes=5)
# Unconfirmed that the tenant's id is the name in its address; another one gets no link.
APP_NAME: Final = re.compile(r"[a-z]{1,5}[0-9]{2,6}")


class KeapRecords(KeapLimits):
    actions: ClassVar[frozenset[ActionKind]] = frozenset(ActionKind) - {ActionKind.LEAD}
    search_lag = SEARCH_LAG

    async def newest(
        self,
        access: CrmAccess,
        path: str,
        since: datetime,
        until: Deadline,
        call: Call = Call.OTHER,
        query: Mapping[str, str] | None = None,
    ) -> list[Json]:
        """What a list holds, newest first, no further back than needed; clocks may differ."""
        of, made_at = path.rpartition("/")[2], "create_time"
        if path == OPPORTUNITIES:
            made_at = "created_time"
        asked = {"order_by": f"{made_at} desc", "page_size": str(PAGE), **(query or {})}
        records: dict[str, Json] = {}
        more = True
        while more:
            page = await self._send(access, "GET", path, until, call, query=asked)
            with shape():
                for record in page[of]:
                    records[record_id(record["id"])] = record
                    more = datetime.fromisoformat(record[made_at]) >= since - CLOCK_SKEW
                asked["page_token"] = str(page.get("next_page_token") or "")
            more = more and bool(asked["page_token"])
        return list(records.values())

    async def users(self, access: CrmAccess, email: str, until: Deadline) -> Iterable[Held]:
        if not searchable(email):
            return ()
        query = {"filter": f"email=={email}", "page_size": str(FOUND_PAGE)}
        page = await self._send(access, "GET", USERS, until, Call.OTHER, query=query)
        with shape():
            return [held_by(user) for user in page["users"] if user.get("status") == "ACTIVE"]

    async def new_record(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> tuple[str, Json]:
        what, marker = action.what, action.marker
        match what:
            case NewPerson(who):
                names = {"given_name": who.first_name, "family_name": who.last_name}
                made: Json = {name: text[:NAME_MAX_CHARS] for name, text in names.items() if text}
                if who.email:
                    field = "EMAIL1" if len(who.email) <= EMAIL1_MAX_CHARS else "EMAIL2"
                    made["email_addresses"] = [{"email": who.email, "field": field}]
                if who.phone:
                    made["phone_numbers"] = [{"number": who.phone, "field": "PHONE1"}]
                return CONTACTS, made | ({"owner_id": action.owner_id} if action.owner_id else {})
            case NewDeal(on, title):
                made = {"contact_id": str(number(on)), "opportunity_title": title_of(title)}
                made |= {"opportunity_notes": str(marker), "user_id": user_of(access, action)}
                return OPPORTUNITIES, made | {"stage_id": await self._first_stage(access, until)}
            case NewTask(on, title, due_at, text):
                made = {"title": title_of(title), "description": body_of(text, marker, html=False)}
                made |= {"contact_id": str(number(on)), "due_time": utc_iso(due_at)}
                return TASKS, made | {"assigned_to_user_id": user_of(access, action)}
        raise GiveUp("action_not_offered")

    async def _first_stage(self, access: CrmAccess, until: Deadline) -> str:
        """Where a new opportunity begins: stages are each account's own."""
        path, query = f"{OPPORTUNITIES}/stages", {"page_size": str(PAGE)}
        page = await self._send(access, "GET", path, until, Call.OTHER, query=query)
        with shape():
            first = min(page["stages"], key=lambda stage: (int(stage["order"]), str(stage["id"])))
            return record_id(first["id"])

    async def made_before(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str | None:
        if person_id is None:
            return None
        is_deal = action.kind is ActionKind.DEAL
        path, text = (OPPORTUNITIES, "opportunity_notes") if is_deal else (TASKS, "description")
        query = {"filter": f"contact_id=={number(person_id)}"}
        listed = await self.newest(access, path, action.asked_at, until, query=query)
        ours = [one for one in listed if carries(str(one.get(text) or ""), action.marker)]
        return record_id(ours[-1]["id"]) if ours else None

    async def newest_persons(
        self, access: CrmAccess, since: datetime, until: Deadline
    ) -> Iterable[Held]:
        listed = await self.newest(access, CONTACTS, since, until, query={"fields": ADDRESSES})
        with shape():
            return [held_by(one) for one in listed]

    def person_url(self, access: CrmAccess, person_id: str) -> str | None:
        if not APP_NAME.fullmatch(access.account_id):
            return None
        page = f"https://{access.account_id}.infusionsoft.com/Contact/manageContact.jsp"
        return f"{page}?view=edit&ID={person_id}"


def searchable(address: str) -> bool:
    """An address with `;` or `*` in it means something else in a filter."""
    return not {";", "*"} & set(address)


def held_by(one: Json) -> Held:
    """A contact or user, and its addresses and phones."""
    emails = [item.get("email") for item in one.get("email_addresses") or []]
    phones = [item.get("number") for item in one.get("phone_numbers") or []]
    return record_id(one["id"]), [str(value) for value in (*emails, *phones) if value]


def user_of(access: CrmAccess, owned: Action | Note) -> str:
    """The user whose a record is to be: Keap refuses notes and tasks without one."""
    user_id = owned.owner_id or access.user_id
    if user_id is None:
        raise GiveUp("no_user")
    return user_id
