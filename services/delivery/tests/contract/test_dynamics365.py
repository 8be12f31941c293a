"""Dynamics 365: notes at ids of ours, leads, cases, and text that cannot leave its filter."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from delivery.adapters.calls import Deadline
from delivery.adapters.crm.dynamics365.dataverse import quoted
from delivery.adapters.crm.dynamics365.notes import note_ids
from delivery.domain.action import Action, NewDeal, NewLead, NewNote, NewTask, Who
from delivery.domain.block import carries
from delivery.domain.conversation import Contact
from delivery.domain.note import ActionMarker, Marker
from delivery.ports import GiveUp, Gone, PersonState, RetryLater

MARKER = Marker("wk1", "12")
AT = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
HOSTILE = [
    "x' or emailaddress1 ne 'x@example.com",
    "') or statecode eq 0 or (emailaddress1 eq '",
    "ada@example.com' and statecode eq 0 or '1' eq '1",
    "''' or ''='",
    "ada@example.com\\' or 1 eq 1 or '",
    "ada@example.com%27 or 1 eq 1",
    "x&$filter=statecode eq 0",
    "x'\n\r\tor statecode eq 0 or emailaddress1 eq '",
    "'",
    "\u2019 or statecode eq 0",
]


@pytest.fixture
async def dynamics(subject_of: Any) -> Any:
    return await subject_of("dynamics365")


async def leads(subject: Any, *emails: str, phones: tuple[str, ...] = ()) -> list[str]:
    contact = Contact("c1", emails, phones)
    return list(await subject.crm.find_leads(subject.access, contact, subject.deadline))


async def post(subject: Any, table: str, body: dict[str, Any]) -> None:
    """As another app would."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"{subject.access.api_base}/api/data/v9.2/{table}",
            json=body,
            headers={"Authorization": f"Bearer {subject.access.access_token}"},
        )
    assert answer.status_code == 204, answer.text


