"""What a row may have been through before the attempt that is killed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from common.events import CrmPerson, Trigger

from crashing.stage import Stage

_UPDATES = {"hubspot": "PATCH", "pipedrive": "PUT"}


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    prepare: Callable[[Stage, Any], Awaitable[None]]
    periods: int = 1  # that have a live note in the end, under policy `new`
    loses_row: bool = False


async def _first(stage: Stage, talk: Any) -> None:
    await stage.ask(talk)


async def _written(stage: Stage, talk: Any) -> None:
    await stage.ask(talk)
    await stage.rest()


async def _more_said(stage: Stage, talk: Any) -> None:
    await _written(stage, talk)
    talk.reply()
    await stage.ask(talk)


async def _action(stage: Stage, talk: Any) -> None:
    installed = stage.installed
    newest = stage.control.persons(*stage.account)[-1]
    kind = {"hubspot": "contact", "pipedrive": "person"}[stage.place.crm]
    person = CrmPerson(kind=kind, id=newest["id"])
    await stage.ask(
        talk, Trigger.ACTION, app=installed.app, actor_id=installed.admin, person=person
    )


async def _removal(stage: Stage, talk: Any) -> None:
    talk.reply()
    await _written(stage, talk)
    stage.control.redact_part(stage.place.workspace, talk.id, str(talk.part_id))
    await stage.ask(talk, Trigger.REMOVED)


async def _created_unheard(stage: Stage, talk: Any) -> None:
    stage.fail("500_after", method="POST")
    await stage.ask(talk)
    await stage.attempt()


async def _not_created(stage: Stage, talk: Any) -> None:
    stage.fail("500_before", method="POST")
    await stage.ask(talk)
    await stage.attempt()
    await stage.pass_time()
    await stage.attempt()  # the first look


async def _activity_unheard(stage: Stage, talk: Any) -> None:
    stage.fail("500_after", method="POST", path="/activities$")
    await stage.ask(talk)
    await stage.attempt()


async def _surplus(stage: Stage, talk: Any) -> None:
    """A create took effect after both probes: the row is due for healing."""
    await _not_created(stage, talk)
    await stage.pass_time()
    await stage.attempt()
    (note,) = stage.installed.notes(talk)
    stage.control.write_note(*stage.account, note["person_ids"][0], note["body"])


async def _updated_unheard(stage: Stage, talk: Any) -> None:
    await _written(stage, talk)
    talk.reply()
    stage.fail("500_after", method=_UPDATES[stage.place.crm])
    await stage.ask(talk)
    await stage.attempt()


async def _merged(stage: Stage, talk: Any) -> None:
    await _written(stage, talk)
    (note,) = stage.installed.notes(talk)
    into = stage.control.add_person(*stage.account, name="Ada again")
    stage.control.merge_persons(*stage.account, note["person_ids"][0], into["id"])
    talk.reply()
    await stage.ask(talk)


async def _person_deleted(stage: Stage, talk: Any) -> None:
    """Note and activity went with their person, who was added anew."""
    await _written(stage, talk)
    (note,) = stage.installed.notes(talk)
    (old,) = note["person_ids"]
    emails = {one["id"]: one["emails"] for one in stage.control.persons(*stage.account)}
    stage.control.delete_person(*stage.account, old)
    stage.control.add_person(*stage.account, name="Ada anew", email=emails[old][0])
    talk.reply()
    await stage.ask(talk)


async def _deleted(stage: Stage, talk: Any) -> None:
    """People deleted the note, and wrote on."""
    await _written(stage, talk)
    (note,) = stage.installed.notes(talk)
    stage.control.delete_note(*stage.account, note["id"])
    talk.reply()
    await _written(stage, talk)
    talk.reply()
    await stage.ask(talk)


async def _moved(stage: Stage, talk: Any) -> None:
    """It was asked while the connection led to another CRM account."""
    await stage.ask(talk, of_account="9")


SCENARIOS = [
    Scenario("create", _first),
    Scenario("update, or the second period", _more_said, periods=2),
    Scenario("action with its person", _action),
    Scenario("removal", _removal),
    Scenario("created, and not heard", _created_unheard),
    Scenario("not created, and not heard", _not_created),
    Scenario("activity created, and not heard", _activity_unheard),
    Scenario("surplus note", _surplus),
    Scenario("updated, and not heard", _updated_unheard, periods=2),
    Scenario("person merged", _merged, periods=2),
    Scenario("person deleted, and the activity with them", _person_deleted),
    Scenario("note deleted by people", _deleted, periods=2),
    Scenario("connection moved to another account", _moved),
    Scenario("row lost while creating", _first, loses_row=True),
    Scenario("row lost while updating", _more_said, periods=2, loses_row=True),
]
