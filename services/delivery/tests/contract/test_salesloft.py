"""What only Salesloft does: a budget of points, filters that are ignored, a CRM behind it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from common.http import Answer
from delivery.adapters.crm.salesloft.adapter import Salesloft
from delivery.domain.action import Action, NewPerson, NewTask, Who
from delivery.domain.conversation import Contact
from delivery.domain.note import ActionMarker, Marker
from delivery.ports import CrmAccess, RetryLater, UnknownEnd

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


def test_few_points_left_are_left_to_others_until_the_minute_ends() -> None:
    """Whatever is left is shared with the team's other integrations."""
    crm = answering(lambda _: httpx.Response(500))
    headers = {"x-ratelimit-remaining-minute": "17", "date": "Sun, 22 Nov 2026 10:00:40 GMT"}
    [told] = crm.told(Answer(200, httpx.Headers(headers), b""))
    assert (told.limit, told.remaining, told.resets_in) == ("points", 17, timedelta(seconds=20))
    del headers["date"]
    assert crm.told(Answer(200, httpx.Headers(headers), b""))[0].resets_in == timedelta(minutes=1)
    assert crm.told(Answer(200, httpx.Headers(), b"")) == ()


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


async def test_an_address_that_is_taken_is_looked_for_again_later() -> None:
    """Its person may be out of our user's sight, so nobody is found and none can be made."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return listed([])
        return httpx.Response(422, json={"errors": {"email_address": ["is already taken"]}})

    marker = ActionMarker("wk1", "12", action_id="a1")
    asked = Action(marker, NewPerson(Who("Ada", "ada@example.com")), ACCESS.expires_at)
    with pytest.raises(RetryLater) as taken:
        await answering(answer).act(ACCESS, asked, DEADLINE)
    assert not isinstance(taken.value, UnknownEnd)
    assert taken.value.reason == "http_422"


async def test_a_task_is_made_once_by_its_key_however_often_it_is_asked_for(salesloft: Any) -> None:
    ada = salesloft.add_person(email="ada@example.com")
    due = datetime(2026, 12, 24, 23, 30, tzinfo=UTC)
    marker = ActionMarker("wk1", "12", action_id="a1")
    asked = Action(marker, NewTask(ada, "Call", due), ACCESS.expires_at)
    made = {(await salesloft.crm.act(salesloft.access, asked, DEADLINE)).id for _ in range(3)}
    [task] = salesloft.control.activities("salesloft", salesloft.account)
    assert made == {task["id"]}
    assert (task["due_date"], task["type"]) == ("2026-12-24", "general")


async def test_a_note_stays_the_connections_whoever_is_assigned(
    salesloft: Any, make_note: Any
) -> None:
    """Its author can be chosen by team admins only, and proves that the note is ours."""
    ada = salesloft.add_person(email="ada@example.com")
    note = replace(make_note(html=False), owner_id="77")
    note_id = await salesloft.create(ada, note)
    stored = await salesloft.crm.note(salesloft.access, note_id, DEADLINE)
    assert stored.author_id == salesloft.access.user_id
