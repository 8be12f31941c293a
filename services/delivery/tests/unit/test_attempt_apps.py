"""Who among the apps that ask is written for, to whom, and who has to wait."""

from dataclasses import replace
from datetime import timedelta

import pytest
from attempting import INSTALLATION, KEY, NOW, SAID, asked, asked_of, talk
from common.catalog import APPS
from common.eligibility import Installation
from common.events import CrmPerson, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.domain.row import (
    Waiting,
    Written,
)
from delivery.ports import (
    Gone,
    TokenRejected,
)


async def test_a_young_reply_holds_up_quiet_but_not_an_action() -> None:
    young = Update(NOW - timedelta(minutes=1), 9)
    world = asked()
    world.conversation = talk(SAID, young)
    await world.attempt()
    assert (world.row.waiting, world.notes) == (Waiting.QUIET, {})
    assert world.row.not_before_quiet == NOW + timedelta(minutes=14)
    world = asked(Trigger.QUIET, Trigger.ACTION)
    world.conversation = talk(SAID, young)
    await world.attempt()
    assert world.outcomes() == [Outcome.SUPERSEDED, Outcome.DELIVERED]
    assert (world.row.requests, world.row.waiting) == ((), None)


async def test_quiet_is_told_by_intercoms_clock_not_by_ours() -> None:
    world = asked()
    world.conversation = talk(SAID, read_at=SAID.updated_at + timedelta(minutes=14))
    await world.attempt()
    assert world.row.waiting is Waiting.QUIET
    assert world.row.not_before_quiet == NOW + timedelta(minutes=1)


async def test_an_announced_reply_that_is_not_shown_is_looked_for_three_times() -> None:
    world = asked()
    world.conversation = talk(replace(SAID, part_id=6))
    waits = []
    for _ in range(3):
        await world.attempt()
        assert world.row.waiting is Waiting.REPLY
        until = world.row.not_before_retry
        assert until is not None
        waits.append((until - world.now).total_seconds())
        world.monotonic += waits[-1]
    assert (len(waits), sum(waits)) == (3, 55)
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]


async def test_an_actions_own_person_is_taken_without_a_search() -> None:
    world = asked(Trigger.ACTION, person=CrmPerson(kind="contact", id="888"))
    world.persons = ["501", "888"]
    await world.attempt()
    assert world.row.known.person_id == "888"
    assert "find_persons" not in world.log


async def test_another_account_on_the_connection_takes_the_requests_over() -> None:
    world = asked()
    world.installation = INSTALLATION.model_copy(update={"crm_account": "42002"})
    await world.attempt()
    assert world.log == ["installation", "move hubspot to 42002"]
    world = asked()  # settings' answer was held; the token already leads elsewhere
    world.row = replace(world.row, key=replace(KEY, crm_account="41999"))
    world.installation = INSTALLATION.model_copy(update={"crm_account": "41999"})
    await world.attempt()
    assert world.log[-1] == "move hubspot to 42001"


async def test_a_lead_is_looked_for_only_where_an_app_that_takes_leads_asks() -> None:
    for apps, outcome in (
        (("dynamics365", "dynamics365-cases"), Outcome.NO_PERSON),
        (("dynamics365-sales", "dynamics365"), Outcome.DELIVERED),
    ):
        world = asked_of(*apps)
        world.persons, world.leads = [], ["lead.7"]
        await world.attempt()
        assert world.outcomes() == [outcome] * 2
        assert ("find_leads" in world.log) is (outcome is Outcome.DELIVERED)


async def test_a_contact_comes_before_a_lead() -> None:
    world = asked_of("dynamics365-sales")
    world.leads = ["lead.7"]
    await world.attempt()
    assert world.row.known.person_id == "501"
    assert "find_leads" not in world.log


