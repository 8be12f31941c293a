"""What only Keap does: limits of three kinds, notes below their contact, one filter for all."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from common.http import Answer
from delivery.adapters.crm.keap.adapter import PLACES_MAX, Keap
from delivery.domain.conversation import Contact
from delivery.domain.note import Marker
from delivery.ports import CrmAccess, GiveUp, Gone, RetryLater

ACCESS = CrmAccess("token", "https://crm.example", "ab12", "9", datetime(2026, 11, 22, tzinfo=UTC))
DEADLINE = timedelta(seconds=5)
MARKER = Marker("wk1", "12")


@pytest.fixture
async def keap(subject_of: Any) -> Any:
    return await subject_of("keap")


def answering(answer: Any) -> Keap:
    return Keap(httpx.AsyncClient(transport=httpx.MockTransport(answer)))


async def refused(keap: Any, **limits: int) -> timedelta:
    """How long to wait once these limits are reached."""
    keap.control.change_account("keap", keap.account, limits=limits)
    with pytest.raises(RetryLater) as limited:
        await keap.find(*(f"ada{number}@example.com" for number in range(5)))
    assert limited.value.reason == "http_429"
    return limited.value.retry_after or timedelta(0)


async def test_a_spike_a_minute_and_a_day_are_waited_out_differently(keap: Any) -> None:
    roomy = dict(keap.expected.account["limits"])
    assert await refused(keap, **{**roomy, "product_per_second": 2}) == timedelta(seconds=1)
    assert await refused(keap, **{**roomy, "product_per_minute": 2}) == timedelta(minutes=1)
    assert await refused(keap, **{**roomy, "tenant_per_minute": 2}) == timedelta(minutes=1)
    for day in ("product_per_day", "tenant_per_day"):
        wait = await refused(keap, **{**roomy, day: 2})
        # At most an hour, and never past midnight in UTC.
        assert timedelta(0) < wait <= timedelta(hours=1)
        roomy[day] = 1_000_000


async def test_the_wait_for_the_next_day_ends_at_midnight(make_note: Any) -> None:
    headers = {"x-keap-product-quota-available": "0"}
    for date, wait in (("23:59:30", 30), ("12:00:00", 3600), (None, 3600)):
        said = {"date": f"Sun, 22 Nov 2026 {date} GMT"} if date else {}
        crm = answering(lambda _, said=said: httpx.Response(429, headers=headers | said))
        with pytest.raises(RetryLater) as limited:
            await crm.create_note(ACCESS, "5", make_note(html=False), DEADLINE)
        assert limited.value.retry_after == timedelta(seconds=wait)


def test_what_is_left_holds_nothing_back_before_it_is_nothing() -> None:
    crm = answering(lambda _: httpx.Response(500))
    headers = {
        "x-keap-product-quota-available": "0",
        "x-keap-product-throttle-available": "3",
        "x-keap-tenant-throttle-available": "0|7",
        "date": "Sun, 22 Nov 2026 23:30:00 GMT",
    }
    told = {
        said.limit: (said.remaining, said.resets_in)
        for said in crm.told(Answer(200, httpx.Headers(headers), b""))
    }
    assert told == {
        "day": (0, timedelta(minutes=30)),
        "account_day": (7, None),
        "minute": (3, None),
        "account": (0, timedelta(minutes=1)),
    }


@pytest.mark.parametrize("left", ["", "|", "x|y", "10000", "٣|٣"])
async def test_headers_that_say_nothing_are_a_minute(make_note: Any, left: str) -> None:
    headers = [(b"x-keap-tenant-throttle-available", left.encode())]
    crm = answering(lambda _: httpx.Response(429, headers=headers))
    with pytest.raises(RetryLater) as limited:
        await crm.create_note(ACCESS, "5", make_note(html=False), DEADLINE)
    assert limited.value.retry_after == timedelta(minutes=1)


async def test_a_note_that_a_merge_moved_is_still_ours_to_change_and_delete(
    keap: Any, make_note: Any
) -> None:
    old = keap.add_person(email="old@example.com")
    left = keap.add_person(email="ada@example.com")
    note = make_note(html=False)
    note_id = await keap.create(old, note)
    keap.control.merge_persons("keap", keap.account, old, left)
    assert (await keap.crm.note(keap.access, note_id, DEADLINE)).person_id == left
    assert await keap.marked(left, MARKER) == [note_id]
    await keap.crm.update_note(keap.access, note_id, f"{note.body}\nMine", note, DEADLINE)
    assert keap.notes()[0]["body"].endswith("Mine")
    await keap.crm.delete_note(keap.access, note_id, DEADLINE)
    assert keap.notes() == []


async def test_a_note_that_moves_between_our_look_and_the_change_is_found_again(
    keap: Any, make_note: Any
) -> None:
    note = make_note(html=False)
    for finish in ("update", "delete"):
        old = keap.add_person(email=f"old-{finish}@example.com")
        left = keap.add_person(email=f"ada-{finish}@example.com")
        note_id = await keap.create(old, note)
        assert (await keap.crm.note(keap.access, note_id, DEADLINE)).person_id == old
        keap.control.merge_persons("keap", keap.account, old, left)
        if finish == "update":
            await keap.crm.update_note(keap.access, note_id, f"{note.body}\nMine", note, DEADLINE)
            assert [one["body"][-4:] for one in keap.notes()] == ["Mine"]
        await keap.crm.delete_note(keap.access, note_id, DEADLINE)
        assert keap.notes() == []
    with pytest.raises(Gone):
        await keap.crm.update_note(keap.access, note_id, note.body, note, DEADLINE)


async def test_a_note_that_was_read_just_now_is_changed_by_one_request(
    keap: Any, make_note: Any
) -> None:
    ada, note = keap.add_person(email="ada@example.com"), make_note(html=False)
    note_id = await keap.create(ada, note)
    await keap.crm.note(keap.access, note_id, DEADLINE)
    seen = keap.control.journal("keap", keap.account)[-1]["seq"]
    await keap.crm.update_note(keap.access, note_id, note.body, note, DEADLINE)
    sent = keap.control.journal("keap", keap.account, since_seq=seen)
    assert [call["method"] for call in sent] == ["PATCH"]


async def test_places_of_notes_are_forgotten_before_they_are_many(make_note: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        note_id = request.url.params["filter"].removeprefix("ids==")
        return httpx.Response(200, json={"notes": [{"id": note_id, "contact_id": "5"}]})

    crm = answering(answer)
    for number in range(PLACES_MAX + 10):
        await crm.note(ACCESS, str(number), DEADLINE)
    assert len(crm._places) == PLACES_MAX


async def test_an_update_leaves_title_and_owner_to_people(make_note: Any) -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        note = {"id": "7", "contact_id": "5", "text": "x", "create_time": "2026-11-22T10:00:00Z"}
        return httpx.Response(200, json=note if request.method == "PATCH" else {"notes": [note]})

    await answering(answer).update_note(ACCESS, "7", "new", make_note(html=False), DEADLINE)
    assert sent[-1].url.path == "/crm/rest/v2/contacts/5/notes/7"
    assert sent[-1].url.params.multi_items() == [("update_mask", "text")]


async def test_a_note_is_by_the_assignees_user_else_by_the_connections(
    keap: Any, make_note: Any
) -> None:
    users = [{"id": "9", "email": "a@example.org"}, {"id": "10", "email": "sam@example.org"}]
    account = keap.control.create_account(
        "keap", f"{keap.account}x", users=users, **keap.expected.account
    )
    access = replace(keap.access, access_token=account["access_token"])
    ada = keap.control.add_person("keap", account["id"], name="Ada")["id"]
    owner = await keap.crm.user_with_email(access, "SAM@example.org", DEADLINE)
    assert owner == "10"
    for owner_id, by in ((owner, "10"), (None, "9")):
        note = replace(make_note(html=False), owner_id=owner_id)
        await keap.crm.create_note(access, ada, note, DEADLINE)
        assert keap.control.notes("keap", account["id"])[-1]["user_id"] == by


def test_only_a_name_that_is_an_address_gets_a_link() -> None:
    crm = answering(lambda _: httpx.Response(500))
    named = replace(ACCESS, account_id="ab123")
    page = "https://ab123.infusionsoft.com/Contact/manageContact.jsp?view=edit&ID=5"
    assert crm.person_url(named, "5") == crm.note_url(named, "5", "7") == page
    for other in ("12345", "x.y", "ab123/../x", ""):
        assert crm.person_url(replace(ACCESS, account_id=other), "5") is None


async def test_no_note_is_written_without_a_user(make_note: Any) -> None:
    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError("no call was expected")

    nobody = CrmAccess("token", "https://crm.example", "ab12", None, ACCESS.expires_at)
    with pytest.raises(GiveUp, match="no_user"):
        await answering(never).create_note(nobody, "5", make_note(html=False), DEADLINE)


@pytest.mark.parametrize("odd", ["a;given_name==b@example.com", "a*@example.com", "ada@b.c*"])
async def test_an_address_that_means_something_in_a_filter_is_not_asked_for(odd: str) -> None:
    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError("no call was expected")

    assert await answering(never).find_persons(ACCESS, Contact("c", (odd,), ()), DEADLINE) == []


async def test_a_filter_that_is_not_understood_finds_no_strangers(make_note: Any) -> None:
    everybody = {
        "contacts": [
            {"id": "1", "email_addresses": [{"email": "bob@example.com"}], "phone_numbers": None},
            {"id": "2", "email_addresses": [], "phone_numbers": [{"number": "+49301234567"}]},
        ],
        "notes": [{"id": "8", "contact_id": "1", "text": "x"}],
    }
    crm = answering(lambda _: httpx.Response(200, json=everybody))
    contact = Contact("c", ("ada@example.com",), ("+4930123456",))
    assert await crm.find_persons(ACCESS, contact, DEADLINE) == []
    note = make_note(html=False)
    calls: tuple[Callable[[], Awaitable[Any]], ...] = (
        lambda: crm.note(ACCESS, "7", DEADLINE),  # which need not be deleted
        lambda: crm.delete_note(ACCESS, "7", DEADLINE),
        lambda: crm.update_note(ACCESS, "7", note.body, note, DEADLINE),
    )
    for call in calls:
        with pytest.raises(RetryLater, match="bad_answer"):
            await call()


async def test_notes_are_listed_newest_first_and_no_further_back_than_needed(
    make_note: Any,
) -> None:
    body, asked = make_note(html=False).body, []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("page_token"))
        assert request.url.params["order_by"] == "create_time desc"
        number = len(asked)
        at = f"2026-11-{22 - number}T10:00:00.000Z"
        note = {"id": str(90 - number), "contact_id": "5", "text": body, "create_time": at}
        return httpx.Response(200, json={"notes": [note], "next_page_token": f"p{number}"})

    since = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
    found = await answering(answer).notes_marked(ACCESS, "5", MARKER, since, DEADLINE)
    # The clocks may differ, so the one at 10:00 counts; the one of the day before ends it.
    assert [note.id for note in found] == ["87", "88", "89"]
    assert asked == [None, "p1", "p2"]
