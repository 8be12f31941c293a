"""From a settled event on the real Kafka to a note in the (simulated) CRM, and why not."""

import asyncio
from typing import Any

import pytest
from common.events import CrmPerson, Trigger
from common.outcomes import SENTENCES, Outcome

pytestmark = pytest.mark.integration


async def test_a_settled_conversation_becomes_a_note(hubspot: Any) -> None:
    talk = await hubspot.talk()
    await talk.settle()
    outcome = await talk.outcome("delivered")
    (note,) = hubspot.notes(talk)
    assert note["id"] == outcome["note_id"]
    assert note["person_ids"] == [outcome["person_id"]]
    assert outcome["updated_at"] == talk.updated_at

    explained = await talk.explained()
    (entry,) = explained["deliveries"]
    assert entry["last"]["outcome"] == "delivered"
    assert entry["last"]["sentence"] == SENTENCES[Outcome.DELIVERED]
    assert (entry["open"], entry["waiting"]) == ([], None)


async def test_a_hundred_redelivered_events_make_one_note_and_one_outcome(
    hubspot: Any, world: Any
) -> None:
    talk, later = await hubspot.talk(), await hubspot.talk()
    event = talk.event()
    await asyncio.gather(*(world.publish(event) for _ in range(100)))
    await talk.outcome("delivered")
    await later.settle()
    await later.outcome("delivered")
    assert len(hubspot.notes(talk, deleted=True)) == 1
    assert [seen for seen in world.seen if seen["conversation_id"] == talk.id] == []


async def test_pipedrive_gets_a_note_and_an_activity_kept_up_to_date(pipedrive: Any) -> None:
    talk = await pipedrive.talk()
    await talk.settle()
    outcome = await talk.outcome("delivered")
    (note,), (activity,) = pipedrive.notes(talk), pipedrive.activities(talk)
    assert (note["id"], activity["id"]) == (outcome["note_id"], outcome["activity_id"])
    talk.reply("<p>One more question</p>")
    await talk.settle()
    await talk.outcome("updated")
    (note,), (activity,) = pipedrive.notes(talk), pipedrive.activities(talk)
    assert "One more question" in note["body"]
    assert "One more question" in activity["body"]
    talk.reply("<p>And a last one</p>")
    await talk.settle()
    await talk.settle()  # said twice
    await talk.outcome("updated")
    # What an automation in the CRM sees: one added event, then one for each quiet period.
    happened = pipedrive.world.control.account("pipedrive", pipedrive.account)["events"]
    assert [(event["event"], event["id"]) for event in happened] == [
        ("activity.added", activity["id"]),
        ("activity.updated", activity["id"]),
        ("activity.updated", activity["id"]),
    ]


@pytest.mark.parametrize("app", ["keap", "salesloft"])
async def test_a_plain_text_crm_gets_a_note_that_is_kept_up_to_date(world: Any, app: str) -> None:
    installed = await world.install(app)
    talk = await installed.talk()
    await talk.settle()
    outcome = await talk.outcome("delivered")
    talk.reply("<p>One <b>more</b> question</p>")
    await talk.settle()
    await talk.outcome("updated")
    (note,) = installed.notes(talk)
    assert (note["id"], note["revision"]) == (outcome["note_id"], 2)
    assert "One more question" in note["body"]
    assert "<" not in note["body"]


async def test_an_action_writes_at_once_to_its_own_person_with_sync_off(world: Any) -> None:
    installed = await world.install("hubspot", on=False)
    talk = await installed.talk()
    person = world.control.add_person("hubspot", installed.account, name="New", email="n@x.org")
    await talk.settle(
        Trigger.ACTION,
        app="hubspot",
        actor_id=installed.admin,
        person=CrmPerson(kind="contact", id=person["id"]),
    )
    await talk.outcome("delivered")
    (note,) = installed.notes(talk)
    assert note["person_ids"] == [person["id"]]

    talk.reply("<p>later</p>")
    await talk.settle()
    await talk.outcome("sync_off")
    assert "later" not in installed.notes(talk)[0]["body"]

    await talk.settle(Trigger.ACTION, app="hubspot", actor_id="5999")
    await talk.outcome("actor_not_app_user")
    await talk.settle(Trigger.MANUAL)
    await talk.outcome("updated")
    await talk.settle(Trigger.MANUAL)
    await talk.outcome("up_to_date")


async def test_peoples_edits_and_deletions_are_respected(hubspot: Any, world: Any) -> None:
    edited, taken, deleted = [await hubspot.talk() for _ in range(3)]
    for talk in (edited, taken, deleted):
        await talk.settle()
    for talk in (edited, taken, deleted):
        await talk.outcome("delivered")
    account = ("hubspot", hubspot.account)
    control = world.control
    control.edit_note(*account, hubspot.notes(edited)[0]["id"], prepend="<p>Mine!</p>")
    note_taken = hubspot.notes(taken)[0]["id"]
    control.edit_note(*account, note_taken, body="<p>All mine</p>")
    control.delete_note(*account, hubspot.notes(deleted)[0]["id"])
    for talk in (edited, taken, deleted):
        talk.reply()
        await talk.settle()
    await edited.outcome("updated")
    await taken.outcome("handed_over")
    await deleted.outcome("left_deleted")
    assert "Mine!" in hubspot.notes(edited)[0]["body"]
    assert hubspot.notes(deleted) == []
    for talk in (taken, deleted):
        talk.reply()
        await talk.settle()
        await talk.outcome("delivered")
        assert len(hubspot.notes(talk)) == 1
    stored = {note["id"]: note["body"] for note in control.notes(*account)}
    assert "All mine" in stored[note_taken]


