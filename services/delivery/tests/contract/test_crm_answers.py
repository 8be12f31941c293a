"""Every CRM: answers that no simulator gives, sorted by status, header and shape."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from common.catalog import CRMS
from delivery.adapters.crm import adapter_of
from delivery.adapters.crm.hubspot.adapter import HubSpot
from delivery.adapters.crm.pipedrive.adapter import Pipedrive
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker
from delivery.ports import CrmAccess, GiveUp, Gone, RetryLater, TokenRejected, UnknownEnd

ACCESS = CrmAccess("token", "https://crm.example", "1", "9", datetime(2026, 11, 22, tzinfo=UTC))
DEADLINE = timedelta(seconds=5)
CREATE = {
    400: GiveUp, 402: RetryLater, 404: Gone, 405: GiveUp, 408: UnknownEnd, 409: RetryLater,
    410: GiveUp, 413: GiveUp, 414: GiveUp, 415: GiveUp, 422: GiveUp, 423: RetryLater,
    425: RetryLater, 429: RetryLater, 477: RetryLater, 302: UnknownEnd, 500: UnknownEnd,
    501: UnknownEnd, 502: UnknownEnd, 503: UnknownEnd, 504: UnknownEnd, 524: UnknownEnd,
    401: TokenRejected,
}  # fmt: skip
BAD_BODIES = [
    b"",
    b"<html>fine</html>",
    b"[]",
    b"null",
    b"{}",
    b"[" * 100_000,
    b"\xff\xfe",
    b'{"id',
    b'{"data":{"id":"../7"},"id":"../7"}',
    b'{"data":null,"id":null}',
    b'{"data":[],"id":[]}',
]


@dataclass(frozen=True)
class Answering:
    """Makes an adapter whose CRM answers what the test says; the person is always there."""

    crm: str
    expected: Any

    @property
    def an_id(self) -> str:
        return str(self.expected.an_id)

    def __call__(
        self,
        status: int,
        body: bytes = b"{}",
        headers: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        def answer(sent: httpx.Request) -> httpx.Response:
            if sent.method == "GET" and sent.url.path == adapter.person_path(self.an_id):
                return httpx.Response(200, json=json.loads(self.expected.person))
            given = {"content-type": content_type, **(headers or {})}
            return httpx.Response(status, headers=given, content=body)

        adapter = adapter_of(self.crm)(httpx.AsyncClient(transport=httpx.MockTransport(answer)))
        return adapter


@pytest.fixture(params=CRMS)
def answering(request: Any, expected_of: Any) -> Answering:
    return Answering(request.param, expected_of(request.param))


@pytest.mark.parametrize(("status", "expected"), CREATE.items())
async def test_a_status_after_a_create_is_sorted(
    answering: Any, make_note: Any, status: Any, expected: Any
) -> None:
    crm = answering(status)
    with pytest.raises(expected) as failed:
        await crm.create_note(ACCESS, answering.an_id, make_note(), DEADLINE)
    assert type(failed.value) is expected
    marked = crm.notes_marked(
        ACCESS, answering.an_id, Marker("w", "1"), ACCESS.expires_at, DEADLINE
    )
    if status == 404 and answering.expected.note_id_is_ours:
        assert await marked == []  # it is read by its id
        return
    with pytest.raises((RetryLater, GiveUp, Gone, TokenRejected)) as failed:
        await marked
    assert not isinstance(failed.value, UnknownEnd)


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422, 429])
async def test_a_gateways_html_is_not_the_crms_word(
    answering: Any, make_note: Any, status: Any
) -> None:
    crm = answering(status, b"<html>blocked</html>", content_type="text/html")
    with pytest.raises(RetryLater) as failed:
        await crm.create_note(ACCESS, answering.an_id, make_note(), DEADLINE)
    assert not isinstance(failed.value, UnknownEnd)
    assert failed.value.reason == f"http_{status}"


@pytest.mark.parametrize("body", BAD_BODIES)
async def test_an_answer_of_another_shape_is_no_answer(
    answering: Any, make_note: Any, body: Any
) -> None:
    crm = answering(200, body)
    with pytest.raises(UnknownEnd) as unknown:
        await crm.create_note(ACCESS, answering.an_id, make_note(), DEADLINE)
    assert unknown.value.reason in ("not_json", "bad_answer")
    with pytest.raises(RetryLater) as failed:
        await crm.find_persons(ACCESS, Contact("c", ("a@example.com",), ()), DEADLINE)
    assert not isinstance(failed.value, UnknownEnd)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2), ("0", 0), (" 7 ", 7), ("1.5", 2), ("86401", 86_400), ("9" * 12, 86_400),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30), ("Sun, 22 Nov 2026 09:00:00 GMT", 0),
        ("Fri, 22 Nov 2030 10:00:00 GMT", 86_400),
        ("-1", None), ("soon", None), ("", None), ("1e3", None), ("9" * 400, None),
        ("\N{DEVANAGARI DIGIT ONE}", None), ("Sun, 99 Nov 2026 10:00:30 GMT", None),
    ],
)  # fmt: skip
async def test_retry_after_is_honoured_up_to_a_day(
    answering: Any, make_note: Any, header: Any, seconds: Any
) -> None:
    headers = {"retry-after": header.encode(), "date": "Sun, 22 Nov 2026 10:00:00 GMT"}
    for status in (429, 503):
        crm = answering(status, headers=headers)
        with pytest.raises(RetryLater) as failed:
            await crm.create_note(ACCESS, answering.an_id, make_note(), DEADLINE)
        wanted = None if seconds is None else timedelta(seconds=seconds)
        if status == 429 and not seconds:
            wanted = crm.rate_limit_wait  # "at once" is no answer to too many requests
        assert failed.value.retry_after == wanted


@pytest.mark.parametrize(("left", "wait"), [("1", 2), ("60", 60), ("junk", 2), ("-5", 2)])
async def test_pipedrives_own_header_says_when_its_window_ends(
    make_note: Any, left: Any, wait: Any
) -> None:
    def answer(sent: httpx.Request) -> httpx.Response:
        return httpx.Response(429, json={"success": False}, headers={"x-ratelimit-reset": left})

    crm = Pipedrive(httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    with pytest.raises(RetryLater) as failed:
        await crm.create_note(ACCESS, "5", make_note(), DEADLINE)
    assert failed.value.retry_after == timedelta(seconds=wait)


async def test_hubspot_batch_that_failed_in_part_is_not_taken_for_nothing() -> None:
    failed = {"status": "COMPLETE", "results": [], "errors": [{"category": "RATE_LIMITS"}]}
    nothing = {"status": "COMPLETE", "results": [], "errors": [{"category": "OBJECT_NOT_FOUND"}]}
    said = {"body": failed}
    transport = httpx.MockTransport(
        lambda _: httpx.Response(207, content=json.dumps(said["body"]).encode())
    )
    crm = HubSpot(httpx.AsyncClient(transport=transport))
    since = ACCESS.expires_at
    with pytest.raises(RetryLater):
        await crm.notes_marked(ACCESS, "5", Marker("w", "1"), since, DEADLINE)
    said["body"] = nothing
    assert await crm.notes_marked(ACCESS, "5", Marker("w", "1"), since, DEADLINE) == []


async def test_an_endless_answer_is_cut(make_note: Any) -> None:
    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                yield b"x" * 1_000_000

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless()))
    crm = Pipedrive(httpx.AsyncClient(transport=transport))
    with pytest.raises(UnknownEnd, match="answer_too_large"):
        await crm.create_note(ACCESS, "5", make_note(), DEADLINE)


async def test_hubspots_pages_of_associations_are_read_to_the_end(make_note: Any) -> None:
    asked = []

    def answer(sent: httpx.Request) -> httpx.Response:
        body = json.loads(sent.content)
        if "associations" in sent.url.path:
            asked.append(body["inputs"][0])
            number = len(asked)
            paging = {"next": {"after": f"page{number + 1}"}} if number < 3 else {}
            to = [{"toObjectId": number, "associationTypes": []}]
            results = [{"from": {"id": "5"}, "to": to, "paging": paging}]
        else:
            properties = {"hs_note_body": make_note().body}
            made = "2026-11-22T10:00:00.123Z"
            results = [
                {"id": given["id"], "properties": properties, "createdAt": made}
                for given in body["inputs"]
            ]
        return httpx.Response(200, json={"status": "COMPLETE", "results": results})

    crm = HubSpot(httpx.AsyncClient(transport=httpx.MockTransport(answer)))
    found = await crm.notes_marked(ACCESS, "5", Marker("wk1", "12"), ACCESS.expires_at, DEADLINE)
    assert [(note.id, note.person_id) for note in found] == [("1", "5"), ("2", "5"), ("3", "5")]
    assert [given.get("after") for given in asked] == [None, "page2", "page3"]


async def test_a_search_that_answers_loosely_is_compared_by_us() -> None:
    near = {"item": {"id": 7, "emails": ["not-ada@example.com"], "phones": ["+49301234567"]}}
    page = {"success": True, "data": {"items": [near]}}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=page))
    crm = Pipedrive(httpx.AsyncClient(transport=transport))
    contact = Contact("c", ("ada@example.com",), ("+4930123456",))
    assert await crm.find_persons(ACCESS, contact, DEADLINE) == []
    same = Contact("c", (), ("+49301234567",))
    assert await crm.find_persons(ACCESS, same, DEADLINE) == ["7"]
