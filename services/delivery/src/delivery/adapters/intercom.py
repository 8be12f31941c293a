"""Intercom: a conversation with its parts, and the contact behind it. Nothing is ever written.

Source: Intercom's REST API 2.14 (conversations, contacts, error codes, rate limiting), read from
its pages and its OpenAPI description at 8889625a on 2026-11-22.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import httpx
from common.http import Answer, Caller, Calls, Through
from common.updates import (
    INTERNAL_PART_TYPES,
    OPENING_PART_ID,
    SENT_BY_MACHINES,
    Update,
    part_id,
    update_of_opening,
    update_of_part,
)

from delivery.adapters.calls import (
    Deadline,
    answer,
    answered_at,
    capped,
    error_body,
    is_json,
    json_object,
    record_id,
    retry_after,
    shape,
)
from delivery.adapters.guard import Guard, Unguarded
from delivery.domain import person
from delivery.domain.conversation import Contact, Conversation, Message
from delivery.domain.rates import Call
from delivery.ports import (
    GiveUp,
    Gone,
    IntercomAccess,
    RetryLater,
    TokenRejected,
)

VERSION: Final = "2.14"
# Confirmed by use only: seen in many public repositories, on no page of Intercom's.
LINK: Final = "{link_base}/a/inbox/{workspace_id}/inbox/conversation/{conversation_id}"
# Codes of a refused token (some come with a 403). However dead this one is, settings may hold the
# newer one of a workspace that was connected again, so it is always asked once more.
REFUSED_TOKEN: Final = frozenset(
    {"unauthorized", "token_revoked", "token_blocked", "token_suspended"}
    | {"token_not_found", "token_unauthorized", "token_expired"}
)
DEFAULT_RATE_LIMIT_WAIT: Final = timedelta(seconds=10)  # the limit is dealt out in 10 s windows
MAX_BYTES: Final = 64 * 1024 * 1024  # 500 parts; a message can be long, an answer not endless


def conversation_link(access: IntercomAccess, conversation_id: str) -> str:
    return LINK.format(
        link_base=access.link_base.rstrip("/"),
        workspace_id=quote(access.workspace_id, safe=""),
        conversation_id=quote(conversation_id, safe=""),
    )


class Intercom:
    """Reads conversations and contacts; implements IntercomPort."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        self._calls: Calls = Through(client) if client else Caller()
        self.guard: Guard = Unguarded()

    async def aclose(self) -> None:
        await self._calls.aclose()

    async def conversation(
        self, access: IntercomAccess, conversation_id: str, deadline: timedelta
    ) -> Conversation:
        # As plain text: no HTML of customers is ever parsed here.
        response = await self._get(
            access,
            f"/conversations/{quote(conversation_id, safe='')}",
            deadline,
            {"display_as": "plaintext"},
        )
        read_at = answered_at(response)
        if read_at is None:
            raise RetryLater("no_date")  # quiet is judged by Intercom's own clock, or not at all
        body = json_object(response, write=False)
        with shape():
            return _conversation(access.workspace_id, body, read_at)

    async def contact(
        self, access: IntercomAccess, contact_id: str, deadline: timedelta
    ) -> Contact:
        path = f"/contacts/{quote(contact_id, safe='')}"
        body = json_object(await self._get(access, path, deadline, {}), write=False)
        with shape():
            return person.contact(
                record_id(body["id"]), _strings(body.get("email")), _strings(body.get("phone"))
            )

    async def teammate_email(
        self, access: IntercomAccess, teammate_id: str, deadline: timedelta
    ) -> str | None:
        path = f"/admins/{quote(teammate_id, safe='')}"
        body = json_object(await self._get(access, path, deadline, {}), write=False)
        with shape():
            return str(body["email"]).strip().casefold() or None if body.get("email") else None

    async def _get(
        self, access: IntercomAccess, path: str, deadline: timedelta, query: Mapping[str, str]
    ) -> Answer:
        until = Deadline(deadline)
        turn = await self.guard.admit(access.whose, Call.OTHER, until)
        try:
            response = await answer(
                self._calls,
                "GET",
                f"{access.api_base.rstrip('/')}{path}",
                until,
                headers={
                    "Authorization": f"Bearer {access.access_token}",
                    "Accept": "application/json",
                    "Intercom-Version": VERSION,
                },
                query=query,
                write=False,
                max_bytes=MAX_BYTES,
            )
            if response.status_code != httpx.codes.OK:
                raise _failure(response)
        except BaseException as error:
            self.guard.answered(turn, error)
            raise
        self.guard.answered(turn, None)
        return response


def _failure(response: Answer) -> Exception:
    status = response.status_code
    code = f"http_{status}"
    if status == 401 or (status == 403 and _error_codes(response) & REFUSED_TOKEN):
        return TokenRejected(code)
    if status == 403:
        # A gateway refuses in HTML, Intercom in JSON (`forbidden`, `api_plan_restricted`).
        return GiveUp(code) if is_json(response) else RetryLater(code)
    if status == 404:
        return Gone(code) if is_json(response) else RetryLater(code)
    if status == 429:
        return RetryLater(code, _reset(response) or DEFAULT_RATE_LIMIT_WAIT)
    if status in (408, 409, 425) or not 400 <= status < 500:
        return RetryLater(code, retry_after(response))
    return GiveUp(code)


