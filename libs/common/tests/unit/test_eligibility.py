"""The trigger table, every cell: which demand binds which trigger."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.eligibility import (
    ConversationFacts,
    Installation,
    refused_by_conversation,
    refused_by_settings,
)
from common.events import Trigger
from common.outcomes import SENTENCES, Outcome

INSTALLED_AT = datetime(2026, 11, 1, tzinfo=UTC)
LATER = INSTALLED_AT + timedelta(seconds=1)
TRIGGERS = list(Trigger)

# Rows: what is wrong. Columns: the triggers that mind, and what they answer.
TABLE: dict[str, dict[str, Outcome]] = {
    "toggle off": {"quiet": Outcome.SYNC_OFF, "backfill": Outcome.SYNC_OFF},
    "not updated after install": {
        "quiet": Outcome.NOT_INSTALLED_THEN,
        "manual": Outcome.NOT_INSTALLED_THEN,
    },
    "unassigned": dict.fromkeys(
        ("quiet", "action", "manual", "backfill"), Outcome.NO_ACTIVE_ASSIGNEE
    ),
    "team only": dict.fromkeys(("quiet", "action", "manual", "backfill"), Outcome.TEAM_ONLY),
    "assignee is no app user": dict.fromkeys(
        ("quiet", "action", "manual", "backfill"), Outcome.NO_ACTIVE_ASSIGNEE
    ),
    "actor is no app user": {"action": Outcome.ACTOR_NOT_APP_USER},
    "nobody spoke": {"quiet": Outcome.NOBODY_SPOKE, "backfill": Outcome.NOBODY_SPOKE},
    "nothing": {},
}


def installation(**changes: Any) -> Installation:
    known: dict[str, Any] = {
        "workspace_id": "ws",
        "app": "hubspot",
        "version": 1,
        "installed_at": INSTALLED_AT,
        "transcript_sync": True,
        "active_app_users": frozenset({"5001"}),
        "all_conversations": False,
        "note_policy": "update",
        "time_zone": "UTC",
        "crm_account": "42001",
        "reconnect_needed": False,
    }
    return Installation(**(known | changes))


GOOD = ConversationFacts(
    last_updated_at=LATER, last_message_at=LATER, assignee_id="5001", team_assigned=False
)


def judged(
    trigger: Trigger, known: Installation, facts: ConversationFacts, actor_id: str | None
) -> Outcome | None:
    return refused_by_settings(trigger, known) or refused_by_conversation(
        trigger, known, facts, actor_id
    )


def situation(wrong: str) -> tuple[Installation, ConversationFacts, str | None]:
    match wrong:
        case "toggle off":
            return installation(transcript_sync=False), GOOD, "5001"
        case "not updated after install":
            facts = replace(GOOD, last_updated_at=INSTALLED_AT, last_message_at=INSTALLED_AT)
            return installation(), facts, "5001"
        case "unassigned":
            return installation(), replace(GOOD, assignee_id=None), "5001"
        case "team only":
            return installation(), replace(GOOD, assignee_id=None, team_assigned=True), "5001"
        case "assignee is no app user":
            return installation(), replace(GOOD, assignee_id="5002"), "5001"
        case "actor is no app user":
            return installation(), GOOD, "5002"
        case "nobody spoke":
            return installation(), replace(GOOD, last_updated_at=None), "5001"
    return installation(), GOOD, "5001"


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("wrong", TABLE)
def test_cell_of_the_trigger_table(wrong: str, trigger: Trigger) -> None:
    assert judged(trigger, *situation(wrong)) == TABLE[wrong].get(trigger)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_not_installed_is_told_whatever_the_trigger(trigger: Trigger) -> None:
    assert refused_by_settings(trigger, None) is Outcome.UNINSTALLED


@pytest.mark.parametrize("trigger", [Trigger.QUIET, Trigger.MANUAL])
def test_an_update_in_the_second_of_the_install_is_not_after_it(trigger: Trigger) -> None:
    facts = replace(GOOD, last_updated_at=INSTALLED_AT)
    assert judged(trigger, installation(), facts, None) is Outcome.NOT_INSTALLED_THEN


def test_manual_goes_by_the_last_message_where_no_person_spoke() -> None:
    facts = replace(GOOD, last_updated_at=None)
    assert judged(Trigger.MANUAL, installation(), facts, None) is None
    before = replace(facts, last_message_at=INSTALLED_AT)
    assert judged(Trigger.MANUAL, installation(), before, None) is Outcome.NOT_INSTALLED_THEN


def test_a_teammate_and_a_team_together_count_as_the_teammate() -> None:
    assert judged(Trigger.QUIET, installation(), replace(GOOD, team_assigned=True), None) is None


@pytest.mark.parametrize("wrong", ["unassigned", "team only", "assignee is no app user"])
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_all_conversations_waives_the_assigned_app_user(trigger: Trigger, wrong: str) -> None:
    _, facts, actor = situation(wrong)
    assert judged(trigger, installation(all_conversations=True), facts, actor) is None


def test_all_conversations_does_not_make_an_actor_of_anybody() -> None:
    known = installation(all_conversations=True)
    assert judged(Trigger.ACTION, known, GOOD, "5002") is Outcome.ACTOR_NOT_APP_USER
    assert judged(Trigger.ACTION, known, GOOD, None) is Outcome.ACTOR_NOT_APP_USER


def test_an_uninstalled_user_list_means_that_nobody_is_active() -> None:
    known = installation(active_app_users=frozenset())
    assert judged(Trigger.QUIET, known, GOOD, None) is Outcome.NO_ACTIVE_ASSIGNEE


def test_every_outcome_has_a_sentence_for_people() -> None:
    assert SENTENCES.keys() == set(Outcome)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())
