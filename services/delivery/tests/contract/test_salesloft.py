"""What only Salesloft does: a budget of points, filters that are ignored, a CRM behind it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from delivery.adapters.crm.salesloft import Salesloft
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker
from delivery.ports import CrmAccess, RetryLater

ACCESS = CrmAccess("token", "https://crm.example", "7", "9", datetime(2026, 11, 22, tzinfo=UTC))
DEADLINE = timedelta(seconds=5)
MARKER = Marker("wk1", "12")


@pytest.fixture
async def salesloft(subject_of: Any) -> Any:
    return await subject_of("salesloft")


def answering(answer: Any) -> Salesloft:
    return Salesloft(httpx.AsyncClient(transport=httpx.MockTransport(answer)))


def listed(records: list[Any], next_page: int | None = None) -> httpx.Response:
    paging = {"per_page": 50, "current_page": 1, "next_page": next_page, "prev_page": None}
    return httpx.Response(200, json={"data": records, "metadata": {"paging": paging}})


async def test_points_that_are_used_up_are_back_within_a_minute(salesloft: Any) -> None:
    limits = {"points_per_minute": 2}
    salesloft.control.change_account("salesloft", salesloft.account, limits=limits)
    with pytest.raises(RetryLater) as limited:
        await salesloft.find(*(f"ada{number}@example.com" for number in range(5)))
    assert limited.value.retry_after == timedelta(minutes=1)


async def test_an_ignored_filter_finds_no_strangers() -> None:
    everybody = [
        {"id": 1, "email_address": "bob@example.com"},
        {"id": 2, "email_address": None, "secondary_email_address": "not-ada@example.com"},
    ]
    crm = answering(lambda _: listed(everybody))
    assert await crm.find_persons(ACCESS, Contact("c", ("ada@example.com",), ()), DEADLINE) == []


async def test_a_phone_alone_asks_nothing() -> None:
    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError("no call was expected")

    contact = Contact("c", (), ("+4930123456",))
    assert await answering(never).find_persons(ACCESS, contact, DEADLINE) == []


async def test_our_note_is_not_carried_over_to_the_crm_behind_salesloft(make_note: Any) -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"data": {"id": 1}})

    await answering(answer).create_note(ACCESS, "5", make_note(html=False), DEADLINE)
    assert sent[0]["skip_crm_sync"] is True
    assert (sent[0]["associated_with_type"], sent[0]["associated_with_id"]) == ("person", 5)


async def test_notes_are_listed_newest_first_and_no_further_back_than_needed(
    make_note: Any,
) -> None:
    body, asked = make_note(html=False).body, []

    def answer(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        asked.append(query["page"])
        assert (query["sort_by"], query["sort_direction"]) == ("created_at", "DESC")
        at = f"2026-11-{22 - len(asked)}T10:00:00.000000-00:00"
        return listed([{"id": 90 - len(asked), "content": body, "created_at": at}], len(asked) + 1)

    since = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
    found = await answering(answer).notes_marked(ACCESS, "5", MARKER, since, DEADLINE)
    # The clocks may differ, so the one at 10:00 counts; the one of the day before ends it.
    assert [note.id for note in found] == ["88", "89"]
    assert asked == ["1", "2", "3"]
