"""Every CRM: what a failure stands for, and how an unknown end is found out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from delivery.domain.note import Marker
from delivery.ports import (
    GiveUp,
    PersonState,
    RetryLater,
    TokenRejected,
    UnknownEnd,
)

MARKER = Marker("wk1", "12")
WRITTEN = ["500_after", "timeout_after", "reset_after", "cut_body", "slow", "late_body", "trickle"]
NOT_WRITTEN = ["500_before", "timeout", "reset", "html_502"]


@pytest.mark.parametrize("kind", WRITTEN)
async def test_a_create_of_unknown_end_is_found_by_a_probe(
    crm: Any, make_note: Any, kind: Any
) -> None:
    ada = crm.add_person(email="ada@example.com")
    crm.fail_creating(kind)
    with pytest.raises(UnknownEnd) as unknown:
        await crm.within(kind, milliseconds=1000).create(ada, make_note())
    assert unknown.value.reason in ("http_500", "timeout", "cut_off")
    await crm.until(lambda: len(crm.notes()) == 1)
    [stored] = crm.notes()
    assert await crm.marked(ada, MARKER) == [stored["id"]]


@pytest.mark.parametrize("kind", NOT_WRITTEN)
async def test_a_create_that_may_have_failed_is_probed_and_not_found(
    crm: Any, make_note: Any, kind: Any
) -> None:
    ada = crm.add_person(email="ada@example.com")
    crm.fail_creating(kind)
    with pytest.raises(UnknownEnd):
        await crm.within(kind, milliseconds=100).create(ada, make_note())
    assert crm.notes() == []
    assert await crm.marked(ada, MARKER) == []


@pytest.mark.parametrize("kind", WRITTEN + NOT_WRITTEN)
async def test_a_read_that_fails_is_tried_later_and_has_no_unknown_end(
    crm: Any, make_note: Any, kind: Any
) -> None:
    ada = crm.add_person(email="ada@example.com")
    note_id = await crm.create(ada, make_note())
    calls: tuple[Callable[[Any], Any], ...] = (
        lambda s: s.find("ada@example.com"),
        lambda s: s.crm.note(s.access, note_id, s.deadline),
        lambda s: s.marked(ada, MARKER),
    )
    for call in calls:
        crm.fault(kind, times=None)  # a reset is tried again where that is safe
        with pytest.raises(RetryLater) as failed:
            await call(crm.within(kind, milliseconds=50))
        assert not isinstance(failed.value, UnknownEnd)
        crm.control.clear_faults()


async def test_an_update_of_unknown_end_says_so(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    note = make_note()
    note_id = await crm.create(ada, note)
    for method in ("PATCH", "PUT"):  # a read may come before it
        crm.fault("500_after", method=method)
    with pytest.raises(UnknownEnd):
        await crm.crm.update_note(crm.access, note_id, note.body, note, crm.deadline)


async def test_a_connection_that_is_refused_had_no_effect(crm: Any, make_note: Any) -> None:
    nowhere = replace(crm, access=replace(crm.access, api_base="http://127.0.0.1:9"))
    calls: tuple[Callable[[], Any], ...] = (
        lambda: nowhere.create(crm.expected.an_id, make_note()),
        lambda: nowhere.find("ada@example.com"),
    )
    for call in calls:
        with pytest.raises(RetryLater) as failed:
            await call()
        assert not isinstance(failed.value, UnknownEnd)
        assert failed.value.reason == "connect_failed"


async def test_a_refused_token_is_told_apart_from_everything_else(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    crm.fail_creating("401")
    with pytest.raises(TokenRejected):
        await crm.create(ada, make_note())
    crm.control.revoke_crm_tokens(crm.vendor, crm.account)
    with pytest.raises(TokenRejected):
        await crm.find("ada@example.com")
    assert crm.notes() == []


async def test_a_missing_permission_is_for_people_to_cure(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    crm.fail_creating("403")
    with pytest.raises(crm.expected.forbidden_as):
        await crm.create(ada, make_note())


async def test_too_many_requests_wait_as_long_as_the_vendor_says(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    crm.fail_creating("429")
    with pytest.raises(RetryLater) as limited:
        await crm.create(ada, make_note())
    assert not isinstance(limited.value, UnknownEnd)
    assert limited.value.retry_after == timedelta(seconds=crm.expected.rate_limit_wait_s)
    crm.fail_creating("429", headers={"Retry-After": "77"})
    with pytest.raises(RetryLater) as limited:
        await crm.create(ada, make_note())
    assert limited.value.retry_after == timedelta(seconds=77)


async def test_hubspot_counts_searches_by_the_second(hubspot: Any) -> None:
    numbers = tuple(f"+49301234{number}" for number in range(20))
    with pytest.raises(RetryLater) as limited:
        await hubspot.find(phones=numbers)
    assert limited.value.retry_after == timedelta(seconds=1)


async def test_pipedrive_waits_long_when_the_companys_daily_budget_is_spent(pipedrive: Any) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    pipedrive.control.change_account("pipedrive", pipedrive.account, limits={"daily_tokens": 1})
    await pipedrive.crm.person(pipedrive.access, ada, pipedrive.deadline)
    with pytest.raises(RetryLater) as limited:
        await pipedrive.crm.person(pipedrive.access, ada, pipedrive.deadline)
    assert (limited.value.retry_after or timedelta(0)) >= timedelta(seconds=2)


async def test_reasons_are_codes_that_repeat_nothing_of_what_was_sent(
    crm: Any, make_note: Any
) -> None:
    ada = crm.add_person(email="ada@example.com")
    secret = "canary-word " * 20_000
    with pytest.raises(GiveUp) as refused:
        await crm.create(ada, make_note(text=secret, max_chars=500_000))
    assert "canary" not in repr(refused.value)
    assert "canary" not in refused.value.reason


async def test_the_adapter_works_on_after_every_failure(crm: Any, make_note: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    for kind in WRITTEN + NOT_WRITTEN:
        crm.fault(kind, times=None)
        with pytest.raises(RetryLater):
            await crm.crm.person(crm.access, ada, crm.within(kind, milliseconds=50).deadline)
        crm.control.clear_faults()
    assert await crm.crm.person(crm.access, ada, crm.deadline) == PersonState(ada)
