"""Intercom: answers that the simulator does not give, sorted by status, header and shape."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from delivery.adapters.intercom import Intercom
from delivery.ports import (
    GiveUp,
    Gone,
    IntercomAccess,
    RetryLater,
    TokenRejected,
    UnknownEnd,
)

ACCESS = IntercomAccess("token", "https://api.example", "https://app.example", "wk1")
DATE = "Sun, 22 Nov 2026 10:00:00 GMT"
RESET = int(datetime(2026, 11, 22, 10, 0, 7, tzinfo=UTC).timestamp())
MINIMAL = {"id": "12", "created_at": 1795000000, "source": {"body": "Hi"}}


def intercom(status: Any = 200, json: Any = None, headers: Any = None, content: Any = None) -> Any:
    def answer(sent: httpx.Request) -> httpx.Response:
        given = {"date": DATE, **(headers or {})}
        return httpx.Response(status, json=json, headers=given, content=content)

    return Intercom(httpx.AsyncClient(transport=httpx.MockTransport(answer)))


def read(client: Any) -> Any:
    return client.conversation(ACCESS, "12", timedelta(seconds=5))


def errors(code: Any) -> Any:
    return {"type": "error.list", "errors": [{"code": code, "message": "canary"}]}


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (401, "unauthorized", TokenRejected),
        (401, "token_expired", TokenRejected),
        (401, "token_revoked", TokenRejected),
        (403, "token_blocked", TokenRejected),
        (401, "token_suspended", TokenRejected),
        (403, "token_not_found", TokenRejected),
        (403, "api_plan_restricted", GiveUp),
        (400, "parameter_invalid", GiveUp),
        (404, "not_found", Gone),
        (408, "timeout", RetryLater),
        (409, "conflict", RetryLater),
        (422, "unprocessable", GiveUp),
        (500, "server_error", RetryLater),
        (503, "service_unavailable", RetryLater),
        (302, "moved", RetryLater),
    ],
)
async def test_a_refusal_is_sorted_and_says_no_word_of_intercoms(
    status: Any, code: Any, expected: Any
) -> None:
    with pytest.raises(expected) as failed:
        await read(intercom(status, errors(code)))
    assert type(failed.value) is expected
    assert "canary" not in repr(failed.value)


@pytest.mark.parametrize("status", [403, 404])
async def test_a_gateways_html_is_not_intercoms_word(status: Any) -> None:
    html = {"content-type": "text/html"}
    with pytest.raises(RetryLater):
        await read(intercom(status, content=b"<html>", headers=html))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-reset": str(RESET)}, 8),
        ({"x-ratelimit-reset": str(RESET - 60)}, 1),
        ({"x-ratelimit-reset": "9" * 11}, 86_401),
        ({"x-ratelimit-reset": "junk"}, 10),
        ({"retry-after": "3"}, 3),
        ({}, 10),
    ],
)
async def test_a_rate_limit_ends_when_the_header_says(headers: Any, seconds: Any) -> None:
    with pytest.raises(RetryLater) as limited:
        await read(intercom(429, errors("rate_limit_exceeded"), headers))
    assert limited.value.retry_after == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>ok</html>", b"[]", b"{}", b"[" * 100_000, b'{"id": "12"}',
     b'{"id": "12", "source": 7}',
     b'{"id": "12", "conversation_parts": {"conversation_parts": [7]}}',
     b'{"id": "12", "created_at": 1e99, "source": {"body": "x"}}',
     b'{"id": "12", "created_at": "soon", "source": {"body": "x"}}'],
)  # fmt: skip
async def test_an_answer_of_another_shape_is_no_answer(content: Any) -> None:
    if content == b'{"id": "12"}':
        assert (await read(intercom(content=content))).messages == ()
        return
    with pytest.raises(RetryLater) as failed:
        await read(intercom(content=content))
    assert not isinstance(failed.value, UnknownEnd)


@pytest.mark.parametrize("date", ["", "yesterday"])
async def test_without_its_time_nothing_can_be_judged(date: Any) -> None:
    with pytest.raises(RetryLater, match="no_date"):
        await read(intercom(json=MINIMAL, headers={"date": date}))


@pytest.mark.parametrize("nobody", [None, 0, "0", ""])
async def test_nobody_is_assigned_however_it_is_written(nobody: Any) -> None:
    given = {**MINIMAL, "admin_assignee_id": nobody, "team_assignee_id": nobody}
    conversation = await read(intercom(json=given))
    assert (conversation.assignee_id, conversation.team_assigned) == (None, False)


@pytest.mark.parametrize("raw", [5001, "5001"])
async def test_an_assignee_is_a_string_however_it_is_written(raw: Any) -> None:
    conversation = await read(intercom(json={**MINIMAL, "admin_assignee_id": raw}))
    assert conversation.assignee_id == "5001"


async def test_the_version_is_pinned_and_the_text_plain() -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json=MINIMAL, headers={"date": DATE})

    await read(Intercom(httpx.AsyncClient(transport=httpx.MockTransport(answer))))
    assert sent[0].url == "https://api.example/conversations/12?display_as=plaintext"
    assert sent[0].headers["intercom-version"] == "2.14"
    assert sent[0].headers["authorization"] == "Bearer token"
