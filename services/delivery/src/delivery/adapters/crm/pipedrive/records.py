"""Pipedrive's records: a person's are listed, and new ones made from our inbox app.

Source: Pipedrive's OpenAPI descriptions v1 (leads, users) and v2 (persons, deals, activities), and
devcommunity.pipedrive.com, thread 19734, read 2026-11-22 and 2026-11-26.

What Pipedrive cannot do: a deal has no text of ours, so it is found again by person, title, time; a
new person is searched for with a lag, so the newest are listed as well. A note's author can be
chosen by administrators only, and proves that it is ours, so it stays the connection's user; an
activity, deal, lead or person gets the owner.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from common.catalog import ActionKind

from delivery.adapters.calls import Deadline, number, record_id, shape
from delivery.adapters.crm.base import CLOCK_SKEW, Json, utc_iso
from delivery.adapters.crm.finding import Held
from delivery.adapters.crm.pipedrive.limits import PipedriveLimits
from delivery.domain.action import Action, NewDeal, NewLead, NewPerson, NewTask, body_of, title_of
from delivery.domain.block import carries
from delivery.domain.rates import Call
from delivery.ports import CrmAccess, GiveUp

PERSONS: Final = "/api/v2/persons"
NOTES: Final = "/api/v1/notes"  # exist in v1 only, and are not deprecated
ACTIVITIES: Final = "/api/v2/activities"
DEALS: Final = "/api/v2/deals"
LEADS: Final = "/api/v1/leads"
USERS: Final = "/api/v1/users"
TASK_TYPE: Final = "task"  # of a new company's types; an unknown one is refused
PAGE: Final = 50  # notes or activities of full length stay below the cap of one answer
# Unconfirmed how long a search takes to show a new person; no delay is documented.
SEARCH_LAG: Final = timedelta(minutes=5)
PATHS: Final = {ActionKind.LEAD: LEADS, ActionKind.DEAL: DEALS, ActionKind.TASK: ACTIVITIES}
CALLS: Final = {NOTES: Call.NOTES, ACTIVITIES: Call.ACTIVITIES}


class PipedriveRecords(PipedriveLimits):
    actions: ClassVar[frozenset[ActionKind]] = frozenset(ActionKind)
    search_lag = SEARCH_LAG
    lead_hangs_on_person = True

    async def listed(
        self, access: CrmAccess, path: str, person_id: str, since: datetime, until: Deadline
    ) -> list[Json]:
        """Live records, oldest first; v1 counts rows (`start`), v2 has a cursor."""
        query = {
            # Not by `add_time`, which is the reply's.
            "updated_since": utc_iso(since - CLOCK_SKEW),
            "limit": str(PAGE),
            "person_id": str(number(person_id)),
            **({"sort_by": "id"} if path.startswith("/api/v2") else {}),
            **({"sort": "id ASC"} if path == NOTES else {}),
        }
        call = CALLS.get(path, Call.OTHER)
        records: list[Json] = []
        turn: dict[str, str] | None = {}
        while turn is not None:
            page = await self._send(access, "GET", path, until, call, query={**query, **turn})
            with shape():
                records += [record for record in page["data"] or [] if not is_deleted(record)]
                after = page.get("additional_data") or {}
                rows = after.get("pagination") or after  # leads say it without the frame
                turn = {"cursor": after["next_cursor"]} if after.get("next_cursor") else None
                if rows.get("more_items_in_collection"):
                    turn = {"start": str(int(rows["start"]) + int(rows["limit"]))}
        return records

    async def users(self, access: CrmAccess, email: str, until: Deadline) -> Iterable[Held]:
        # The whole list costs half as much as a search by address.
        page = await self._send(access, "GET", USERS, until, Call.OTHER)
        with shape():
            active = [user for user in page["data"] or [] if user["active_flag"]]
            return [(record_id(user["id"]), [str(user["email"])]) for user in active]

    async def new_record(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> tuple[str, Json]:
        what, owner = action.what, owned_by(action.owner_id)
        match what:
            case NewPerson(who):
                made: Json = {"name": " ".join(who.name.split()), **owner}
                for name, value in (("emails", who.email), ("phones", who.phone)):
                    if value:
                        made[name] = [{"value": value, "primary": True, "label": "work"}]
                return PERSONS, made
            case NewLead(_, title) if person_id is not None:
                on = {"person_id": number(person_id), "origin_id": str(action.marker)}
                return LEADS, {"title": title_of(title), **on, **owner}
            case NewDeal(on_id, title):
                return DEALS, {"title": title_of(title), "person_id": number(on_id), **owner}
            case NewTask(on_id, title, due_at, text):
                body = body_of(text, action.marker, html=True)
                task = {"subject": title_of(title), "type": TASK_TYPE, "done": False, "note": body}
                return ACTIVITIES, task | due(due_at) | participants(on_id) | owner
        raise GiveUp("action_not_offered")

    async def made_before(
        self, access: CrmAccess, action: Action, person_id: str | None, until: Deadline
    ) -> str | None:
        path, marker = PATHS[action.kind], action.marker
        if person_id is None:
            return None
        listed = await self.listed(access, path, person_id, action.asked_at, until)
        with shape():
            for record in listed:
                if isinstance(action.what, NewDeal):
                    added_at = datetime.fromisoformat(record["add_time"])
                    is_ours = record["title"] == title_of(action.what.title)
                    is_ours = is_ours and added_at >= action.asked_at - CLOCK_SKEW
                else:
                    text = record.get("origin_id") if path == LEADS else record.get("note")
                    is_ours = carries(str(text or ""), marker)
                if is_ours:
                    return record_id(record["id"])
        return None

    async def newest_persons(
        self, access: CrmAccess, since: datetime, until: Deadline
    ) -> Iterable[Held]:
        newest_first = {"sort_by": "add_time", "sort_direction": "desc", "limit": "500"}
        query = {"updated_since": utc_iso(since), **newest_first}
        page = await self._send(access, "GET", PERSONS, until, Call.OTHER, query=query)
        with shape():
            return [
                (record_id(one["id"]), [held["value"] for held in (*one["emails"], *one["phones"])])
                for one in page["data"] or []
            ]

    def person_url(self, access: CrmAccess, person_id: str) -> str | None:
        return f"{access.api_base.rstrip('/')}/person/{person_id}"

    def record_url(
        self, access: CrmAccess, kind: ActionKind, record_id: str, person_id: str | None
    ) -> str | None:
        pages = {ActionKind.DEAL: "deal", ActionKind.LEAD: "leads/inbox"}
        if kind in pages:
            return f"{access.api_base.rstrip('/')}/{pages[kind]}/{record_id}"
        return super().record_url(access, kind, record_id, person_id)


def is_deleted(record: Json) -> bool:
    return bool(record.get("is_deleted")) or record.get("active_flag") is False  # API v2, v1


def participants(person_id: str) -> Json:
    # Never `person_id`, though the description lists it: it is read-only and answers 400.
    return {"participants": [{"person_id": number(person_id), "primary": True}]}


def owned_by(owner_id: str | None) -> Json:
    return {} if owner_id is None else {"owner_id": number(owner_id)}


def due(at: datetime) -> Json:
    in_utc = at.astimezone(UTC)
    return {"due_date": f"{in_utc:%Y-%m-%d}", "due_time": f"{in_utc:%H:%M}"}
