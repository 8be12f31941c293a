"""Pipedrive: a note on a person (API v1), and an activity beside it (API v2).

Source: Pipedrive's OpenAPI descriptions v1 and v2 (notes, persons, activities), its pages on rate
limiting and response formats, and the thread named below, read 2026-11-22.

What Pipedrive cannot do: no idempotency key and no field of ours, so an unknown end is probed; a
merged person leaves no trace, its old id answers 404; a phone is found only as it is stored.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

import httpx

from delivery.adapters.calls import Deadline, capped, record_id, shape, whole_number
from delivery.adapters.crm.activity import HttpActivityCrm
from delivery.adapters.crm.base import CLOCK_SKEW, Json, utc_iso
from delivery.domain import person
from delivery.domain.block import carries
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call, RateLimit, Scope, Told
from delivery.ports import CrmAccess, GiveUp, PersonState

PERSONS: Final = "/api/v2/persons"
NOTES: Final = "/api/v1/notes"  # exist in v1 only, and are not deprecated
ACTIVITIES: Final = "/api/v2/activities"
ACTIVITY_TYPE: Final = "task"  # has to be among the account's own types
# About 100 KB by the pages (older ones: 3 MB); how an excess is answered is unconfirmed.
NOTE_MAX_BYTES: Final = 90_000
NOTE_REFUSED_BYTES: Final = 100_000  # people's text around ours may fill up to here
# Unconfirmed that lists show a note at once; no delay is documented.
VISIBLE_AFTER: Final = timedelta(seconds=10)
PAGE: Final = 50  # notes or activities of full length stay below the cap of one answer
# The daily budget is refilled at midnight of the server, whose time zone is not told.
BUDGET_WAIT: Final = timedelta(hours=1)
TOKENS: Final = {  # what a request costs of the daily budget (`x-token-cost` of the descriptions)
    Call.SEARCH: 20,
    Call.PERSON: 1,
    Call.NOTES: 20,
    Call.NOTE: 2,
    Call.CREATE_NOTE: 10,
    Call.UPDATE_NOTE: 10,
    Call.DELETE_NOTE: 6,
    Call.ACTIVITIES: 10,
    Call.ACTIVITY: 1,
    Call.CREATE_ACTIVITY: 5,
    Call.UPDATE_ACTIVITY: 5,
    Call.DELETE_ACTIVITY: 3,
}


class Pipedrive(HttpActivityCrm):
    name = "pipedrive"
    note_max_chars = NOTE_MAX_BYTES
    note_max_bytes = NOTE_MAX_BYTES
    visible_after = VISIBLE_AFTER
    limits: ClassVar[tuple[RateLimit, ...]] = (
        # Those of the smallest plan; its headers tell of larger ones.
        RateLimit("burst", Scope.CONNECTION, 80, timedelta(seconds=2)),
        RateLimit(
            "searches", Scope.CONNECTION, 10, timedelta(seconds=2), {Call.SEARCH: 1}, otherwise=0
        ),
        RateLimit("daily", Scope.TENANT, 30_000, timedelta(days=1), TOKENS, otherwise=20),
    )
    rate_limit_wait = timedelta(seconds=2)  # the burst window

    def __init__(
        self, client: httpx.AsyncClient | None = None, activity_type: str = ACTIVITY_TYPE
    ) -> None:
        super().__init__(client)
        self._activity_type = activity_type

    def person_path(self, person_id: str) -> str:
        return f"{PERSONS}/{_number(person_id)}"

    def person_in(self, found: Json) -> PersonState | None:
        return None if _deleted(found["data"]) else PersonState(self.id_in(found))

    def note_path(self, note_id: str) -> str:
        return f"{NOTES}/{_number(note_id)}"

    def note_in(self, found: Json) -> StoredNote | None:
        return None if _deleted(found["data"]) else _stored(found["data"])

    def id_in(self, made: Json) -> str:
        return record_id(made["data"]["id"])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        return NOTES, {**_note(note.body, note), "person_id": _number(person_id)}

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PUT", _note(body, note)

    def activity_path(self, activity_id: str) -> str:
        return f"{ACTIVITIES}/{_number(activity_id)}"

    def activity_in(self, found: Json) -> StoredNote | None:
        return self.note_in(found)

    def new_activity(self, person_id: str, note: Note) -> tuple[str, Json]:
        # Never `person_id`, though the description lists it: it is read-only and answers 400
        # (devcommunity.pipedrive.com, thread 19734).
        whom = {"participants": [{"person_id": _number(person_id), "primary": True}]}
        return ACTIVITIES, {**_activity(note.body, note), "type": self._activity_type, **whom}

    def changed_activity(self, body: str, note: Note) -> tuple[str, Json]:
        return "PATCH", _activity(body, note)

    def window_ends(self, response: httpx.Response) -> timedelta:
        if self.limit_hit(response) == "daily":
            return BUDGET_WAIT
        return max(_resets_in(response) or timedelta(0), self.rate_limit_wait)

    def limit_hit(self, response: httpx.Response) -> str:
        if whole_number(response, "x-daily-ratelimit-token-remaining") == 0:
            return "daily"
        return "searches" if response.request.url.path.endswith("/search") else "burst"

    def told(self, response: httpx.Response) -> Sequence[Told]:
        told = []
        tokens = whole_number(response, "x-daily-ratelimit-token-remaining")
        if tokens is not None:  # undocumented, and sometimes missing
            amount = whole_number(response, "x-daily-ratelimit-token-limit")
            told.append(Told("daily", amount, tokens, None if tokens else BUDGET_WAIT))
        left = whole_number(response, "x-ratelimit-remaining")
        amount = whole_number(response, "x-ratelimit-limit")
        # A refused search is answered with the numbers of its own limit, by the same names.
        if left is not None and response.status_code != 429:
            told.append(Told("burst", amount, left, _resets_in(response)))
        return told

    async def find_persons(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        until = Deadline(deadline)
        ids = await self._search(access, "email", contact.emails, until)
        return ids or await self._search(access, "phone", contact.phones, until)

    async def _search(
        self, access: CrmAccess, field: str, values: Sequence[str], until: Deadline
    ) -> list[str]:
        found: dict[str, None] = {}
        for value in values:
            query = {"term": value, "fields": field, "exact_match": "true", "limit": str(PAGE)}
            path = f"{PERSONS}/search"
            page = await self._send(access, "GET", path, until, Call.SEARCH, query=query)
            with shape():
                for item in (result["item"] for result in page["data"]["items"]):
                    if person.among(value, item[f"{field}s"]):
                        found[record_id(item["id"])] = None
        return list(found)

    async def notes_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        listed = await self._list(access, NOTES, person_id, since, deadline)
        with shape():
            return _marked(listed, marker)

    async def _list(
        self, access: CrmAccess, path: str, person_id: str, since: datetime, deadline: timedelta
    ) -> list[Json]:
        """The person's live records, oldest first; v1 counts rows (`start`), v2 has a cursor."""
        until = Deadline(deadline)
        query = {
            "person_id": str(_number(person_id)),
            # Not by `add_time`, which is the reply's.
            "updated_since": utc_iso(since - CLOCK_SKEW),
            "limit": str(PAGE),
            **({"sort": "id ASC"} if path == NOTES else {"sort_by": "id"}),
        }
        call = Call.NOTES if path == NOTES else Call.ACTIVITIES
        records: list[Json] = []
        turn: dict[str, str] | None = {}
        while turn is not None:
            page = await self._send(access, "GET", path, until, call, query={**query, **turn})
            with shape():
                records += [record for record in page["data"] or [] if not _deleted(record)]
                after = page.get("additional_data") or {}
                rows = after.get("pagination") or {}
                turn = {"cursor": after["next_cursor"]} if after.get("next_cursor") else None
                if rows.get("more_items_in_collection"):
                    turn = {"start": str(int(rows["next_start"]))}
        return records

    async def activities_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        """Ours only with the marker in subject and note: an automation may copy the one."""
        listed = await self._list(access, ACTIVITIES, person_id, since, deadline)
        with shape():
            named = [a for a in listed if str(a["subject"]).endswith(str(marker))]
            return _marked(named, marker)


