"""Salesloft's records: listed newest first, and new ones made from our inbox app.

Source: Salesloft's API description v2 (people, tasks, users) as in the code that
PradeepMarri/salesloft-com-v2-openapi generated from it, its page "API Basics" as transcribed by
api-evangelist, read 2026-11-22 and 2026-11-26. The address of a person's page: public integrations.

What Salesloft cannot do: its opportunities come from the CRM behind it, and whether one may be made
is unconfirmed, so there are no deals, and no leads. Nobody is searched by phone, so somebody with a
phone alone is found again among the newest only. A task takes a key of ours that makes it once.
A note's author can be chosen by team admins only, and proves that it is ours, so it stays the
connection's user; a person or a task gets the owner.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from common.catalog import ActionKind
from common.http import Answer

from delivery.adapters.calls import Deadline, error_body, number, record_id, shape
from delivery.adapters.crm.acting import ActingCrm, AlreadyThere
from delivery.adapters.crm.base import CLOCK_SKEW, Json
from delivery.adapters.crm.finding import Held
from delivery.domain.action import Action, NewPerson, NewTask, body_of, title_of
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp

PEOPLE: Final = "/v2/people"
TASKS: Final = "/v2/tasks"
USERS: Final = "/v2/users"
PAGE: Final = 50  # notes of full length stay below the cap of one answer
ADDRESSES: Final = ("email_address", "secondary_email_address", "personal_email_address")
PHONES: Final = ("phone", "mobile_phone", "home_phone")
# Unconfirmed how long a search takes to find a new person; no delay is documented.
SEARCH_LAG: Final = timedelta(minutes=5)
TASK_TYPE: Final = "general"
PAGES: Final = "https://app.salesloft.com/app/people"


class SalesloftRecords(ActingCrm):
    actions: ClassVar[frozenset[ActionKind]] = frozenset(
        {ActionKind.PERSON, ActionKind.TASK, ActionKind.NOTE}
    )
    search_lag = SEARCH_LAG

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
        asked = {"sort_by": "created_at", "sort_direction": "DESC", "per_page": str(PAGE)}
        asked |= query or {}
        found: dict[str, Json] = {}
        turn: int | None = 1
        while turn is not None:
            asked["page"] = str(turn)
            page = await self._send(access, "GET", f"{path}.json", until, call, query=asked)
            with shape():
                following = page["metadata"]["paging"].get("next_page")
                turn = None if following is None else int(following)
                for record in page["data"]:
                    if datetime.fromisoformat(record["created_at"]) < since - CLOCK_SKEW:
                        return list(found.values())
                    found[record_id(record["id"])] = record
        return list(found.values())

    async def search(
        self,
        access: CrmAccess,
        path: str,
        until: Deadline,
        query: Mapping[str, str],
        call: Call = Call.OTHER,
    ) -> list[Json]:
        """The first page; what it holds is to be compared, for unknown filters are ignored."""
        asked = {**query, "per_page": str(PAGE), "page": "1"}
        page = await self._send(access, "GET", f"{path}.json", until, call, query=asked)
        with shape():
            if not isinstance(page["metadata"]["paging"], dict):
                raise ValueError("not a list")
            records: list[Json] = page["data"]
            return records

    async def users(self, access: CrmAccess, email: str, until: Deadline) -> Iterable[Held]:
        query = {"search": email, "active": "true"}
        found = await self.search(access, USERS, until, query)
        with shape():
            return [(record_id(u["id"]), [str(u.get("email"))]) for u in found if u.get("active")]

    async def new_record(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> tuple[str, Json]:
        what, owner_id = action.what, action.owner_id
        match what:
            case NewPerson(who):
                made: Json = {"first_name": who.first_name, "last_name": who.last_name}
                made |= {"email_address": who.email, "phone": who.phone}
                made = {name: value for name, value in made.items() if value}
                return f"{PEOPLE}.json", made | ({"owner_id": number(owner_id)} if owner_id else {})
            case NewTask(on, title, due_at, text):
                return f"{TASKS}.json", {
                    "subject": title_of(title),
                    "person_id": str(number(on)),
                    "user_id": number(_owner(access, owner_id)),
                    "task_type": TASK_TYPE,
                    "due_date": f"{due_at.astimezone(UTC):%Y-%m-%d}",
                    "current_state": "scheduled",
                    "description": body_of(text, action.marker, html=False),
                    "idempotency_key": str(action.marker),
                }
        raise GiveUp("action_not_offered")

    async def made_before(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str | None:
        query = {"idempotency_key": str(action.marker)}
        found = await self.search(access, TASKS, until, query)
        with shape():
            ours = [task for task in found if str(action.marker) in str(task.get("description"))]
            return record_id(ours[0]["id"]) if ours else None

    async def newest_persons(
        self, access: CrmAccess, since: datetime, until: Deadline
    ) -> Iterable[Held]:
        listed = await self.newest(access, PEOPLE, since, until, Call.OTHER)
        with shape():
            return [held_by(one) for one in listed]

    def already_there(self, response: Answer) -> AlreadyThere | None:
        errors = error_body(response).get("errors")
        refused = errors.get("email_address") if isinstance(errors, dict) else None
        if response.status_code == 422 and refused == ["is already taken"]:
            return AlreadyThere("http_422", None)  # perhaps by somebody whom our user may not see
        return None

    def person_url(self, access: CrmAccess, person_id: str) -> str | None:
        return f"{PAGES}/{person_id}"


def held_by(one: Json) -> Held:
    """A person and its addresses and phones."""
    held = [str(one[field]) for field in (*ADDRESSES, *PHONES) if one.get(field)]
    return record_id(one["id"]), held


def _owner(access: CrmAccess, owner_id: str | None) -> str:
    """The user whose a task is to be: Salesloft refuses one without."""
    user_id = owner_id or access.user_id
    if user_id is None:
        raise GiveUp("no_user")
    return user_id
