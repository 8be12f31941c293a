"""One call to another system: sent within a deadline, its failure sorted into ports' classes."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
from common import http
from common.http import Answer

from delivery.domain.backoff import RETRY_AFTER_MAX
from delivery.ports import GiveUp, RetryLater, UnknownEnd

_SECONDS: Final = re.compile(r"\s*([0-9]{1,12})(\.[0-9]+)?\s*")
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class Deadline:
    """One end for all the requests that a call of ours needs."""

    def __init__(self, span: timedelta) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends = self._loop.time() + span.total_seconds()

    def put_off(self, wait: timedelta) -> None:
        """Waiting for one's turn is not the other side's slowness."""
        self._ends += wait.total_seconds()

    def left(self) -> timedelta:
        """What is left of it; raises RetryLater where nothing is."""
        left = self._ends - self._loop.time()
        if left <= 0:
            raise RetryLater("timeout")
        return timedelta(seconds=left)


async def answer(
    calls: http.Calls,
    method: str,
    url: str,
    deadline: Deadline,
    *,
    headers: Mapping[str, str],
    query: Mapping[str, str] | None = None,
    body: object = None,
    write: bool,
    max_bytes: int = http.ANSWER_MAX_BYTES,
) -> Answer:
    """The whole answer, whatever its status.

    Raises:
        RetryLater: no answer, and the request had no effect.
        UnknownEnd: no answer, and the write may have had its effect.

    """
    try:
        return await calls.call(
            method,
            url,
            deadline.left(),
            headers=headers,
            query=query,
            body=body,
            max_bytes=max_bytes,
        )
    except httpx.ConnectError:
        raise RetryLater("connect_failed") from None  # nothing was sent
    except TimeoutError:
        raise unanswered("timeout", write=write) from None
    except http.AnswerTooLarge:
        raise unanswered("answer_too_large", write=write) from None
    except (httpx.HTTPError, httpx.StreamError, OSError):
        raise unanswered("cut_off", write=write) from None


def unanswered(reason: str, *, write: bool, retry_after: timedelta | None = None) -> RetryLater:
    """After a write nobody knows its end; a read just did not succeed."""
    return (UnknownEnd if write else RetryLater)(reason, retry_after)


def json_object(response: Answer, *, write: bool) -> dict[str, Any]:
    """The answer as a JSON object; anything else, such as a gateway's HTML, is no answer."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        raise unanswered("not_json", write=write) from None
    if not isinstance(body, dict):
        raise unanswered("bad_answer", write=write)
    return body


@contextmanager
def shape(*, write: bool = False) -> Iterator[None]:
    """Reads an answer's fields: one that is not shaped as the vendor says is no answer."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        raise unanswered("bad_answer", write=write) from None


def error_body(response: Answer) -> dict[str, Any]:
    """What a refusal says, for codes in it; `{}` where it says nothing in JSON."""
    try:
        return json_object(response, write=False)
    except RetryLater:
        return {}


def is_json(response: Answer) -> bool:
    return "json" in response.headers.get("content-type", "").lower()


def record_id(raw: object) -> str:
    """An id out of an answer; ValueError where it is none."""
    if isinstance(raw, bool) or not isinstance(raw, str | int) or not _ID.fullmatch(str(raw)):
        raise ValueError("not an id")
    return str(raw)


def number(crm_id: str) -> int:
    """An id of ours as the number that a CRM counts its records by."""
    if not crm_id.isascii() or not crm_id.isdecimal():
        raise GiveUp("bad_id")
    return int(crm_id)


def answered_at(response: Answer) -> datetime | None:
    """The other side's own time, from its Date header."""
    return _http_date(response.headers.get("date", ""))


def retry_after(response: Answer) -> timedelta | None:
    """What Retry-After asks for, in seconds or as a date, at most a day; None: nothing usable."""
    raw = response.headers.get("retry-after", "")
    seconds = _SECONDS.fullmatch(raw)
    if seconds:
        # A fraction counts as a whole second: never before the time.
        return capped(timedelta(seconds=min(int(seconds[1]) + bool(seconds[2]), 10**9)))
    at, now = _http_date(raw), answered_at(response)
    return capped(at - now) if at and now else None


def whole_number(response: Answer, header: str) -> int | None:
    """A header that is one; None: missing, or anything else."""
    raw = response.headers.get(header, "").strip()
    return int(raw) if raw.isascii() and raw.isdecimal() and len(raw) < 10 else None


def capped(wait: timedelta) -> timedelta:
    return min(max(wait, timedelta(0)), RETRY_AFTER_MAX)


def _http_date(raw: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(raw)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