async def test_a_merged_person_is_followed(hubspot: Any, world: Any) -> None:
    talk = await hubspot.talk()
    await talk.settle()
    person = (await talk.outcome("delivered"))["person_id"]
    other = world.control.add_person("hubspot", hubspot.account, name="Other", email="o@x.org")
    world.control.delete_note("hubspot", hubspot.account, hubspot.notes(talk)[0]["id"])
    world.control.merge_persons("hubspot", hubspot.account, person, other["id"])
    talk.reply()
    await talk.settle()
    await talk.outcome("delivered")
    (note,) = hubspot.notes(talk)
    assert note["person_ids"] == [other["id"]]


async def test_policy_new_makes_one_note_per_period(world: Any) -> None:
    installed = await world.install("hubspot")
    await installed.operator("PATCH", "/options", {"note_policy": "new"})
    talk = await installed.talk(body="<p>My card is 4111</p>")
    await talk.settle()
    await talk.outcome("delivered")
    # More than a quiet period later another period starts; the action and the quiet event share it.
    talk.reply(created_at=talk.updated_at + 3)
    await talk.settle(Trigger.ACTION, app="hubspot", actor_id=installed.admin)
    await talk.outcome("delivered")
    talk.reply(created_at=talk.updated_at)
    await talk.settle()
    await talk.outcome("updated")
    assert ["4111" in note["body"] for note in installed.notes(talk)] == [True, True]
    world.control.redact_part(installed.workspace, talk.id, "0")
    await talk.settle(Trigger.REMOVED)
    await talk.outcome("updated")
    assert ["4111" in note["body"] for note in installed.notes(talk)] == [False, False]


async def test_a_removal_reaches_older_notes_though_people_deleted_the_latest(world: Any) -> None:
    installed = await world.install("hubspot")
    await installed.operator("PATCH", "/options", {"note_policy": "new"})
    talk = await installed.talk(body="<p>My card is 4111</p>")
    await talk.settle()
    await talk.outcome("delivered")
    talk.reply(created_at=talk.updated_at + 3)
    await talk.settle(Trigger.MANUAL)
    await talk.outcome("delivered")
    world.control.delete_note("hubspot", installed.account, installed.notes(talk)[-1]["id"])
    world.control.redact_part(installed.workspace, talk.id, "0")
    await talk.settle(Trigger.REMOVED)
    await talk.outcome("updated")
    (older,) = installed.notes(talk)
    assert "4111" not in older["body"]


async def test_note_and_activity_that_went_with_their_person_are_made_again(world: Any) -> None:
    pipedrive = await world.install("pipedrive")
    customer = await pipedrive.customer()
    talk = pipedrive.conversation(customer)
    await talk.settle()
    person = (await talk.outcome("delivered"))["person_id"]
    world.control.delete_person("pipedrive", pipedrive.account, person)
    assert pipedrive.notes(talk) + pipedrive.activities(talk) == []
    anew = pipedrive.person(customer)
    talk.reply()
    await talk.settle()
    await talk.outcome("delivered")
    ((note,), (activity,)) = pipedrive.notes(talk), pipedrive.activities(talk)
    assert note["person_ids"] == activity["person_ids"] == [anew]
    # One that people delete is theirs all the same.
    world.control.delete_activity("pipedrive", pipedrive.account, activity["id"])
    talk.reply()
    await talk.settle()
    await talk.outcome("updated")
    assert pipedrive.activities(talk) == []


async def test_unusable_records_are_set_aside_and_the_next_is_served(
    hubspot: Any, world: Any
) -> None:
    talk = await hubspot.talk()
    kind = [("ce_type", b"lull.ConversationSettled.v1")]
    bad: list[tuple[bytes | None, Any]] = [
        (b"not json", kind),
        (b'{"workspace_id": "w"}', kind),
        (b'{"workspace_id": "\\ud800", "conversation_id": "1", "trigger": "manual"}', kind),
        (None, kind),
        (b"x" * 900_000, kind),
        (b"{}", [("ce_type", b"lull.ConversationSettled.v9")]),
        (b"{}", [("ce_type", b"\xff\xfe"), ("content-type", b"\xff")]),
        (b"", [("ce_type", b"lull.Tick.v1")]),
        (talk.event().to_json(), [("reply_to", b"elsewhere"), ("ce_type", kind[0][1])]),
    ]
    for value, headers in bad:
        await world.publish_raw(value, key=b"poison", headers=headers)
    await talk.outcome("delivered")
    assert world.delivery.process.is_running()
