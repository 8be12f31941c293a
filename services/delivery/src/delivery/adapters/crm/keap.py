"""Keap: a plain-text note below its contact (REST v2).

Source: Keap's description of REST v2 (SDK 2.0.21, contacts, notes, users), its pages on OAuth, on
quotas and on usage, and reports of its community, read 2026-11-22.

What Keap cannot do: no idempotency key and no field of ours, so an unknown end is probed; no field
dates a note, so the time stands in its text alone; no HTML; a merged contact leaves no trace, its
old id answers 404; a phone is found only as it is stored; an address that holds `;` or `*` means
something else in a filter and finds nobody. A note is changed and deleted below its contact only,
whom it is asked for first: a merge may have moved it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

import httpx

from delivery.adapters.calls import Deadline, answered_at, record_id, shape
from delivery.adapters.crm.base import CLOCK_SKEW, HttpCrm, Json
from delivery.domain import person
from delivery.domain.block import carries
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.rates import Call, RateLimit, Scope, Told
from delivery.ports import CrmAccess, GiveUp, Gone, PersonState

CONTACTS: Final = "/crm/rest/v2/contacts"
NOTES: Final = "/crm/rest/v2/notes"
# No limit of a note is documented; text fields of the same description hold 65,535 characters, and
# a MySQL TEXT so many bytes.
NOTE_MAX_BYTES: Final = 60_000
NOTE_REFUSED_BYTES: Final = 65_535  # people's text around ours may fill up to here
TITLE_MAX_CHARS: Final = 100  # unconfirmed
# Unconfirmed that lists show a note at once; no delay is documented.
VISIBLE_AFTER: Final = timedelta(seconds=10)
PAGE: Final = 100  # notes of full length stay below the cap of one answer
FOUND_PAGE: Final = 10
PHONES: Final = "PHONE1,PHONE2,PHONE3,PHONE4,PHONE5"
# The quota of a day is full again at 00:00 UTC; asking once an hour costs nothing.
QUOTA_WAIT: Final = timedelta(hours=1)
# Header, and place in it, of what is left of each limit.
LEFT: Final = {
    "day": ("x-keap-product-quota-available", 0),
    "account_day": ("x-keap-tenant-throttle-available", 1),
    "minute": ("x-keap-product-throttle-available", 0),
    "account": ("x-keap-tenant-throttle-available", 0),
}
UNSEARCHABLE: Final = frozenset(";*")
SPIKE: Final = b"policies.ratelimit.SpikeArrestViolation"


class Keap(HttpCrm):
    name = "keap"
    html = False
    note_max_chars = NOTE_MAX_BYTES
    note_max_bytes = NOTE_MAX_BYTES
    visible_after = VISIBLE_AFTER
    limits: ClassVar[tuple[RateLimit, ...]] = (
        # Of our client key, over all accounts together (developer.infusionsoft.com,
        # api-token-quota-and-usage-measurements).
        RateLimit("minute", Scope.VENDOR_KEY, 1_500, timedelta(minutes=1)),
        RateLimit("spike", Scope.VENDOR_KEY, 25, timedelta(seconds=1)),
        RateLimit("day", Scope.VENDOR_KEY, 150_000, timedelta(days=1)),
        # Of an account, over all integrations.
        RateLimit("account", Scope.TENANT, 10_000, timedelta(minutes=1)),
        RateLimit("account_day", Scope.TENANT, 250_000, timedelta(days=1)),
    )
    rate_limit_wait = timedelta(minutes=1)  # Retry-After is not promised
    person_query: ClassVar[Mapping[str, str]] = {"fields": "id"}

    def person_path(self, person_id: str) -> str:
        return f"{CONTACTS}/{_number(person_id)}"

    def person_in(self, found: Json) -> PersonState | None:
        return PersonState(self.id_in(found))

    def note_path(self, note_id: str) -> str:
        """Of `contact/note`: a note is changed and deleted below its contact only."""
        contact_id, _, own_id = note_id.partition("/")
        return f"{self.person_path(contact_id)}/notes/{_number(own_id)}"

    def note_in(self, found: Json) -> StoredNote | None:
        # Whether `created_by_user_id` is the token's user or the one that was sent is unconfirmed,
        # so the author is not told.
        contact_id = found.get("contact_id")
        person_id = record_id(contact_id) if contact_id else None
        return StoredNote(self.id_in(found), str(found.get("text") or ""), None, person_id)

    def id_in(self, made: Json) -> str:
        return record_id(made["id"])

    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        # No `type`: which ones there are is for the account's admin to say (Keap Classic).
        title = {"title": note.subject[:TITLE_MAX_CHARS]}
        return f"{self.person_path(person_id)}/notes", {**_text(note.body), **title}

    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        return "PATCH", _text(body)

    def window_ends(self, response: httpx.Response) -> timedelta:
        hit = self.limit_hit(response)
        if hit == "spike":
            return timedelta(seconds=1)
        return _day_ends(response) if hit in ("day", "account_day") else self.rate_limit_wait

    def limit_hit(self, response: httpx.Response) -> str:
        if SPIKE in response.content:
            return "spike"
        return next((told.limit for told in self.told(response) if told.remaining == 0), "minute")

    def told(self, response: httpx.Response) -> Sequence[Told]:
        found = []
        for name, (header, place) in LEFT.items():
            left = response.headers.get(header, "").split("|")[place:][:1]
            if left and left[0].isascii() and left[0].isdecimal():
                ends = _day_ends(response) if "day" in name else self.rate_limit_wait
                found.append(Told(name, None, int(left[0]), ends))
        return found

    async def create_note(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        path, body = self.new_note(person_id, note)
        by = {"user_id": _user(access)}
        return await self._create_for(
            access, person_id, path, body | by, deadline, Call.CREATE_NOTE
        )

    async def note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> StoredNote | None:
        query = {"filter": f"ids=={_number(note_id)}"}
        until = Deadline(deadline)
        page = await self._send(access, "GET", NOTES, until, Call.NOTE, query=query)
        with shape():  # a filter that is not understood lists the whole account
            found = [stored for stored in map(self.note_in, page["notes"]) if stored]
            return next((stored for stored in found if stored.id == note_id), None)

    async def update_note(
        self, access: CrmAccess, note_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        until = Deadline(deadline)
        path = await self._where(access, note_id, until)
        if path is None:
            raise Gone("note")
        method, change = self.changed_note(note_id, body, note)
        change["user_id"] = _user(access)  # required, and left as it is by the mask
        mask = {"update_mask": "text"}
        await self._send(access, method, path, until, Call.UPDATE_NOTE, change, mask, write=True)

    async def delete_note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> None:
        until = Deadline(deadline)
        path = await self._where(access, note_id, until)
        if path is not None:
            await self._delete(access, path, until.left(), Call.DELETE_NOTE)

    async def _where(self, access: CrmAccess, note_id: str, until: Deadline) -> str | None:
        stored = await self.note(access, note_id, until.left())
        has_place = stored is not None and stored.person_id is not None
        return self.note_path(f"{stored.person_id}/{note_id}") if stored and has_place else None

    async def find_persons(
        self, access: CrmAccess, contact: Contact, deadline: timedelta
    ) -> Sequence[str]:
        until = Deadline(deadline)
        found: dict[str, None] = {}
        for email in contact.emails:
            if not UNSEARCHABLE & set(email):
                found |= await self._search(access, f"email=={email}", email, until)
        for phone in () if found else contact.phones:
            sought = f"phone_number=={phone};phone_fields=={PHONES}"
            found |= await self._search(access, sought, phone, until)
        return list(found)

    async def _search(
        self, access: CrmAccess, sought: str, address: str, until: Deadline
    ) -> dict[str, None]:
        fields = "id,email_addresses,phone_numbers"
        query = {"filter": sought, "fields": fields, "page_size": str(FOUND_PAGE)}
        page = await self._send(access, "GET", CONTACTS, until, Call.SEARCH, query=query)
        with shape():
            held = page["contacts"]
            return {self.id_in(c): None for c in held if person.among(address, _addresses(c))}

    async def notes_marked(
        self,
        access: CrmAccess,
        person_id: str,
        marker: Marker,
        since: datetime,
        deadline: timedelta,
    ) -> Sequence[StoredNote]:
        """Newest first as far back as needed; by time, since people may change a title."""
        until = Deadline(deadline)
        query = {"order_by": "create_time desc", "page_size": str(PAGE)}
        found: dict[str, StoredNote] = {}
        path = f"{self.person_path(person_id)}/notes"
        more = True
        while more:
            page = await self._send(access, "GET", path, until, Call.NOTES, query=query)
            with shape():
                for note in page["notes"]:
                    stored = self.note_in(note)
                    if stored and carries(stored.body, marker):
                        found[stored.id] = stored
                    made = datetime.fromisoformat(note["create_time"])
                    more = made >= since - CLOCK_SKEW
                query["page_token"] = str(page.get("next_page_token") or "")
            more = more and bool(query["page_token"])
        return list(found.values())[::-1]


ADAPTER: Final = Keap


def _number(crm_id: str) -> str:
    if not crm_id.isascii() or not crm_id.isdecimal():
        raise GiveUp("bad_id")
    return crm_id


def _text(body: str) -> Json:
    if len(body.encode()) > NOTE_REFUSED_BYTES:
        raise GiveUp("note_too_large")
    return {"text": body}


def _user(access: CrmAccess) -> str:
    """Whom a note is written as: Keap refuses one without."""
    if access.user_id is None:
        raise GiveUp("no_user")
    return access.user_id


def _addresses(contact: Json) -> list[str]:
    emails = [item["email"] for item in contact.get("email_addresses") or []]
    phones = contact.get("phone_numbers") or []
    return [str(v) for v in (*emails, *(item["number"] for item in phones)) if v]


def _day_ends(response: httpx.Response) -> timedelta:
    at = answered_at(response)
    if at is None:
        return QUOTA_WAIT
    midnight = at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    return min(midnight - at, QUOTA_WAIT)
