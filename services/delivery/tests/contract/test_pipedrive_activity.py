"""Pipedrive's Activity (R5): fit for the customer's own automations."""

from dataclasses import replace
from typing import Any

import pytest
from delivery.adapters.crm.activity import Activities
from delivery.domain.block import carries
from delivery.domain.note import Marker
from delivery.ports import GiveUp, Gone, UnknownEnd

MARKER = Marker("wk1", "12")


def activities(pipedrive: Any) -> Any:
    return pipedrive.control.activities("pipedrive", pipedrive.account)


async def create(pipedrive: Any, person: Any, note: Any) -> Any:
    return await pipedrive.crm.create_activity(pipedrive.access, person, note, pipedrive.deadline)


async def marked(pipedrive: Any, person: Any, note: Any) -> Any:
    found = await pipedrive.crm.activities_marked(
        pipedrive.access, person, MARKER, note.written_for, pipedrive.deadline
    )
    return [activity.id for activity in found]


async def test_an_activity_says_who_when_and_what(pipedrive: Any, make_note: Any) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    made = await create(pipedrive, ada, make_note())
    [activity] = activities(pipedrive)
    assert activity["id"] == made
    assert activity["subject"] == "Intercom conversation 12 [lull wk1/12]"
    assert activity["type"] == "task"
    assert activity["done"] is True
    assert activity["person_ids"] == [ada]
    assert (activity["due_date"], activity["due_time"][:5]) == ("2026-11-22", "10:15")
    stored = await pipedrive.crm.activity(pipedrive.access, made, pipedrive.deadline)
    assert stored.person_id == ada
    assert stored.author_id == pipedrive.access.user_id
    assert carries(stored.body, MARKER)


async def test_an_update_is_one_event_on_the_same_activity(pipedrive: Any, make_note: Any) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    made = await create(pipedrive, ada, make_note())
    note = make_note(text="Bye")
    body = f"<p>Called back.</p>{note.body}"
    await pipedrive.crm.update_activity(pipedrive.access, made, body, note, pipedrive.deadline)
    [activity] = activities(pipedrive)
    assert activity["body"].startswith("<p>Called back.</p>")
    assert "Bye" in activity["body"]
    calls = pipedrive.control.account("pipedrive", pipedrive.account)["calls"]
    assert (calls["activity.create"], calls["activity.update"]) == (1, 1)
    assert events(pipedrive) == ["activity.added", "activity.updated"]


def events(pipedrive: Any) -> list[str]:
    """What would start the customer's automations, in order."""
    account = pipedrive.control.account("pipedrive", pipedrive.account)
    return [event["event"] for event in account["events"]]


async def test_whether_people_have_done_it_is_theirs_after_it_was_made(
    pipedrive: Any, make_note: Any
) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    pipedrive.crm.activities = Activities("call", done=False)
    made = await create(pipedrive, ada, make_note())
    [activity] = activities(pipedrive)
    assert (activity["type"], activity["done"]) == ("call", False)
    note = make_note(text="Bye")
    await pipedrive.crm.update_activity(pipedrive.access, made, note.body, note, pipedrive.deadline)
    [activity] = activities(pipedrive)
    assert (activity["type"], activity["done"]) == ("call", False)


async def test_a_type_of_the_installations_own_goes_before_the_deployments(
    pipedrive: Any, make_note: Any
) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    await create(pipedrive, ada, replace(make_note(), activity_type="call"))
    [activity] = activities(pipedrive)
    assert activity["type"] == "call"


async def test_a_type_that_the_account_lacks_is_refused_for_good(
    pipedrive: Any, make_note: Any
) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    pipedrive.crm.activities = Activities("demo_call")
    with pytest.raises(GiveUp):
        await create(pipedrive, ada, make_note())


async def test_the_assignee_owns_the_activity(pipedrive: Any, make_note: Any) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    await create(pipedrive, ada, replace(make_note(), owner_id="9"))
    [activity] = activities(pipedrive)
    assert activity["extra"]["owner_id"] == 9


async def test_an_activity_of_unknown_end_is_found_by_a_probe(
    pipedrive: Any, make_note: Any
) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    note = make_note()
    await create(pipedrive, ada, make_note(Marker("wk1", "1")))
    pipedrive.fault("500_after", method="POST", path="/activities$")
    with pytest.raises(UnknownEnd):
        await create(pipedrive, ada, note)
    assert await marked(pipedrive, ada, note) == [activities(pipedrive)[-1]["id"]]


async def test_many_activities_are_read_to_the_end(pipedrive: Any, make_note: Any) -> None:
    pipedrive.control.change_account(
        "pipedrive", pipedrive.account, limits={"requests_per_2s": 1000}
    )
    ada = pipedrive.add_person(email="ada@example.com")
    for number in range(60):
        await create(pipedrive, ada, make_note(Marker("wk1", str(100 + number))))
    made = await create(pipedrive, ada, make_note())
    assert await marked(pipedrive, ada, make_note()) == [made]


async def test_a_deleted_activity_is_none(pipedrive: Any, make_note: Any) -> None:
    ada = pipedrive.add_person(email="ada@example.com")
    note = make_note()
    made = await create(pipedrive, ada, note)
    for _ in range(2):
        await pipedrive.crm.delete_activity(pipedrive.access, made, pipedrive.deadline)
    assert await pipedrive.crm.activity(pipedrive.access, made, pipedrive.deadline) is None
    assert await marked(pipedrive, ada, note) == []
    with pytest.raises(Gone):
        await pipedrive.crm.update_activity(
            pipedrive.access, made, note.body, note, pipedrive.deadline
        )


async def test_no_activity_is_created_for_a_person_who_is_gone(
    pipedrive: Any, make_note: Any
) -> None:
    with pytest.raises(Gone):
        await create(pipedrive, pipedrive.unknown_id, make_note())
    assert activities(pipedrive) == []