async def test_a_lead_that_an_action_made_is_written_to_where_notes_are_for_leads() -> None:
    for app, person_id in (("dynamics365-sales", "lead.7"), ("dynamics365", "501")):
        world = asked_of(app)
        made = replace(world.row.requests[0], person=CrmPerson(kind="lead", id="lead.7"))
        world.row = replace(world.row, requests=(made,))
        world.persons = ["501"] if app == "dynamics365" else ["501", "lead.7"]
        await world.attempt()
        assert world.row.known.person_id == person_id


async def test_one_apps_dead_connection_leaves_the_others_theirs() -> None:
    apps = ("dynamics365", "dynamics365-sales")
    world = asked_of(*apps)
    world.dead = {"dynamics365-sales"}
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED] * 2
    world = asked_of(*apps)
    world.dead = set(apps)
    await world.attempt()
    assert world.row.waiting is Waiting.RECONNECT
    assert world.notes == {}


async def test_one_app_that_is_uninstalled_meanwhile_takes_nothing_from_the_others() -> None:
    """The simulation's seed 9708: all were told that they were uninstalled, and nothing written."""
    world = asked_of("dynamics365", "dynamics365-sales")
    world.fails["crm_access"] = [Gone(), None]
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED, Outcome.UNINSTALLED]


@pytest.mark.parametrize("asking", ["dynamics365", "dynamics365-sales", "dynamics365-cases"])
async def test_apps_that_disagree_on_the_policy_share_one_note_whoever_asks(asking: str) -> None:
    world = asked_of(asking)
    new = INSTALLATION.model_copy(update={"note_policy": "new"})
    world.of_apps = {"dynamics365": new, "dynamics365-sales": new}
    await world.attempt()
    assert world.row.known.note == Written("77", None, SAID)
    world = asked_of(asking)
    elsewhere = INSTALLATION.model_copy(update={"crm_account": "42002"})
    world.of_apps = dict.fromkeys(APPS, new) | {"dynamics365-cases": None}
    if asking == "dynamics365":
        world.of_apps["dynamics365-cases"] = elsewhere  # it writes to notes of its own
    elif asking == "dynamics365-cases":
        world.of_apps["dynamics365-cases"] = new
    await world.attempt()
    assert world.row.known.note == Written("77", SAID.part_id, SAID)


async def test_only_the_app_whose_account_changed_is_moved() -> None:
    world = asked_of("dynamics365", "dynamics365-sales")
    elsewhere = INSTALLATION.model_copy(update={"crm_account": "42002"})
    world.of_apps = {"dynamics365-sales": elsewhere}
    await world.attempt()
    assert world.log[-1] == "move dynamics365-sales to 42002"


async def test_intercoms_refusal_of_the_contact_is_not_taken_for_the_crms() -> None:
    world = asked()
    world.fails["contact"] = [TokenRejected()]
    await world.attempt()
    assert (world.row.waiting, world.row.reason) == (Waiting.RETRY, "intercom_token_rejected")
    assert "crm_access anew" not in world.log


@pytest.mark.parametrize(
    "held",
    [
        None,
        INSTALLATION.model_copy(update={"transcript_sync": False}),
        INSTALLATION.model_copy(update={"installed_at": NOW}),
        INSTALLATION.model_copy(update={"active_app_users": frozenset[str]()}),
    ],
    ids=["not installed", "off", "installed later", "nobody uses it"],
)
async def test_nobody_is_refused_for_what_settings_said_a_minute_ago(
    held: Installation | None,
) -> None:
    world = asked()
    world.installation = held
    world.when["look"] = lambda: setattr(world, "installation", INSTALLATION)
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.log.count("look") == 2  # before refusing, and before the write


async def test_where_nobody_spoke_settings_need_not_be_asked_again() -> None:
    world = asked()
    world.row = replace(world.row, requests=(replace(world.row.requests[0], update=None),))
    world.conversation = replace(talk(), messages=())
    await world.attempt()
    assert world.outcomes() == [Outcome.NOBODY_SPOKE]
    assert "look" not in world.log
