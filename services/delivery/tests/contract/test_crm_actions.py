"""Every CRM: what people make in it from our inbox app, once however often it is asked for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.catalog import CRMS, ActionKind, apps_of
from delivery.domain.action import Action, NewDeal, NewLead, NewNote, NewPerson, NewTask, Who
from delivery.domain.note import ActionMarker, Marker
from delivery.ports import GiveUp, Gone, UnknownEnd

MARKER = ActionMarker("wk1", "12", action_id="a7.x:1")
ADA = Who("Ada Example", "ada@example.com", "+4315125000")
DUE = datetime(2026, 12, 24, 9, 30, tzinfo=UTC)


def actions_of(crm: str) -> frozenset[ActionKind]:
    """Of all its apps together."""
    return frozenset().union(*(app.actions for app in apps_of(crm)))


ACTING = [crm for crm in CRMS if actions_of(crm)]
ON_A_PERSON = (ActionKind.DEAL, ActionKind.TASK, ActionKind.NOTE)


def what_of(kind: ActionKind, person_id: str) -> Any:
    match kind:
        case ActionKind.PERSON:
            return NewPerson(ADA)
        case ActionKind.LEAD:
            return NewLead(ADA, "Ada wants 20 bikes")
        case ActionKind.DEAL:
            return NewDeal(person_id, "20 bikes & a <pump>")
        case ActionKind.TASK:
            return NewTask(person_id, "Call Ada", DUE, "About <b>20</b>\nbikes")
    return NewNote(person_id, "Wants 20 bikes,\n<b>soon</b>")


def action(crm: Any, kind: ActionKind, person_id: str = "", **how: Any) -> Action:
    now = datetime.fromtimestamp(crm.control.advance_clock(0), UTC)
    return Action(MARKER, what_of(kind, person_id), now, **how)


async def act(crm: Any, asked: Action) -> Any:
    return await crm.crm.act(crm.access, asked, crm.deadline)


def records(crm: Any, kind: ActionKind) -> list[dict[str, Any]]:
    """Live ones, of whatever kind the simulated CRM keeps them as."""
    found: list[dict[str, Any]] = crm.expected.records_of(
        crm.control.account(crm.vendor, crm.account), kind
    )
    return found


@pytest.fixture
async def offered(request: Any, subject_of: Any) -> tuple[Any, ActionKind]:
    crm, kind = request.param
    return await subject_of(crm), kind


@pytest.fixture(params=ACTING)
async def acting(request: Any, subject_of: Any) -> Any:
    """Every CRM that has actions at all."""
    return await subject_of(request.param)


def every(*kinds: ActionKind, offered: bool = True) -> pytest.MarkDecorator:
    """Every CRM with each of these actions that it has, or that it has not."""
    pairs = [
        (crm, kind) for crm in ACTING for kind in kinds if (kind in actions_of(crm)) is offered
    ]
    return pytest.mark.parametrize("offered", pairs, indirect=True, ids="-".join)


@every(*ActionKind, offered=False)
async def test_an_action_that_the_crm_has_not_is_refused(offered: Any) -> None:
    crm, kind = offered
    with pytest.raises(GiveUp) as refused:
        await act(crm, action(crm, kind, crm.unknown_id))
    assert refused.value.reason == "action_not_offered"


def test_the_catalog_offers_what_the_adapter_can_do(crm: Any) -> None:
    assert actions_of(crm.vendor) == crm.crm.actions


@every(*ActionKind)
async def test_an_action_makes_one_record_of_its_kind(offered: Any) -> None:
    crm, kind = offered
    ada = crm.add_person(name="Somebody") if kind in ON_A_PERSON else ""
    made = await act(crm, action(crm, kind, ada))
    [record] = [one for one in records(crm, kind) if one["id"] != ada]
    assert (made.kind, made.id, made.was_there) == (kind, record["id"], False)
    if kind in ON_A_PERSON:
        assert made.person_id == ada
        assert record["person_ids"] == [ada]
    assert made.url is None or made.url.startswith("http")


@every(*ActionKind)
async def test_an_action_of_unknown_end_is_found_and_not_made_twice(offered: Any) -> None:
    crm, kind = offered
    person = crm.add_person(name="Somebody") if kind in ON_A_PERSON else ""
    asked = action(crm, kind, person)
    crm.fault("500_after", method=crm.expected.action_method, path=crm.expected.action_paths[kind])
    with pytest.raises(UnknownEnd):
        await act(crm, asked)
    [record] = [one for one in records(crm, kind) if one["id"] != person]
    made = await act(crm, replace(asked, again=True))
    assert (made.id, made.was_there) == (record["id"], True)
    assert len([one for one in records(crm, kind) if one["id"] != person]) == 1


@every(*ActionKind)
async def test_an_action_that_had_no_effect_is_made_when_asked_again(offered: Any) -> None:
    crm, kind = offered
    person = crm.add_person(name="Somebody") if kind in ON_A_PERSON else ""
    asked = action(crm, kind, person)
    crm.fault("500_before", method=crm.expected.action_method, path=crm.expected.action_paths[kind])
    with pytest.raises(UnknownEnd):
        await act(crm, asked)
    assert not (await act(crm, replace(asked, again=True))).was_there


@every(ActionKind.LEAD, ActionKind.TASK, ActionKind.NOTE)
async def test_another_action_is_never_taken_for_this_one(offered: Any) -> None:
    """Not of persons, who are one by address; a deal may be known by its title alone."""
    crm, kind = offered
    person = crm.add_person(name="Somebody") if kind in ON_A_PERSON else ""
    other = replace(MARKER, action_id="a7.x:10")
    first = await act(crm, replace(action(crm, kind, person), marker=other))
    asked = replace(action(crm, kind, person), again=True)
    second = await act(crm, asked)
    assert second.id != first.id
    assert not second.was_there


async def test_a_person_who_is_there_is_found_however_the_search_lags(acting: Any) -> None:
    crm = acting
    crm.control.change_account(crm.vendor, crm.account, search_lag_s=30)
    made = await crm.create_person_by_api("ada@example.com")
    found = await act(crm, action(crm, ActionKind.PERSON))
    assert (found.id, found.person_id, found.was_there) == (made, made, True)
    again = await act(crm, action(crm, ActionKind.PERSON))
    assert again.id == made


async def test_a_new_person_has_name_and_addresses(acting: Any) -> None:
    crm = acting
    made = await act(crm, action(crm, ActionKind.PERSON))
    [person] = crm.control.persons(crm.vendor, crm.account)
    assert person["id"] == made.id
    assert person["name"] == "Ada Example"
    assert person["emails"] == ["ada@example.com"]
    assert await crm.find("ada@example.com") == [made.id]


async def test_a_person_may_have_a_phone_alone(acting: Any) -> None:
    crm = acting
    asked = replace(action(crm, ActionKind.PERSON), what=NewPerson(Who("Ada", phone="+4315125000")))
    made = await act(crm, asked)
    assert (await act(crm, asked)).id == made.id


async def test_a_plain_note_is_the_teammates_words_and_no_transcript(
    acting: Any, make_note: Any
) -> None:
    crm = acting
    ada = crm.add_person(email="ada@example.com")
    made = await act(crm, action(crm, ActionKind.NOTE, ada))
    transcript = await crm.create(ada, make_note(Marker("wk1", "12")))
    [plain] = [note for note in crm.notes() if note["id"] == made.id]
    soon = "&lt;b&gt;soon&lt;/b&gt;" if crm.crm.html else "<b>soon</b>"
    assert soon in plain["body"]
    assert await crm.marked(ada, Marker("wk1", "12")) == [transcript]


@every(*ON_A_PERSON)
async def test_an_action_for_a_person_who_is_gone_says_so(offered: Any) -> None:
    crm, kind = offered
    with pytest.raises(Gone):
        await act(crm, action(crm, kind, crm.unknown_id))


async def test_the_assignees_user_is_found_by_address_in_any_case(acting: Any) -> None:
    crm = acting
    users = crm.control.account(crm.vendor, crm.account)["users"]
    found = await crm.crm.user_with_email(crm.access, users[0]["email"], crm.deadline)
    assert found is not None
    stranger = await crm.crm.user_with_email(crm.access, "nobody@example.org", crm.deadline)
    assert stranger is None
    ada = crm.add_person(email="ada@example.com")
    asked = replace(action(crm, ActionKind.NOTE, ada), owner_id=found)
    await act(crm, asked)  # an id that the CRM does not take for a user would be refused


async def test_links_lead_to_the_persons_page(acting: Any) -> None:
    crm = acting
    url = crm.crm.person_url(crm.access, "501")
    assert url is None or "501" in url
    note = crm.crm.note_url(crm.access, "501", "77")
    assert (note is None) is (url is None)


def test_an_action_is_bounded_and_says_nothing_of_what_it_refuses() -> None:
    for wrong in (
        lambda: Who("", "a@example.com"),
        lambda: Who("canary"),
        lambda: NewDeal("1", "canary " * 100),
        lambda: NewNote("1", "canary " * 10_000),
        lambda: NewTask("1", " ", DUE + timedelta(days=1)),
    ):
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - each has its own sentence
            wrong()
        assert "canary" not in str(refused.value)
