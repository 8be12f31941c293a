"""The order of an attempt's steps: what is looked at, saved and sent, and what failures mean."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attempting import INSTALLATION, NOW, SAID, World, asked, noted
from common.events import Trigger
from common.outcomes import Outcome
from delivery.domain.note import Marker
from delivery.domain.row import (
    Known,
    Lost,
    Request,
    UnknownWrite,
    Waiting,
    Written,
)
from delivery.ports import (
    GiveUp,
    Gone,
    Paused,
    ReconnectNeeded,
    RetryLater,
    SettingsAway,
    TokenRejected,
    UnknownEnd,
)


async def test_first_the_permit_then_unknown_write_then_settings_then_the_note() -> None:
    world = asked()
    await world.attempt()
    assert world.log == [
        "installation",
        "intercom_access",
        "conversation",
        "crm_access",
        "contact",
        "find_persons",
        "teammate",
        "user",
        "permit",
        "save unknown",
        "look",
        "create_note",
        "finish",
    ]
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.owner == "7"
    known = world.row.known
    assert (known.note, known.unknown_note) == (Written("77", None, SAID), None)


async def test_off_by_the_last_look_sends_nothing_and_clears_unknown_write() -> None:
    world = asked()
    off = INSTALLATION.model_copy(update={"transcript_sync": False})
    world.when["look"] = lambda: setattr(world, "installation", off)
    await world.attempt()
    assert (world.outcomes(), world.notes) == ([Outcome.SYNC_OFF], {})
    assert world.row.known.unknown_note is None


async def test_a_look_older_than_a_second_is_taken_again() -> None:
    world = asked()
    world.late_looks = 2
    await world.attempt()
    assert (world.log.count("look"), world.outcomes()) == (3, [Outcome.DELIVERED])
    world = asked()
    world.late_looks = 3
    await world.attempt()
    assert (world.notes, world.row.reason) == ({}, "look_too_slow")


async def test_a_lease_shorter_than_the_call_sends_nothing() -> None:
    world = asked()
    await world.attempt(lease_s=19)
    assert world.notes == {}
    assert (world.row.waiting, world.row.reason) == (Waiting.RETRY, "lease_too_short")
    assert world.row.known.unknown_note is None


async def test_a_write_without_a_permit_is_not_even_announced() -> None:
    world = asked()
    world.row = replace(world.row, attempts=3, failing_since=NOW)
    world.fails["permit"] = [Paused("rate_limit.calls", timedelta(seconds=30))]
    result = await world.attempt()
    assert "save unknown" not in world.log
    assert (world.row.waiting, world.row.reason) == (Waiting.PAUSED, "rate_limit.calls")
    assert (world.row.attempts, world.row.failing_since) == (3, NOW)  # it is no failure
    assert world.row.not_before_retry is not None
    assert world.row.not_before_retry >= NOW + timedelta(seconds=30)
    assert result is not None
    assert result.wait is not None
    assert result.wait.holds_connection


@pytest.mark.parametrize(
    ("error", "kept", "waiting"),
    [
        (UnknownEnd("timeout"), True, Waiting.RETRY),
        (RetryLater("http_429", timedelta(seconds=30)), False, Waiting.RETRY),
        (ReconnectNeeded("revoked"), False, Waiting.RECONNECT),
        (GiveUp("http_400"), False, None),
    ],
)
async def test_only_an_unknown_end_keeps_unknown_write(
    error: Exception, kept: bool, waiting: Waiting | None
) -> None:
    world = asked()
    world.fails["create_note"] = [error]
    await world.attempt()
    assert (world.row.known.unknown_note is not None) is kept
    assert world.row.waiting is waiting
    assert world.outcomes() == ([Outcome.FAILED] if waiting is None else [])


async def test_an_unknown_end_is_probed_when_it_must_be_visible_and_then_adopted() -> None:
    world = asked()
    world.fails["create_note"] = [UnknownEnd("timeout")]
    await world.attempt()
    sent = world.row.known.unknown_note
    assert sent is not None
    await world.attempt()
    assert world.row.waiting is Waiting.PROBE
    assert world.row.not_before_retry == sent.started_at + timedelta(seconds=30)
    world.notes["70"] = f"<p>{Marker('wk1', '1')} x</p><p>{Marker('wk1', '1')}</p>"
    world.monotonic += 31
    await world.attempt()
    assert world.outcomes() == [Outcome.ALREADY_THERE]
    assert world.row.known.note == Written("70", None, SAID)
    assert world.row.known.heal_at is not None
    assert "create_note" not in world.log[world.log.index("finish") :]


async def test_only_the_second_empty_probe_allows_another_create() -> None:
    world = asked(known=Known(unknown_note=UnknownWrite("501", None, NOW, SAID)))
    world.monotonic += 31
    await world.attempt()
    assert (world.row.waiting, world.notes) == (Waiting.PROBE, {})
    unknown = world.row.known.unknown_note
    assert unknown is not None
    assert unknown.probes == 1
    world.monotonic += 11
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.log.count("notes_marked") == 2
    assert world.row.known.heal_at is not None


async def test_a_removal_never_creates_a_note_not_even_after_a_probe() -> None:
    world = asked(Trigger.REMOVED, known=Known(unknown_note=UnknownWrite("501", None, NOW)))
    for _ in range(2):
        world.monotonic += 31
        await world.attempt()
    assert (world.outcomes(), world.notes) == ([Outcome.UP_TO_DATE], {})


async def test_a_removal_rewrites_a_note_that_is_otherwise_up_to_date() -> None:
    world = asked()
    await world.attempt()
    request = Request(2, Trigger.REMOVED, "hubspot", NOW)
    world.row = replace(world.row, wanted=2, requests=(request,), outcomes=())
    (said,) = world.conversation.messages
    removed = replace(said, text="", redacted=True, update=None)
    world.conversation = replace(world.conversation, messages=(removed,))
    await world.attempt()
    assert world.outcomes() == [Outcome.UPDATED]
    assert "(message removed)" in world.notes["77"]
    world.row = replace(world.row, requests=(request,), outcomes=())
    world.fails["conversation"] = [Gone()]
    await world.attempt()
    assert world.outcomes() == [Outcome.CONVERSATION_GONE]
    assert "77" in world.notes


@pytest.mark.parametrize("trigger", [Trigger.QUIET, Trigger.MANUAL])
async def test_a_removal_is_carried_out_though_another_request_beside_it_is_up_to_date(
    trigger: Trigger,
) -> None:
    """The simulation's seed 8496: an older text had landed late, and was not written over."""
    world = asked(Trigger.REMOVED, trigger)
    world.row = replace(world.row, known=replace(noted(world), note=Written("77", None, SAID)))
    world.notes["77"] = f"<p>{Marker('wk1', '1')} older</p><p>text {Marker('wk1', '1')}</p>"
    await world.attempt()
    assert world.outcomes() == [Outcome.SUPERSEDED, Outcome.UPDATED]
    assert "hello" in world.notes["77"]


