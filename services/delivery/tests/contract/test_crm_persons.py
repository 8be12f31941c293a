"""Every CRM: which person a note goes to."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from delivery.adapters.crm.acting import ActingCrm


async def test_nobody_is_found_for_an_unknown_customer(crm: Any) -> None:
    crm.add_person(email="ada@example.com")
    assert await crm.find("bob@example.com", phones=("+4930123456",)) == []


async def test_nobody_is_found_without_any_address(crm: Any) -> None:
    crm.add_person(email="ada@example.com")
    assert await crm.find() == []


async def test_a_person_is_found_by_address_however_it_is_written_there(crm: Any) -> None:
    ada = crm.add_person(email="Ada@Example.COM")
    crm.add_person(email="bea@example.com")
    assert await crm.find("ada@example.com") == [ada]


async def test_a_person_is_found_by_a_secondary_address(crm: Any) -> None:
    ada = crm.add_person(emails=["ada@work.example", "ada@home.example"])
    found = [] if crm.expected.has_one_address else [ada]
    assert await crm.find("ada@home.example") == found


async def test_an_address_that_holds_the_wanted_one_is_no_match(crm: Any) -> None:
    crm.add_person(emails=["main@example.com", "not-ada@example.com"])
    assert await crm.find("ada@example.com") == []


@pytest.mark.parametrize("odd", ["o'neil+x%20y@example.com", "a/b?c#d&e=f@example.com"])
async def test_an_address_with_odd_characters_finds_its_own_person_only(crm: Any, odd: Any) -> None:
    crm.add_person(email="neil@example.com")
    person = crm.add_person(email=odd)
    assert await crm.find(odd) == [person]


async def test_several_persons_are_all_told(crm: Any) -> None:
    one = crm.add_person(email="ada@work.example")
    two = crm.add_person(email="ada@home.example")
    assert sorted(await crm.find("ada@work.example", "ada@home.example")) == sorted([one, two])


async def test_a_phone_finds_only_where_no_address_does(crm: Any) -> None:
    by_phone = crm.add_person(phone="+4930123456")
    found = await crm.find("bob@example.com", phones=("+4930123456",))
    assert found == ([by_phone] if crm.expected.finds_by_phone else [])
    by_email = crm.add_person(email="bob@example.com")
    assert await crm.find("bob@example.com", phones=("+4930123456",)) == [by_email]


async def test_a_deleted_person_is_neither_found_nor_read(crm: Any) -> None:
    ada = crm.add_person(email="ada@example.com")
    crm.control.delete_person(crm.vendor, crm.account, ada)
    assert await crm.find("ada@example.com") == []
    assert await crm.crm.person(crm.access, ada, crm.deadline) is None


async def test_an_unknown_person_is_none(crm: Any) -> None:
    assert await crm.crm.person(crm.access, crm.unknown_id, crm.deadline) is None


async def test_a_merged_person_is_followed_where_the_crm_tells(crm: Any) -> None:
    old = crm.add_person(email="old@example.com")
    left = crm.add_person(email="ada@example.com")
    crm.control.merge_persons(crm.vendor, crm.account, old, left)
    state = await crm.crm.person(crm.access, old, crm.deadline)
    if crm.expected.merge_is_told:
        assert state is not None
        assert state.id == left
    else:
        assert state is None
    assert await crm.find("old@example.com") == ([] if crm.expected.has_one_address else [left])
    assert (await crm.crm.person(crm.access, left, crm.deadline)).id == left


async def test_a_search_that_lags_hides_nobody_where_the_crm_can_read_by_address(crm: Any) -> None:
    crm.control.change_account(crm.vendor, crm.account, search_lag_s=30)
    made = await crm.create_person_by_api("ada@example.com")
    found = await crm.find("ada@example.com")
    assert found == ([made] if crm.expected.new_person_is_found_at_once else [])
    crm.control.change_account(crm.vendor, crm.account, search_lag_s=0)
    assert await crm.find("ada@example.com") == [made]


async def test_all_requests_of_one_call_share_one_deadline(crm: Any) -> None:
    crm.fault("slow", times=None, ms=120)
    hurried = replace(crm, deadline=timedelta(milliseconds=200))
    with pytest.raises(Exception, match="timeout"):
        await hurried.find("a@example.com", "b@example.com", phones=("+4930123456",))


def test_every_adapter_says_what_the_core_asks_of_it(crm: Any) -> None:
    adapter: ActingCrm = crm.crm
    assert adapter.note_max_chars > 10_000
    assert adapter.visible_after > timedelta(0)
    assert adapter.has_activity is hasattr(adapter, "create_activity")
