"""What every CRM over HTTP has in common: the calls, and failures sorted into ports' classes.

A CRM's own file says where its records are, how they look, and what it does differently.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

import httpx
from common.catalog import ActionKind
from common.http import Answer, Caller, Calls, Through

from delivery.adapters.calls import (
    Deadline,
    answer,
    is_json,
    json_object,
    retry_after,
    shape,
    unanswered,
)
from delivery.adapters.guard import Guard, Unguarded
from delivery.domain.note import Note, StoredNote
from delivery.domain.rates import Call, RateLimit, Told
from delivery.ports import CrmAccess, GiveUp, Gone, PersonState, RetryLater, TokenRejected

Json = dict[str, Any]
# Refused before anything was done, and not for good: not paid, in conflict with somebody else's
# change of this moment, locked, too early, too many, account being moved (477, HubSpot's).
PASSING: Final = frozenset({402, 409, 423, 425, 477})
# How far a CRM's clock may be from ours when notes are listed by time.
CLOCK_SKEW: Final = timedelta(minutes=10)


class HttpCrm(ABC):
    """The base of the adapters; a call has one deadline over all the requests it needs."""

    name: str
    html = True
    note_max_chars: int
    note_max_bytes: int | None = None
    visible_after: timedelta
    has_activity = False
    actions: ClassVar[frozenset[ActionKind]] = (
        frozenset()
    )  # those of `ActingCrm`s, as the catalog says
    note_id_is_ours = False
    limits: ClassVar[tuple[RateLimit, ...]]  # the one that a plain 429 is taken for comes first
    rate_limit_wait: timedelta  # after a 429 that says nothing about when
    person_query: ClassVar[Mapping[str, str]] = {}  # what reading one asks for
    note_query: ClassVar[Mapping[str, str]] = {}
    headers: ClassVar[Mapping[str, str]] = {}  # what each request carries besides the token
    read_headers: ClassVar[Mapping[str, str]] = {}  # and each GET

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._calls: Calls = Through(client) if client else Caller()
        self.guard: Guard = Unguarded()

    async def aclose(self) -> None:
        await self._calls.aclose()

    # What the CRM's file says.

    @abstractmethod
    def person_path(self, person_id: str) -> str: ...

    @abstractmethod
    def person_in(self, found: Json) -> PersonState | None:
        """None: deleted."""

    @abstractmethod
    def note_path(self, note_id: str) -> str: ...

    @abstractmethod
    def note_in(self, found: Json) -> StoredNote | None:
        """None: deleted."""

    @abstractmethod
    def id_in(self, made: Json) -> str: ...

    @abstractmethod
    def new_note(self, person_id: str, note: Note) -> tuple[str, Json]:
        """Path and body of the request that creates it."""

    @abstractmethod
    def changed_note(self, note_id: str, body: str, note: Note) -> tuple[str, Json]:
        """Method and body of the request that changes it."""

    def forbidden(self, response: Answer) -> Exception:
        """What the CRM's own 403 means; refused for good where it does not say."""
        return GiveUp(f"http_{response.status_code}")

    def window_ends(self, response: Answer) -> timedelta:
        """How long a 429 without Retry-After is waited out, by the vendor's own headers."""
        return self.rate_limit_wait

    def limit_hit(self, response: Answer) -> str:
        """The name of the limit that a 429 is about."""
        return self.limits[0].name

    def told(self, response: Answer) -> Sequence[Told]:
        """What an answer's headers say about our limits, whatever its status."""
        return ()

    # The calls.

    async def reserve(self, access: CrmAccess, call: Call) -> None:
        """Have the permit of a write in hand before it is prepared. Raises Paused."""
        await self.guard.reserve(access.whose, call)

    async def person(
        self, access: CrmAccess, person_id: str, deadline: timedelta
    ) -> PersonState | None:
        path = self.person_path(person_id)
        found = await self._find(access, path, deadline, Call.PERSON, self.person_query)
        with shape():
            return None if found is None else self.person_in(found)

    async def create_note(
        self, access: CrmAccess, person_id: str, note: Note, deadline: timedelta
    ) -> str:
        path, body = self.new_note(person_id, note)
        return await self._create_for(access, person_id, path, body, deadline, Call.CREATE_NOTE)

    async def note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> StoredNote | None:
        path = self.note_path(note_id)
        found = await self._find(access, path, deadline, Call.NOTE, self.note_query)
        with shape():
            return None if found is None else self.note_in(found)

    async def update_note(
        self, access: CrmAccess, note_id: str, body: str, note: Note, deadline: timedelta
    ) -> None:
        method, change = self.changed_note(note_id, body, note)
        path = self.note_path(note_id)
        made = await self._send(
            access, method, path, Deadline(deadline), Call.UPDATE_NOTE, change, write=True
        )
        with shape(write=True):
            deleted = bool(made) and self.note_in(made) is None
        if deleted:
            raise Gone("note")

    async def delete_note(self, access: CrmAccess, note_id: str, deadline: timedelta) -> None:
        await self._delete(access, self.note_path(note_id), deadline, Call.DELETE_NOTE)

    async def _find(
        self,
        access: CrmAccess,
        path: str,
        deadline: timedelta,
        call: Call,
        query: Mapping[str, str] | None = None,
    ) -> Json | None:
        """One record by its id; None where there is none."""
        try:
            return await self._send(access, "GET", path, Deadline(deadline), call, query=query)
        except Gone:
            return None

    async def _create_for(
        self,
        access: CrmAccess,
        person_id: str,
        path: str,
        body: Json,
        deadline: timedelta,
        call: Call,
    ) -> str:
        """Raises Gone where the person no longer exists.

        How a CRM refuses then is mostly not documented, so every refusal is looked into.
        """
        until = Deadline(deadline)
        try:
            made = await self._send(access, "POST", path, until, call, body, write=True)
        except GiveUp:
            if await self.person(access, person_id, until.left()) is None:
                raise Gone("person") from None
            raise
        with shape(write=True):
            return self.id_in(made)

    async def _delete(self, access: CrmAccess, path: str, deadline: timedelta, call: Call) -> None:
        """What is gone already is as good as deleted."""
        with suppress(Gone):
            await self._send(access, "DELETE", path, Deadline(deadline), call, write=True)

    async def _send(
        self,
        access: CrmAccess,
        method: str,
        path: str,
        until: Deadline,
        call: Call,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        *,
        write: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """The body of a success, `{}` where it has none; else raises, codes only, no words."""
        turn = await self.guard.admit(access.whose, call, until)
        try:
            response = await answer(
                self._calls,
                method,
                f"{access.api_base.rstrip('/')}{path}",
                until,
                headers={
                    "Authorization": f"Bearer {access.access_token}",
                    "Accept": "application/json",
                    **self.headers,
                    **(self.read_headers if method == "GET" else {}),
                    **(headers or {}),
                },
                query=query,
                body=body,
                write=write,
            )
            self.guard.told(access.whose, self.told(response))
            if not 200 <= response.status_code < 300:
                raise self._failure(access, response, write=write)
            found = {} if response.status_code == 204 else json_object(response, write=write)
        except BaseException as error:
            self.guard.answered(turn, error)
            raise
        self.guard.answered(turn, None)
        return found

    def _failure(self, access: CrmAccess, response: Answer, *, write: bool) -> Exception:
        status = response.status_code
        code = f"http_{status}"
        if status == 401:
            return TokenRejected(code)
        if status == 408 or not 400 <= status < 500:
            return unanswered(code, write=write, retry_after=retry_after(response))
        if status == 429:  # a Retry-After of 0 counts as none: it must not hammer
            wait = retry_after(response) or self.window_ends(response)
            hit = Told(self.limit_hit(response), remaining=0, resets_in=wait)
            self.guard.told(access.whose, [hit])
            return RetryLater(code, wait)
        if status in PASSING or not is_json(response):
            # What is not JSON is not the CRM's word but a gateway's: it let nothing through.
            return RetryLater(code, retry_after(response))
        if status == 403:
            return self.forbidden(response)
        return Gone(code) if status == 404 else GiveUp(code)


def utc_iso(at: datetime) -> str:
    """`2026-11-22T10:15:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
