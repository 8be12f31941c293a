"""From a press in the inbox to the record in the CRM, once, and the transcript beside it."""

import asyncio
import uuid
from typing import Any

import pytest
from common.catalog import APPS, ActionKind

pytestmark = pytest.mark.integration

DUE = "2026-12-24T09:30:00Z"
ON_A_PERSON = (ActionKind.DEAL, ActionKind.TASK, ActionKind.NOTE)
OFFERED = [(app.key, kind) for app in APPS.values() for kind in ActionKind if kind in app.actions]
_LISTS = {ActionKind.DEAL: "deals", ActionKind.TASK: "activities", ActionKind.NOTE: "notes"}


@pytest.fixture(scope="module")
async def everywhere(world: Any) -> dict[str, Any]:
    """Each app in a workspace of its own, where a search finds nobody for a long while."""
    lagging = {"search_lag_s": 3_600}
    places = await asyncio.gather(*(world.install(app, on=False, **lagging) for app in APPS))
    return {place.app: place for place in places}


@pytest.fixture(scope="module")
async def acting(world: Any) -> Any:
    return await world.install("hubspot", on=False)


def form_of(kind: ActionKind, contact: Any) -> dict[str, str]:
    who = {"name": "Ada Example", "email": contact["email"]}
    match kind:
        case ActionKind.PERSON:
            return who
        case ActionKind.LEAD:
            return who | {"title": "Wants 20 bikes"}
        case ActionKind.DEAL:
            return {"title": "20 bikes"}
        case ActionKind.TASK:
            return {"title": "Call Ada", "due_at": DUE, "text": "About the bikes"}
    return {"text": "Wants 20 bikes, soon"}


def records(place: Any, kind: ActionKind) -> list[dict[str, Any]]:
    """Live ones of this kind, as the simulated CRM keeps them."""
    account = place.world.control.account(place.crm, place.account)
    if kind is ActionKind.LEAD:
        listed = [*account["persons"], *account["deals"]]
    else:
        listed = account[_LISTS.get(kind, "persons")]
    is_lead = kind is ActionKind.LEAD
    return [
        one for one in listed if not one["deleted"] and bool(one["extra"].get("lead")) == is_lead
    ]


@pytest.mark.parametrize(("app", "kind"), OFFERED, ids=lambda value: str(value))
async def test_each_action_makes_its_record_and_syncs_to_its_person(
    everywhere: Any, app: str, kind: ActionKind
) -> None:
    place = everywhere[app]
    contact = place.contact()
    person_id = place.person(contact) if kind in ON_A_PERSON else None
    talk = place.conversation(contact)
    before = {one["id"] for one in records(place, kind)}
    done = await talk.press(kind, form_of(kind, contact), person_id=person_id)
    assert (done["http"], done["state"], done["was_there"]) == (200, "done", False), done
    outcome = await talk.outcome("delivered")
    made = [one for one in records(place, kind) if one["id"] not in before]
    own = [one for one in made if f"[lull {place.workspace}/{talk.id}]" not in one.get("body", "")]
    (record,) = own
    assert done["record_id"].removeprefix("lead.") == record["id"]
    (transcript,) = place.transcripts(talk)
    whose = outcome["person_id"].removeprefix("lead.")
    assert transcript["person_ids"] == [whose]
    if person_id is not None:
        assert whose == person_id == done["person_id"]
    else:
        assert outcome["person_id"] == (done["person_id"] or done["record_id"])


async def test_a_double_click_and_a_redelivery_make_one_record(acting: Any) -> None:
    talk = await acting.talk()
    press = {"action_id": f"dbl-{uuid.uuid4().hex}", "person_id": person_of(acting)}
    ends = await asyncio.gather(
        *(talk.press("deal", {"title": "Twice"}, **press) for _ in range(5))
    )
    ends.append(await talk.press("deal", {"title": "Typed anew"}, **press))
    assert {end["state"] for end in ends} == {"done"}
    assert len({end["record_id"] for end in ends}) == 1
    assert len([deal for deal in records(acting, ActionKind.DEAL) if deal["title"] == "Twice"]) == 1
    assert (await talk.pressed(press["action_id"]))["record_id"] == ends[0]["record_id"]


def person_of(place: Any) -> str:
    """The newest person in the CRM: whoever talks."""
    return str(place.world.control.persons(place.crm, place.account)[-1]["id"])