async def test_nothing_is_written_where_only_the_clock_moved_on() -> None:
    world = asked()
    await world.attempt()
    request = Request(2, Trigger.REMOVED, "hubspot", NOW)
    world.row = replace(world.row, wanted=2, requests=(request,), outcomes=())
    world.conversation = replace(world.conversation, read_at=NOW + timedelta(hours=1))
    await world.attempt()
    assert world.outcomes() == [Outcome.ALREADY_THERE]
    assert "update_note" not in world.log


@pytest.mark.parametrize("known", [False, True])
async def test_a_switch_at_any_step_of_an_attempt_counts_until_the_request_is_sent(
    known: bool,
) -> None:
    """Promise 7: what is sent was allowed by an answer of settings of the last second."""

    def prepared() -> World:
        world = asked()
        if known:
            world.row = replace(world.row, known=noted(world))
            world.notes["77"] = f"<p>{Marker('wk1', '1')} x</p><p>x {Marker('wk1', '1')}</p>"
        return world

    unhurried = prepared()
    await unhurried.attempt()
    steps, write = unhurried.log, "update_note" if known else "create_note"
    ends = []
    for flipped_at in range(len(steps)):
        world = prepared()
        off = INSTALLATION.model_copy(update={"transcript_sync": False})

        def step(name: str, world: World = world, at: int = flipped_at, off: Any = off) -> None:
            world.monotonic += 0.3
            if len(world.log) == at + 1:
                world.installation = off
            if name == write:
                last_look = len(world.log) - 1 - world.log[::-1].index("look")
                assert at >= last_look
                assert len(world.log) - last_look <= 3  # steps of 0.3 s

        for name in set(steps):
            world.when[name] = partial(step, name)
        await world.attempt()
        assert world.outcomes() in ([Outcome.SYNC_OFF], [unhurried.outcomes()[0]])
        assert world.row.known.unknown_note is None
        ends.append(write in world.log)
    # Off before the last answer: never sent. Off behind it: the request is on its way.
    assert ends == [place > steps.index("look") for place in range(len(steps))]


async def test_a_refused_token_is_renewed_once_and_then_waits_for_a_reconnect() -> None:
    world = asked()
    world.fails["find_persons"] = [TokenRejected(), None]
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.log.count("crm_access anew") == 1
    world = asked()
    world.fails["find_persons"] = [TokenRejected(), TokenRejected()]
    await world.attempt()
    assert world.row.waiting is Waiting.RECONNECT
    world = asked()
    world.fails["conversation"] = [TokenRejected(), TokenRejected()]
    await world.attempt()
    assert (world.row.waiting, world.log.count("intercom_access anew")) == (Waiting.RECONNECT, 1)


async def test_a_person_gone_between_look_and_write_is_looked_up_once_more() -> None:
    world = asked()
    world.fails["create_note"] = [Gone(), None]
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    world = asked()
    world.fails["create_note"] = [Gone(), Gone()]
    await world.attempt()
    assert world.outcomes() == [Outcome.FAILED]
    assert world.row.known.unknown_note is None


async def test_settings_away_waits_without_counting_as_a_failure() -> None:
    world = asked()
    world.fails["installation"] = [SettingsAway("settings_unreachable")]
    await world.attempt()
    assert (world.row.waiting, world.row.attempts) == (Waiting.SETTINGS, 0)


async def test_a_surprise_is_retried_and_given_up_after_three_days() -> None:
    world = asked()
    world.fails["conversation"] = [KeyError("x")]
    await world.attempt()
    assert (world.row.waiting, world.row.reason) == (Waiting.RETRY, "internal_error")
    world.fails["conversation"] = [RetryLater("http_503")]
    world.monotonic += timedelta(days=3).total_seconds()
    await world.attempt()
    assert world.outcomes() == [Outcome.FAILED]
    assert world.row.outcomes[0].reason == "retried_in_vain.http_503"


async def test_a_note_taken_over_by_people_is_left_alone() -> None:
    world = asked()
    world.row = replace(world.row, known=noted(world))
    world.notes["77"] = "all mine now"
    await world.attempt()
    assert (world.outcomes(), world.notes) == ([Outcome.HANDED_OVER], {"77": "all mine now"})
    assert (world.row.known.lost, world.row.known.note) == (Lost.HANDED_OVER, None)
