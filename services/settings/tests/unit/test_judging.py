"""The trigger table (DESIGN, section 2), each line against each fact."""

from datetime import UTC, datetime, timedelta

import pytest
from common.eligibility import Installation
from common.events import Trigger
from common.outcomes import Outcome
from settings.domain.judging import Query, reason_against

INSTALLED_AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BEFORE, AFTER = (INSTALLED_AT + timedelta(seconds=sign) for sign in (-1, 1))


def installation(
    *, on: bool = True, all_conversations: bool = False, users: frozenset[str] = frozenset({"5001"})
) -> Installation:
    return Installation(
        workspace_id="wk1",
        app="hubspot",
        version=1,
        installed_at=INSTALLED_AT,
        transcript_sync=on,
        active_app_users=users,
        all_conversations=all_conversations,
        note_policy="update",
        time_zone="Europe/Vienna",
        crm_account="42001",
        reconnect_needed=False,
    )


def query(
    trigger: Trigger,
    *,
    updated_at: datetime | None = AFTER,
    message_at: datetime | None = None,
    assignee: str | None = "5001",
    team: bool = False,
    actor: str | None = "5001",
) -> Query:
    return Query("wk1", "hubspot", trigger, updated_at, message_at, assignee, team, actor)


ALL = tuple(Trigger)
QUIET, ACTION, MANUAL, BACKFILL, REMOVED = (
    Trigger.QUIET,
    Trigger.ACTION,
    Trigger.MANUAL,
    Trigger.BACKFILL,
    Trigger.REMOVED,
)


def refusing(reason: Outcome, triggers: set[Trigger]) -> list[tuple[Trigger, Outcome | None]]:
    return [(trigger, reason if trigger in triggers else None) for trigger in ALL]


@pytest.mark.parametrize("trigger", ALL)
def test_all_that_is_demanded_makes_it_eligible(trigger: Trigger) -> None:
    assert reason_against(query(trigger), installation()) is None


@pytest.mark.parametrize("trigger", ALL)
def test_an_app_that_is_not_installed_refuses_every_trigger(trigger: Trigger) -> None:
    assert reason_against(query(trigger), None) is Outcome.UNINSTALLED


@pytest.mark.parametrize(("trigger", "reason"), refusing(Outcome.SYNC_OFF, {QUIET, BACKFILL}))
def test_the_toggle_binds_quiet_and_backfill(trigger: Trigger, reason: Outcome | None) -> None:
    assert reason_against(query(trigger), installation(on=False)) is reason


@pytest.mark.parametrize(
    ("trigger", "reason"), refusing(Outcome.NOT_INSTALLED_THEN, {QUIET, MANUAL})
)
@pytest.mark.parametrize("updated_at", [BEFORE, INSTALLED_AT])
def test_the_time_of_installation_binds_quiet_and_manual(
    trigger: Trigger, reason: Outcome | None, updated_at: datetime
) -> None:
    assert reason_against(query(trigger, updated_at=updated_at), installation()) is reason


@pytest.mark.parametrize(
    ("trigger", "reason"), refusing(Outcome.NO_ACTIVE_ASSIGNEE, {QUIET, ACTION, MANUAL, BACKFILL})
)
@pytest.mark.parametrize("assignee", [None, "5002"])
def test_an_active_app_user_must_be_assigned_for_all_but_removals(
    trigger: Trigger, reason: Outcome | None, assignee: str | None
) -> None:
    assert reason_against(query(trigger, assignee=assignee), installation()) is reason


@pytest.mark.parametrize(
    ("trigger", "reason"), refusing(Outcome.TEAM_ONLY, {QUIET, ACTION, MANUAL, BACKFILL})
)
def test_a_team_alone_does_not_count(trigger: Trigger, reason: Outcome | None) -> None:
    assert reason_against(query(trigger, assignee=None, team=True), installation()) is reason


@pytest.mark.parametrize("trigger", ALL)
def test_all_conversations_waives_the_assignee(trigger: Trigger) -> None:
    asked = query(trigger, assignee=None, team=True)
    assert reason_against(asked, installation(all_conversations=True)) is None


@pytest.mark.parametrize(("trigger", "reason"), refusing(Outcome.ACTOR_NOT_APP_USER, {ACTION}))
@pytest.mark.parametrize("actor", [None, "5002"])
def test_the_actor_of_an_action_must_be_an_active_app_user(
    trigger: Trigger, reason: Outcome | None, actor: str | None
) -> None:
    assert reason_against(query(trigger, actor=actor), installation()) is reason


@pytest.mark.parametrize(("trigger", "reason"), refusing(Outcome.NOBODY_SPOKE, {QUIET, BACKFILL}))
def test_a_person_must_have_spoken_for_quiet_and_backfill(
    trigger: Trigger, reason: Outcome | None
) -> None:
    asked = query(trigger, updated_at=None, message_at=AFTER)
    assert reason_against(asked, installation()) is reason


def test_a_manual_look_without_any_time_is_refused_rather_than_guessed() -> None:
    asked = query(MANUAL, updated_at=None)
    assert reason_against(asked, installation()) is Outcome.NOT_INSTALLED_THEN