def told(subject: Any, answer: Any) -> Any:
    """The adapter, before a Dynamics that answers as the test says."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return replace(subject, crm=type(subject.crm)(client))


def lead_id(guid: str) -> str:
    return f"lead.{guid}"


async def test_a_create_that_is_repeated_makes_one_note_with_the_newer_text(
    dynamics: Any, make_note: Any
) -> None:
    ada = dynamics.add_person(email="ada@example.com")
    first = await dynamics.create(ada, make_note())
    dynamics.control.edit_note("dynamics365", dynamics.account, first, prepend="<p>Mine</p>")
    second = await dynamics.create(ada, make_note(text="Bye"))
    [stored] = dynamics.notes()
    assert first == second == stored["id"] == note_ids(dynamics.access, MARKER)[0]
    assert stored["body"].startswith("<p>Mine</p>")
    assert "Bye" in stored["body"]
    assert "Hello" not in stored["body"]


async def test_a_repeated_create_that_changes_nothing_writes_nothing(
    dynamics: Any, make_note: Any
) -> None:
    ada = dynamics.add_person(email="ada@example.com")
    for _ in range(3):
        await dynamics.create(ada, make_note())
    calls = dynamics.control.account("dynamics365", dynamics.account)["calls"]
    assert calls == {"note.create": 1}


async def test_three_apps_on_one_environment_meet_the_same_note(
    dynamics: Any, make_note: Any
) -> None:
    ada = dynamics.add_person(email="ada@example.com")
    tokens = [dynamics.control.crm_tokens("dynamics365", dynamics.account) for _ in range(3)]
    accesses = [replace(dynamics.access, access_token=one["access_token"]) for one in tokens]
    ids = {await replace(dynamics, access=one).create(ada, make_note()) for one in accesses}
    assert len(ids) == len(dynamics.notes()) == 1


async def test_the_id_tells_environment_workspace_conversation_and_period_apart(
    dynamics: Any,
) -> None:
    elsewhere = replace(dynamics.access, account_id="another")
    others = [("wk2", "12", None), ("wk1", "13", None), ("wk1", "12", 7), ("wk1", "1", 27)]
    markers = [MARKER, *(Marker(*other) for other in others)]
    places = [(dynamics.access, marker) for marker in markers] + [(elsewhere, MARKER)]
    ids = [note_id for access, marker in places for note_id in note_ids(access, marker)]
    assert len(set(ids)) == 2 * len(places)


async def test_a_note_that_people_took_over_is_left_and_one_more_is_made_and_no_third(
    dynamics: Any, make_note: Any
) -> None:
    ada = dynamics.add_person(email="ada@example.com")
    first = await dynamics.create(ada, make_note())
    dynamics.control.edit_note("dynamics365", dynamics.account, first, body="<p>Ours now</p>")
    second = await dynamics.create(ada, make_note())
    assert first != second
    assert await dynamics.marked(ada, MARKER) == [second]
    dynamics.control.edit_note("dynamics365", dynamics.account, second, body="<p>This too</p>")
    with pytest.raises(GiveUp, match="handed_over"):
        await dynamics.create(ada, make_note())
    assert [note["body"] for note in dynamics.notes()] == ["<p>Ours now</p>", "<p>This too</p>"]


async def test_a_note_that_was_deleted_can_be_made_again(dynamics: Any, make_note: Any) -> None:
    ada = dynamics.add_person(email="ada@example.com")
    first = await dynamics.create(ada, make_note())
    dynamics.control.delete_note("dynamics365", dynamics.account, first)
    assert await dynamics.create(ada, make_note()) == first
    assert await dynamics.marked(ada, MARKER) == [first]


async def test_an_update_never_brings_a_deleted_note_back(dynamics: Any, make_note: Any) -> None:
    ada = dynamics.add_person(email="ada@example.com")
    note = make_note()
    note_id = await dynamics.create(ada, note)
    dynamics.control.delete_note("dynamics365", dynamics.account, note_id)
    with pytest.raises(Gone):
        await dynamics.crm.update_note(dynamics.access, note_id, note.body, note, dynamics.deadline)
    assert dynamics.notes() == []


async def test_a_duplicate_key_is_a_note_that_exists_whatever_its_status(
    dynamics: Any, make_note: Any
) -> None:
    note, wanted = make_note(), note_ids(dynamics.access, MARKER)[0]
    stored: dict[str, Any] = {
        "annotationid": wanted,
        "notetext": note.body,
        "objecttypecode": "contact",
        "_objectid_value": dynamics.expected.an_id,
        "_createdby_value": None,
    }

    def answer(sent: httpx.Request) -> httpx.Response:
        if sent.method == "PATCH":
            error = {"code": "0x80040237", "message": "Cannot insert duplicate key."}
            return httpx.Response(500, json={"error": error})
        return httpx.Response(200, json=stored)

    subject = told(dynamics, answer)
    assert await subject.create(dynamics.expected.an_id, note) == wanted
    stored["annotationid"] = "../7"
    with pytest.raises(RetryLater):  # it exists, and cannot be read
        await subject.create(dynamics.expected.an_id, note)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_a_hostile_address_stays_a_text_in_the_filter(dynamics: Any, hostile: str) -> None:
    dynamics.add_person(email="ada@example.com")
    dynamics.add_person(email="lea@example.com", lead=True)
    assert await dynamics.find(hostile, phones=(hostile,)) == []
    assert await leads(dynamics, hostile, phones=(hostile,)) == []
    assert quoted(hostile)[1:-1].replace("''", "").count("'") == 0


async def test_a_lead_is_found_only_when_asked_for(dynamics: Any) -> None:
    lead = dynamics.add_person(email="lea@example.com", phone="+4930123456", lead=True)
    assert await dynamics.find("lea@example.com", phones=("+4930123456",)) == []
    assert await leads(dynamics, "lea@example.com") == [lead_id(lead)]
    assert await leads(dynamics, phones=("+4930123456",)) == [lead_id(lead)]
    ada = dynamics.add_person(email="ada@example.com")
    assert await leads(dynamics, "ada@example.com") == []
    assert await dynamics.find("ada@example.com") == [ada]


async def test_a_note_on_a_lead_is_written_read_found_and_changed(
    dynamics: Any, make_note: Any
) -> None:
    lead = lead_id(dynamics.add_person(email="lea@example.com", lead=True))
    note = make_note()
    note_id = await dynamics.create(lead, note)
    stored = await dynamics.crm.note(dynamics.access, note_id, dynamics.deadline)
    assert (stored.person_id, stored.author_id) == (lead, dynamics.access.user_id)
    assert await dynamics.marked(lead, MARKER) == [note_id]
    body = note.body + "<p>x</p>"
    await dynamics.crm.update_note(dynamics.access, note_id, body, note, dynamics.deadline)
    assert carries(dynamics.notes()[0]["body"], MARKER)
    found = await dynamics.crm.person(dynamics.access, lead, dynamics.deadline)
    assert found == PersonState(lead)


async def test_a_contact_and_a_lead_are_never_taken_for_each_other(
    dynamics: Any, make_note: Any
) -> None:
    ada = dynamics.add_person(email="ada@example.com")
    assert await dynamics.crm.person(dynamics.access, lead_id(ada), dynamics.deadline) is None
    with pytest.raises(Gone):
        await dynamics.create(lead_id(ada), make_note())


async def test_merges_are_followed_to_the_end_and_circles_are_not(dynamics: Any) -> None:
    people = [dynamics.add_person(email=f"p{number}@example.com") for number in range(4)]
    for old, left in itertools.pairwise(people):
        dynamics.control.merge_persons("dynamics365", dynamics.account, old, left)
    found = await dynamics.crm.person(dynamics.access, people[0], dynamics.deadline)
    assert found == PersonState(people[-1])
    row = {"contactid": people[0], "_masterid_value": people[0]}
    subject = told(dynamics, lambda sent: httpx.Response(200, json=row))
    with pytest.raises(GiveUp):
        await subject.crm.person(dynamics.access, people[0], dynamics.deadline)


async def test_a_qualified_lead_leads_to_its_contact(dynamics: Any) -> None:
    guid, contact = dynamics.expected.unknown_id, dynamics.expected.an_id

    def answer(sent: httpx.Request) -> httpx.Response:
        row = {"_masterid_value": None}
        if "/leads(" in sent.url.path:
            row |= {"leadid": guid, "_parentcontactid_value": contact}
        else:
            row |= {"contactid": contact}
        return httpx.Response(200, json=row)

    found = await told(dynamics, answer).crm.person(
        dynamics.access, lead_id(guid), dynamics.deadline
    )
    assert found == PersonState(contact)


async def test_of_several_contacts_the_one_behind_an_open_case_is_meant(dynamics: Any) -> None:
    one = dynamics.add_person(email="ada@example.com")
    two = dynamics.add_person(email="ada@example.com")
    old = {"title": "Old", "primarycontactid@odata.bind": f"/contacts({one})", "statecode": 1}
    await post(dynamics, "incidents", old)
    assert sorted(await dynamics.find("ada@example.com")) == sorted([one, two])
    new = {"title": "New", "customerid_contact@odata.bind": f"/contacts({two})"}
    await post(dynamics, "incidents", new)
    assert await dynamics.find("ada@example.com") == [two]


async def test_where_cases_may_not_be_read_all_contacts_are_told(dynamics: Any) -> None:
    for _ in range(2):
        dynamics.add_person(email="ada@example.com")
    dynamics.fault("403", path="/incidents$")
    assert len(await dynamics.find("ada@example.com")) == 2


@pytest.mark.parametrize("bad", ["5", "", "lead.", "lead.5", "x" * 36, "../contacts"])
async def test_what_is_no_guid_is_sent_to_nobody(dynamics: Any, make_note: Any, bad: str) -> None:
    with pytest.raises(GiveUp, match="bad_id"):
        await dynamics.create(bad, make_note())


async def test_a_note_belongs_to_the_assignees_user_unless_dynamics_refuses_that(
    dynamics: Any, make_note: Any
) -> None:
    ada = dynamics.add_person(email="ada@example.com")
    own = dynamics.access.user_id
    stranger = dynamics.expected.unknown_id
    for marker, owner, kept in ((MARKER, own, own), (Marker("wk1", "13"), stranger, None)):
        note_id = await dynamics.create(ada, replace(make_note(marker), owner_id=owner))
        [stored] = [note for note in dynamics.notes() if note["id"] == note_id]
        assert stored["extra"]["owner"] == kept


async def test_a_task_or_deal_may_hang_on_a_lead(dynamics: Any) -> None:
    lead = lead_id(dynamics.add_person(email="lea@example.com", lead=True))
    for what in (NewTask(lead, "Call", AT, "x" * 5_000), NewDeal(lead, "20 bikes")):
        marker = ActionMarker("wk1", "12", action_id=what.kind)
        made = await dynamics.crm.act(dynamics.access, Action(marker, what, AT), dynamics.deadline)
        assert made.url == (
            f"{dynamics.access.api_base}/main.aspx?pagetype=entityrecord"
            f"&etn={'task' if what.kind == 'task' else 'opportunity'}&id={made.id}"
        )
    account = dynamics.control.account("dynamics365", dynamics.account)
    [task], [deal] = account["activities"], account["deals"]
    assert task["person_ids"] == deal["person_ids"] == [lead.removeprefix("lead.")]


async def test_an_action_that_is_sent_twice_makes_one_record(dynamics: Any) -> None:
    """Also where nobody thought of looking first."""
    ada = dynamics.add_person(email="ada@example.com")
    for what in (NewDeal(ada, "20 bikes"), NewTask(ada, "Call", AT), NewNote(ada, "Wants bikes")):
        marker = ActionMarker("wk1", "12", action_id=what.kind)
        asked = Action(marker, what, AT)
        ids = {
            (await dynamics.crm.act(dynamics.access, asked, dynamics.deadline)).id for _ in range(3)
        }
        assert len(ids) == 1
    account = dynamics.control.account("dynamics365", dynamics.account)
    counts = {name: n for name, n in account["calls"].items() if name.endswith("create")}
    assert counts == {"deal.create": 1, "activity.create": 1, "note.create": 1}


async def test_what_is_read_is_never_out_of_a_cache(dynamics: Any, make_note: Any) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        row = {"contactid": note_ids(dynamics.access, MARKER)[0], "value": []}
        return httpx.Response(200, json=row)

    asked = told(dynamics, answer)
    await asked.find("ada@example.com")
    ada = note_ids(dynamics.access, MARKER)[0]
    await asked.crm.person(asked.access, ada, asked.deadline)
    assert [request.headers["If-None-Match"] for request in sent] == ["null", "null"]


async def test_a_change_that_meets_somebody_elses_is_tried_again(
    dynamics: Any, make_note: Any
) -> None:
    refused = {"error": {"code": "0x80060882", "message": "The version doesn't match."}}
    met = told(dynamics, lambda _: httpx.Response(412, json=refused))
    note_id = note_ids(dynamics.access, MARKER)[0]
    with pytest.raises(RetryLater) as failed:
        await met.crm.update_note(met.access, note_id, "<p>b</p>", make_note(), met.deadline)
    assert failed.value.reason == "http_412"


async def test_a_leads_topic_is_one_line(dynamics: Any) -> None:
    marker = ActionMarker("wk1", "12", action_id="1")
    action = Action(marker, NewLead(Who("Ada Example", "ada@example.com"), "Hello\n there"), AT)
    until = Deadline(dynamics.deadline)
    _, lead = await dynamics.crm.new_record(dynamics.access, action, None, until)
    assert lead["subject"] == "Hello there"