def _reset(response: Answer) -> timedelta | None:
    """X-RateLimit-Reset is in Unix seconds; a Retry-After, though not documented, is honoured."""
    at, now = response.headers.get("x-ratelimit-reset", ""), answered_at(response)
    if at.isdecimal() and len(at) < 12 and now:
        # A reset of this very second is still ahead: the Date header is cut to whole seconds.
        return capped(datetime.fromtimestamp(int(at), UTC) - now) + timedelta(seconds=1)
    return retry_after(response)


def _error_codes(response: Answer) -> frozenset[str]:
    errors = error_body(response).get("errors")
    listed = errors if isinstance(errors, list) else []
    return frozenset(str(e.get("code")) for e in listed if isinstance(e, dict))


def _conversation(workspace_id: str, body: Mapping[str, Any], read_at: datetime) -> Conversation:
    source = body.get("source") or {}
    listed = body.get("conversation_parts") or {}
    parts = listed.get("conversation_parts") or []
    opening = [_opening(body, source)] if _says_something(source) else []
    replies = [_part(part) for part in parts if _is_message(part)]
    total = listed.get("total_count")
    return Conversation(
        workspace_id=workspace_id,
        id=record_id(body["id"]),
        channel=str(source.get("type") or ""),
        messages=(*opening, *sorted(replies, key=lambda reply: (reply.sent_at, reply.part_id))),
        # Intercom hands out the newest 500 parts; its count tells of the others, events included.
        omitted=0 if total is None else max(0, int(total) - len(parts)),
        assignee_id=_assignee(body, source),
        team_assigned=_assigned(body.get("team_assignee_id")) is not None,
        contact_ids=_contacts(body, source),
        read_at=read_at,
    )


def _opening(body: Mapping[str, Any], source: Mapping[str, Any]) -> Message:
    by_machine = source.get("delivered_as") in SENT_BY_MACHINES
    return _message(
        source, OPENING_PART_ID, body["created_at"], update_of_opening(body), by_machine=by_machine
    )


def _part(part: Mapping[str, Any]) -> Message:
    return _message(part, part_id(part.get("id")), part["created_at"], update_of_part(part))


def _message(
    said: Mapping[str, Any],
    number: int,
    created_at: int,
    update: Update | None,
    *,
    by_machine: bool = False,
) -> Message:
    author = said.get("author") or {}
    kind = str(author.get("type") or "")
    if author.get("from_ai_agent") or author.get("is_ai_answer"):
        kind = "bot"
    if by_machine and kind in person.TEAMMATES:
        kind = "bot"  # a campaign or workflow that goes out in a teammate's name
    redacted = bool(said.get("redacted"))
    return Message(
        part_id=number,
        sent_at=datetime.fromtimestamp(int(created_at), UTC),
        author_kind=kind,
        author_name=person.display_name(author.get("name"), kind),
        text="" if redacted else str(said.get("body") or ""),
        attachments=() if redacted else tuple(map(_file_name, said.get("attachments") or ())),
        redacted=redacted,
        update=update,
    )


def _is_message(part: Mapping[str, Any]) -> bool:
    return part.get("part_type") not in INTERNAL_PART_TYPES and _says_something(part)


def _says_something(said: Mapping[str, Any]) -> bool:
    return bool(said.get("body") or said.get("attachments") or said.get("redacted"))


def _file_name(attachment: Mapping[str, Any]) -> str:
    # Its address may be signed and short-lived, so only the name is worth keeping.
    return str(attachment.get("name") or "file")


def _assignee(body: Mapping[str, Any], source: Mapping[str, Any]) -> str | None:
    """R8: the teammate assigned; of a direct message that nobody was assigned yet, its sender."""
    assigned = _assigned(body.get("admin_assignee_id"))
    if assigned or _assigned(body.get("team_assignee_id")):
        return assigned
    author = source.get("author") or {}
    direct = source.get("delivered_as") == "admin_initiated" and author.get("type") == "admin"
    return _assigned(author.get("id")) if direct else None


def _assigned(raw: object) -> str | None:
    """A number, a string in older versions; null or 0 where nobody is assigned."""
    return None if raw in (None, "", 0, "0") else record_id(raw)


def _contacts(body: Mapping[str, Any], source: Mapping[str, Any]) -> tuple[str, ...]:
    """R4: the customer who wrote the opening message first, then the others as they are listed."""
    author = source.get("author") or {}
    opener = [author.get("id")] if author.get("type") in person.CUSTOMERS else []
    listed = [contact.get("id") for contact in (body.get("contacts") or {}).get("contacts") or []]
    ids = [record_id(raw) for raw in (*opener, *listed) if raw]
    return tuple(dict.fromkeys(ids))


def _strings(value: object) -> Sequence[str]:
    return [value] if isinstance(value, str) else []
