"""Salesloft: a plain-text note on a person.

Source: Salesloft's API description v2 (notes, people) as mirrored by APIs-guru, and its page "API
Basics" (authentication, rate limits, errors) as transcribed by api-evangelist, read 2026-11-22.

What Salesloft cannot do: no idempotency key for notes and no field of ours, so an unknown end is
probed; no field dates a note, so the time stands in its text alone; no search by phone; a merged
or deleted person leaves no trace, and one outside the user's visibility answers like a missing one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

import httpx

from delivery.adapters.calls import Deadline, record_id, shape, whole_number
from delivery.adapters.crm.base import CLOCK_SKEW, HttpCrm, Json
from delivery.domain import person
from delivery.domain.block import carries
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call, RateLimit, Scope, Told
from delivery.ports import CrmAccess, GiveUp, PersonState

PEOPLE: Final = "/v2/people"
NOTES: Final = "/v2/notes"
# No limit is documented, nor whether HTML is understood.
NOTE_MAX_CHARS: Final = 20_000
# Unconfirmed that lists show a note at once; no delay is documented.
VISIBLE_AFTER: Final = timedelta(seconds=10)
PAGE: Final = 50  # notes of full length stay below the cap of one answer
ADDRESSES: Final = ("email_address", "secondary_email_address", "personal_email_address")
# A note that changes is carried to the connected CRM in its first version only: better not at all.
SKIP_CRM_SYNC: Final = True


class Salesloft(HttpCrm):
    name = "salesloft"
    html = False
    note_max_chars = NOTE_MAX_CHARS
    visible_after = VISIBLE_AFTER
    limits: ClassVar[tuple[RateLimit, ...]] = (
        # Shared with all other integrations of the team; a page after the 100th would cost more.
        RateLimit("points", Scope.TENANT, 600, timedelta(minutes=1)),
    )
    rate_limit_wait = timedelta(minutes=1)  # no Retry-After is documented

    def person_path(self, person_id: str) -> str:
        return f"{PEOPLE}/{_number(person_id)}.json"

    def person_in(self, found: Json) -> PersonState | None:
        return PersonState(self.id_in(found))

    def note_path(self, note_id: str) -> str:
        return f"{NOTES}/{_number(note_id)}.json"

    def note_in(self, found: Json) -> StoredNote | None:
        return _stored(found["data"])

    def id_in(self, made: Json) -> str:
        return record_id(made["data"]["id"])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        return f"{NOTES}.json", {
            "content": note.body,
            "subject": note.subject,
            "associated_with_type": "person",
            "associated_with_id": _number(person_id),
            "skip_crm_sync": SKIP_CRM_SYNC,
        }

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PUT", {"content": body}

    def told(self, response: httpx.Response) -> Sequence[Told]:
        left = whole_number(response, "x-ratelimit-remaining-minute")
        return () if left is None else (Told("points", None, left, self.rate_limit_wait),)

    async def find_persons(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        until = Deadline(deadline)
        found: dict[str, None] = {}
        for email in contact.emails:
            # A misspelt filter would be ignored and list everybody, so addresses are compared.
            query = {"email_addresses[]": email, "per_page": str(PAGE)}
            page = await self._send(
                access, "GET", f"{PEOPLE}.json", until, Call.SEARCH, query=query
            )
            with shape():
                for one in _records(page):
                    if person.among(email, [str(one.get(name) or "") for name in ADDRESSES]):
                        found[record_id(one["id"])] = None
        return list(found)

    async def notes_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        """Newest first, as far back as needed."""
        until = Deadline(deadline)
        query = {
            "associated_with_type": "person",
            "associated_with_id": str(_number(person_id)),
            "sort_by": "created_at",
            "sort_direction": "DESC",
            "per_page": str(PAGE),
        }
        found: dict[str, StoredNote] = {}
        turn: int | None = 1
        while turn is not None:
            query["page"] = str(turn)
            page = await self._send(access, "GET", f"{NOTES}.json", until, Call.NOTES, query=query)
            with shape():
                for note in _records(page):
                    if datetime.fromisoformat(note["created_at"]) < since - CLOCK_SKEW:
                        return _oldest_first(found)
                    stored = _stored(note)
                    if carries(stored.body, marker):
                        found[stored.id] = stored
                following = page["metadata"]["paging"].get("next_page")
                turn = None if following is None else int(following)
        return _oldest_first(found)


ADAPTER: Final = Salesloft


def _number(crm_id: str) -> int:
    if not crm_id.isascii() or not crm_id.isdecimal():
        raise GiveUp("bad_id")
    return int(crm_id)


def _records(page: Json) -> list[Json]:
    """Of a list, which is one only with its paging."""
    if not isinstance(page["metadata"]["paging"], dict):
        raise ValueError("not a list")
    records: list[Json] = page["data"]
    return records


def _stored(data: Json) -> StoredNote:
    user, whom = data.get("user") or {}, data.get("associated_with") or {}
    ids = (record_id(raw["id"]) if raw.get("id") else None for raw in (user, whom))
    return StoredNote(record_id(data["id"]), str(data.get("content") or ""), *ids)


def _oldest_first(found: dict[str, StoredNote]) -> list[StoredNote]:
    return list(found.values())[::-1]
