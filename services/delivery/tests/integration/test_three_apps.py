"""Three apps on one Dynamics environment: one ledger row, one note, an outcome for each app."""

from typing import Any

import pytest

pytestmark = pytest.mark.integration

SALES, PLAIN, CASES = "dynamics365-sales", "dynamics365", "dynamics365-cases"


@pytest.fixture
async def apps(world: Any) -> dict[str, Any]:
    """By key; all connected to one environment, and switched on."""
    plain = await world.install(PLAIN)
    others = {app: await world.install_beside(plain, app) for app in (SALES, CASES)}
    return {PLAIN: plain, **others}


async def outcomes(talk: Any) -> dict[str, dict[str, Any]]:
    """The next one of each app."""
    found = [await talk.outcome() for _ in range(3)]
    return {outcome["app"]: outcome for outcome in found}


def ends(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {app: outcome["outcome"] for app, outcome in found.items()}


async def test_three_apps_make_one_note_and_keep_it_up_to_date(apps: Any, world: Any) -> None:
    talk = await apps[PLAIN].talk()
    await talk.settle()
    found = await outcomes(talk)
    assert ends(found) == dict.fromkeys(apps, "delivered")
    (note,) = apps[PLAIN].notes(talk, deleted=True)
    assert {outcome["note_id"] for outcome in found.values()} == {note["id"]}
    talk.reply("<p>One more question</p>")
    await talk.settle()
    assert ends(await outcomes(talk)) == dict.fromkeys(apps, "updated")
    (note,) = apps[PLAIN].notes(talk, deleted=True)
    assert "One more question" in note["body"]
    calls = world.control.account("dynamics365", apps[PLAIN].account)["calls"]
    assert (calls["note.create"], calls["note.update"]) == (1, 1)


async def test_a_create_of_unknown_end_is_no_second_note(apps: Any, world: Any) -> None:
    talk = await apps[PLAIN].talk()
    for kind in ("500_after", "timeout_after"):
        world.control.add_fault(
            "dynamics365", kind, account=apps[PLAIN].account, method="PATCH", path="annotations"
        )
    await talk.settle()
    assert set(ends(await outcomes(talk)).values()) <= {"delivered", "already_there"}
    assert len(apps[PLAIN].notes(talk, deleted=True)) == 1


async def test_one_app_switched_off_is_refused_alone(apps: Any) -> None:
    await apps[CASES].switch(on=False)
    talk = await apps[PLAIN].talk()
    await talk.settle()
    found = ends(await outcomes(talk))
    assert found.pop(CASES) == "sync_off"
    assert set(found.values()) == {"delivered"}
    assert len(apps[PLAIN].notes(talk)) == 1


async def test_a_lead_gets_the_note_only_while_the_app_that_takes_leads_is_on(apps: Any) -> None:
    talk = apps[PLAIN].conversation(await apps[PLAIN].customer(lead=True))
    await talk.settle()
    found = await outcomes(talk)
    assert ends(found) == dict.fromkeys(apps, "delivered")
    (note,) = apps[PLAIN].notes(talk)
    assert {o["person_id"] for o in found.values()} == {f"lead.{note['person_ids'][0]}"}
    await apps[SALES].switch(on=False)
    talk = apps[PLAIN].conversation(await apps[PLAIN].customer(lead=True))
    await talk.settle()
    expected = {SALES: "sync_off", PLAIN: "no_person", CASES: "no_person"}
    assert ends(await outcomes(talk)) == expected
    assert apps[PLAIN].notes(talk) == []


async def test_apps_that_disagree_on_the_policy_keep_one_note(apps: Any) -> None:
    answer = await apps[SALES].operator("PATCH", "/options", {"note_policy": "new"})
    assert answer.status_code == 200, answer.text
    talk = await apps[PLAIN].talk()
    await talk.settle()
    assert ends(await outcomes(talk)) == dict.fromkeys(apps, "delivered")
    talk.reply("<p>One more question</p>")
    await talk.settle()
    assert ends(await outcomes(talk)) == dict.fromkeys(apps, "updated")
    (note,) = apps[PLAIN].notes(talk, deleted=True)
    assert "/0]" not in note["body"]


async def test_an_app_connected_to_another_environment_writes_there(apps: Any, world: Any) -> None:
    talk = await apps[PLAIN].talk()
    await talk.settle()
    await outcomes(talk)
    (person,) = [
        one
        for one in world.control.account("dynamics365", apps[PLAIN].account)["persons"]
        if one["id"] == apps[PLAIN].notes(talk)[0]["person_ids"][0]
    ]
    elsewhere = f"{apps[PLAIN].account}b"
    world.control.create_account("dynamics365", elsewhere)
    world.control.add_person("dynamics365", elsewhere, name="Ada", email=person["emails"][0])
    await world.connect(apps[SALES], elsewhere)
    await world.next_second()
    await apps[SALES].switch(on=True)
    talk.reply("<p>One more question</p>")
    await talk.settle()
    found = ends(await outcomes(talk))
    assert found == {PLAIN: "updated", CASES: "updated", SALES: "delivered"}
    assert len(apps[PLAIN].notes(talk, deleted=True)) == 1
    assert len(world.control.notes("dynamics365", elsewhere)) == 1
