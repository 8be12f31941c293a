"""Intercom: what a conversation is in our words, against the simulator."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from delivery.adapters.intercom import conversation_link
from delivery.ports import Gone, RetryLater, TokenRejected, UnknownEnd

BOT = {"type": "bot", "id": "b1", "name": "Fin"}
OTHER_CUSTOMER = "67a0c0ffee00000000000002"
FAILING = ["500_before", "html_502", "cut_body", "timeout", "slow", "trickle", "reset"]


async def test_a_conversation_is_read_as_plain_text_opening_first(workspace: Any) -> None:
    conversation = workspace.opened("<p>Is 1 &lt; 2 &amp; 3?</p>", created_at=1795000000)
    workspace.said(conversation, workspace.by_teammate, body="<p>Yes</p>", created_at=1795000060)
    read = await workspace.read(conversation)
    assert [m.text for m in read.messages] == ["Is 1 < 2 & 3?", "Yes"]
    assert [m.author_kind for m in read.messages] == ["user", "admin"]
    assert [m.author_name for m in read.messages] == ["Ada Example", "Sam Agent"]
    assert read.messages[0].part_id == 0
    assert read.messages[0].sent_at == datetime.fromtimestamp(1795000000, UTC)
    assert read.id == conversation
    assert read.workspace_id == workspace.id
    assert read.channel == "conversation"
    assert read.omitted == 0
    assert read.newest_update.updated_at == datetime.fromtimestamp(1795000060, UTC)


async def test_the_opening_stays_first_even_within_its_own_second(workspace: Any) -> None:
    conversation = workspace.opened(created_at=1795000000)
    for body in ("<p>one</p>", "<p>two</p>"):
        workspace.said(conversation, workspace.by_customer, body=body, created_at=1795000000)
    assert [m.text for m in (await workspace.read(conversation)).messages] == [
        "Hello",
        "one",
        "two",
    ]


async def test_it_was_read_at_intercoms_own_time(workspace: Any) -> None:
    conversation = workspace.opened()
    workspace.control.advance_clock(3600)
    now = datetime.fromtimestamp(workspace.control.advance_clock(0), UTC)
    read_at = (await workspace.read(conversation)).read_at
    assert abs(now - read_at) < timedelta(seconds=3)


async def test_internal_notes_and_bare_events_are_left_out(workspace: Any) -> None:
    conversation = workspace.opened()
    for part_type in ("note", "note_and_reopen", "note_and_unsnooze"):
        workspace.said(conversation, workspace.by_teammate, part_type=part_type, body="<p>psst</p>")
    for part_type in ("assignment", "close", "open", "snoozed"):
        workspace.said(conversation, workspace.by_teammate, part_type=part_type)
    assert [m.text for m in (await workspace.read(conversation)).messages] == ["Hello"]


async def test_replies_that_assign_or_close_are_messages_and_updates(workspace: Any) -> None:
    conversation = workspace.opened()
    for part_type in ("assignment", "close", "quick_reply"):
        workspace.said(conversation, workspace.by_teammate, part_type=part_type, body="<p>ok</p>")
    read = await workspace.read(conversation)
    assert [m.text for m in read.messages] == ["Hello", "ok", "ok", "ok"]
    assert all(m.update for m in read.messages)


async def test_bots_are_shown_and_are_no_updates(workspace: Any) -> None:
    conversation = workspace.opened()
    workspace.said(conversation, BOT, body="<p>I am a bot</p>")
    workspace.said(conversation, {**workspace.by_teammate, "from_ai_agent": True}, body="<p>AI</p>")
    first, bot, ai = (await workspace.read(conversation)).messages
    assert (first.update is None, bot.update, ai.update) == (False, None, None)
    assert (bot.author_kind, bot.author_name) == ("bot", "Fin")
    assert ai.author_kind == "bot"


async def test_a_campaign_in_a_teammates_name_is_not_a_teammate(workspace: Any) -> None:
    conversation = workspace.opened(
        "<p>Sale</p>", author=workspace.by_teammate, delivered_as="campaigns_initiated"
    )
    read = await workspace.read(conversation)
    assert read.messages[0].author_kind == "bot"
    assert read.newest_update is None
    assert read.assignee_id is None


async def test_redacted_messages_say_so_and_keep_nothing(workspace: Any) -> None:
    conversation = workspace.opened("<p>my card is 4242</p>")
    part = workspace.said(conversation, workspace.by_customer, body="<p>my pin is 1</p>")
    for redacted in ("0", part):
        workspace.control.redact_part(workspace.id, conversation, redacted)
    messages = (await workspace.read(conversation)).messages
    assert [(m.redacted, m.text, m.attachments) for m in messages] == [(True, "", ())] * 2


async def test_attachments_come_by_name(workspace: Any) -> None:
    conversation = workspace.opened("")
    files = [{"name": "a.pdf", "url": "https://files.example/a.pdf?signed"}]
    workspace.said(conversation, workspace.by_customer, attachments=files)
    [message] = (await workspace.read(conversation)).messages
    assert message.attachments == ("a.pdf",)
    assert message.update is not None


async def test_over_500_parts_the_rest_is_counted(workspace: Any) -> None:
    conversation = workspace.opened()
    for number in range(510):
        workspace.said(conversation, workspace.by_customer, body=f"<p>{number}</p>")
    read = await workspace.read(conversation)
    assert read.omitted == 10
    assert len(read.messages) == 501
    assert (read.messages[0].text, read.messages[1].text, read.messages[-1].text) == (
        "Hello",
        "10",
        "509",
    )


@pytest.mark.parametrize(
    ("how", "assignee", "team"),
    [
        ({}, None, False),
        ({"admin_assignee_id": "5001"}, "5001", False),
        ({"team_assignee_id": "77"}, None, True),
        ({"admin_assignee_id": "5001", "team_assignee_id": "77"}, "5001", True),
    ],
)
async def test_the_assignee_is_the_teammate_whatever_the_team_says(
    workspace: Any, how: Any, assignee: Any, team: Any
) -> None:
    read = await workspace.read(workspace.opened(**how))
    assert (read.assignee_id, read.team_assigned) == (assignee, team)


@pytest.mark.parametrize(("how", "assignee"), [({}, "5001"), ({"team_assignee_id": "77"}, None)])
async def test_a_direct_message_nobody_was_assigned_is_its_senders(
    workspace: Any, how: Any, assignee: Any
) -> None:
    read = await workspace.read(
        workspace.opened(author=workspace.by_teammate, delivered_as="admin_initiated", **how)
    )
    assert read.assignee_id == assignee
    assert read.contact_ids == (workspace.customer,)


async def test_of_a_group_the_one_who_opened_it_comes_first(workspace: Any) -> None:
    opener = {"type": "lead", "id": OTHER_CUSTOMER}
    contacts = [workspace.customer, OTHER_CUSTOMER]
    read = await workspace.read(workspace.opened(author=opener, contacts=contacts))
    assert read.contact_ids == (OTHER_CUSTOMER, workspace.customer)
    read = await workspace.read(workspace.opened(author=workspace.by_teammate, contacts=contacts))
    assert read.contact_ids == (workspace.customer, OTHER_CUSTOMER)


async def test_an_address_used_as_a_name_is_not_shown(workspace: Any) -> None:
    conversation = workspace.opened(author={"type": "lead", "id": OTHER_CUSTOMER})
    workspace.said(
        conversation, {**workspace.by_teammate, "name": "sam@example.org"}, body="<p>x</p>"
    )
    names = [m.author_name for m in (await workspace.read(conversation)).messages]
    assert names == ["Customer", "Teammate"]


async def test_a_contact_comes_with_address_and_phone_as_crms_know_them(workspace: Any) -> None:
    read = workspace.intercom.contact
    ada = await read(workspace.access, workspace.customer, workspace.deadline)
    assert ada.emails == ("ada@example.com",)
    assert ada.phones == ("+4315125000",)
    ben = await read(workspace.access, OTHER_CUSTOMER, workspace.deadline)
    assert ben.phones == ()  # without its country code it is nobody's number


async def test_what_does_not_exist_is_gone(workspace: Any) -> None:
    with pytest.raises(Gone):
        await workspace.read("999999999999")
    workspace.control.merge_contact(workspace.id, workspace.customer, OTHER_CUSTOMER)
    with pytest.raises(Gone):
        await workspace.intercom.contact(workspace.access, workspace.customer, workspace.deadline)


async def test_a_revoked_token_is_refused(workspace: Any) -> None:
    conversation = workspace.opened()
    workspace.control.revoke_intercom_tokens(workspace.id)
    with pytest.raises(TokenRejected):
        await workspace.read(conversation)


@pytest.mark.parametrize("kind", FAILING)
async def test_a_failing_intercom_is_asked_later(workspace: Any, kind: Any) -> None:
    conversation = workspace.opened()
    workspace.control.add_fault("intercom", kind, account=workspace.id, times=None)
    hurried = replace(workspace, deadline=timedelta(milliseconds=200))
    with pytest.raises(RetryLater) as failed:
        await hurried.read(conversation)
    assert not isinstance(failed.value, UnknownEnd)


async def test_a_rate_limit_is_waited_out_by_intercoms_own_clock(workspace: Any) -> None:
    conversation = workspace.opened()
    workspace.control.add_fault("intercom", "429", account=workspace.id)
    with pytest.raises(RetryLater) as limited:
        await workspace.read(conversation)
    wait = limited.value.retry_after
    assert wait is not None
    assert timedelta(0) < wait <= timedelta(seconds=12)


def test_the_link_opens_the_conversation_in_the_workspaces_region(workspace: Any) -> None:
    assert conversation_link(workspace.access, "12") == (
        f"https://app.eu.intercom.com/a/inbox/{workspace.id}/inbox/conversation/12"
    )