ADAPTER: Final = Pipedrive


def _resets_in(response: httpx.Response) -> timedelta | None:
    seconds = whole_number(response, "x-ratelimit-reset")
    return None if seconds is None else capped(timedelta(seconds=seconds))


def _number(crm_id: str) -> int:
    if not crm_id.isascii() or not crm_id.isdecimal():
        raise GiveUp("bad_id")
    return int(crm_id)


def _deleted(record: Json) -> bool:
    return bool(record.get("is_deleted")) or record.get("active_flag") is False  # API v2, v1


def _note(body: str, note: Note) -> Json:
    if len(body.encode()) > NOTE_REFUSED_BYTES:
        raise GiveUp("note_too_large")
    # One older text says that `add_time` takes an admin; the description does not.
    return {"content": body, "add_time": f"{note.written_for.astimezone(UTC):%Y-%m-%d %H:%M:%S}"}


def _activity(body: str, note: Note) -> Json:
    due = note.written_for.astimezone(UTC)
    when = {"due_date": f"{due:%Y-%m-%d}", "due_time": f"{due:%H:%M}"}
    return {"subject": note.subject, "note": body, "done": True, **when}


def _stored(data: Json) -> StoredNote:
    body = data.get("content") or data.get("note") or ""  # of a note, of an activity
    author = data.get("user_id") or data.get("creator_user_id")
    ids = (record_id(raw) if raw else None for raw in (author, data.get("person_id")))
    return StoredNote(record_id(data["id"]), str(body), *ids)


def _marked(listed: Iterable[Json], marker: Marker) -> list[StoredNote]:
    return [stored for stored in map(_stored, listed) if carries(stored.body, marker)]
