"""How a settled conversation can end: each outcome, from the event on Kafka to the API."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from common.events import Trigger
from common.outcomes import SENTENCES, Outcome
from devstack.waiting import until

pytestmark = pytest.mark.integration

NOTES = r"/notes$"
YOUNG_S = 3  # such a reply is not quiet yet: what was asked for still waits


async def delivered(world: Any, hubspot: Any) -> Any:
    talk = await hubspot.talk()
    await talk.settle()
    await talk.outcome("delivered")
    return talk


async def updated(world: Any, hubspot: Any) -> Any:
    talk = await delivered(world, hubspot)
    talk.reply("<p>One more question</p>")
    await talk.settle()
    await talk.outcome("updated")
    (note,) = hubspot.notes(talk)
    assert "One more question" in note["body"]
    return talk


async def up_to_date(world: Any, hubspot: Any) -> Any:
    talk = await delivered(world, hubspot)
    await talk.settle(Trigger.MANUAL)
    await talk.outcome("up_to_date")
    return talk


async def already_there(world: Any, hubspot: Any) -> Any:
    installed = await world.install("hubspot")
    world.control.add_fault(
        "hubspot", "500_after", account=installed.account, method="POST", path=NOTES
    )
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("already_there")
    assert len(installed.notes(talk, deleted=True)) == 1
    return talk


async def superseded(world: Any, hubspot: Any) -> Any:
    talk = await hubspot.talk(created_at=int(time.time()) + YOUNG_S)
    await talk.settle()
    talk.reply(created_at=talk.updated_at)
    await talk.settle()
    await talk.outcome("superseded")
    await talk.outcome("delivered")
    return talk


async def handed_over(world: Any, hubspot: Any) -> Any:
    talk = await delivered(world, hubspot)
    (note,) = hubspot.notes(talk)
    world.control.edit_note("hubspot", hubspot.account, note["id"], body="<p>All mine</p>")
    talk.reply()
    await talk.settle()
    await talk.outcome("handed_over")
    return talk


async def left_deleted(world: Any, hubspot: Any) -> Any:
    talk = await delivered(world, hubspot)
    (note,) = hubspot.notes(talk)
    world.control.delete_note("hubspot", hubspot.account, note["id"])
    talk.reply()
    await talk.settle()
    await talk.outcome("left_deleted")
    assert hubspot.notes(talk) == []
    return talk


async def sync_off(world: Any, hubspot: Any) -> Any:
    installed = await world.install("hubspot", on=False)
    talk = await installed.talk()
    await talk.settle()
    await talk.outcome("sync_off")
    assert installed.notes(talk) == []
    return talk


async def not_installed_then(world: Any, hubspot: Any) -> Any:
    return await refused(await hubspot.talk(created_at=1_600_000_000), "not_installed_then")


async def no_active_assignee(world: Any, hubspot: Any) -> Any:
    return await refused(await hubspot.talk(admin_assignee_id=None), "no_active_assignee")


async def team_only(world: Any, hubspot: Any) -> Any:
    talk = await hubspot.talk(admin_assignee_id=None, team_assignee_id="77")
    return await refused(talk, "team_only")


async def actor_not_app_user(world: Any, hubspot: Any) -> Any:
    talk = await hubspot.talk()
    await talk.settle(Trigger.ACTION, app="hubspot", actor_id="5999")
    await talk.outcome("actor_not_app_user")
    assert hubspot.notes(talk) == []
    return talk


async def nobody_spoke(world: Any, hubspot: Any) -> Any:
    """What was announced is gone again, and a bot spoke besides."""
    talk = await hubspot.talk()
    bot = {"type": "bot", "id": "1", "name": "Fin"}
    world.control.add_part(hubspot.workspace, talk.id, bot, body="<p>Hi</p>", notify=False)
    world.control.redact_part(hubspot.workspace, talk.id, "0")
    return await refused(talk, "nobody_spoke")


async def no_person(world: Any, hubspot: Any) -> Any:
    stranger = world.control.add_contact(
        hubspot.workspace, id=f"{1:024}", role="user", email="no@where.example"
    )
    return await refused(hubspot.conversation(stranger), "no_person")


async def several_persons(world: Any, _: Any) -> Any:
    pipedrive = await world.install("pipedrive")
    twins = await pipedrive.customer()
    world.control.add_person("pipedrive", pipedrive.account, name="Twin", email=twins["email"])
    return await refused(pipedrive.conversation(twins), "several_persons")


async def conversation_gone(world: Any, hubspot: Any) -> Any:
    talk = await hubspot.talk()
    world.control.delete_conversation(hubspot.workspace, talk.id)
    return await refused(talk, "conversation_gone")


async def uninstalled(world: Any, hubspot: Any) -> Any:
    installed = await world.install("hubspot")
    talk = await installed.talk(created_at=int(time.time()) + YOUNG_S)
    await talk.settle()

    async def waits() -> bool:
        return bool(await talk.explained())

    await until(waits)
    answer = await installed.operator("DELETE", "")
    assert answer.status_code == 204, answer.text
    await talk.outcome("uninstalled")
    assert installed.notes(talk) == []
    return talk


async def failed(world: Any, hubspot: Any) -> Any:
    installed = await world.install("hubspot")
    world.control.add_fault(
        "hubspot", "echo", account=installed.account, method="POST", path=NOTES, times=None
    )
    talk = await installed.talk()
    await talk.settle()
    assert (await talk.outcome("failed"))["reason"] == "http_400"
    return talk


async def refused(talk: Any, outcome: str) -> Any:
    await talk.settle()
    await talk.outcome(outcome)
    assert talk.installed.notes(talk) == []
    return talk


CASES: dict[Outcome, Callable[[Any, Any], Awaitable[Any]]] = {
    Outcome.DELIVERED: delivered,
    Outcome.UPDATED: updated,
    Outcome.UP_TO_DATE: up_to_date,
    Outcome.ALREADY_THERE: already_there,
    Outcome.SUPERSEDED: superseded,
    Outcome.HANDED_OVER: handed_over,
    Outcome.LEFT_DELETED: left_deleted,
    Outcome.SYNC_OFF: sync_off,
    Outcome.NOT_INSTALLED_THEN: not_installed_then,
    Outcome.NO_ACTIVE_ASSIGNEE: no_active_assignee,
    Outcome.TEAM_ONLY: team_only,
    Outcome.ACTOR_NOT_APP_USER: actor_not_app_user,
    Outcome.NOBODY_SPOKE: nobody_spoke,
    Outcome.NO_PERSON: no_person,
    Outcome.SEVERAL_PERSONS: several_persons,
    Outcome.CONVERSATION_GONE: conversation_gone,
    Outcome.UNINSTALLED: uninstalled,
    Outcome.FAILED: failed,
}
LAST_OF_ALL = {Outcome.SUPERSEDED: Outcome.DELIVERED}  # what answered it is what the API shows


@pytest.fixture(scope="module")
async def ended(world: Any, hubspot: Any) -> AsyncIterator[dict[Outcome, "asyncio.Task[Any]"]]:
    """All cases side by side: most of their time is waiting."""
    tasks = {
        outcome: asyncio.ensure_future(case(world, hubspot)) for outcome, case in CASES.items()
    }
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_it_ends_so_and_the_api_says_it_in_a_sentence(
    outcome: Outcome, ended: dict[Outcome, "asyncio.Task[Any]"], world: Any
) -> None:
    assert outcome in CASES, f"{outcome.name} has no case: how does it come about?"
    talk = await ended[outcome]
    shown = LAST_OF_ALL.get(outcome, outcome)
    (entry,) = (await talk.explained())["deliveries"]
    assert (entry["last"]["outcome"], entry["last"]["sentence"]) == (shown, SENTENCES[shown])
    assert (entry["app"], entry["open"], entry["waiting"]) == (talk.installed.app, [], None)

    url = f"{world.delivery.addresses['api']}/v1/deliveries/{talk.installed.workspace}"
    listed = (await world.client.get(url, params={"outcome": shown, "limit": 500})).json()
    assert entry in [
        {name: value for name, value in one.items() if name != "conversation_id"}
        for one in listed["deliveries"]
        if one["conversation_id"] == talk.id
    ]
