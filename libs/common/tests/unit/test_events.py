"""Events on the wire: one golden file per event and version, ids and times only."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from common.events import (
    ConversationSettled,
    ConversationUpdated,
    CrmPerson,
    DeliveryOutcome,
    Event,
    SettingsChanged,
    Trigger,
)
from common.outcomes import Outcome
from pydantic import ValidationError

GOLDEN = Path(__file__).parent.parent / "golden"
AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
WHO: dict[str, Any] = {"workspace_id": "wk9demo1", "conversation_id": "215470000000001"}

EVENTS: dict[str, list[Event]] = {
    "ConversationUpdated": [
        ConversationUpdated(**WHO, updated_at=AT, part_id=9000),
        ConversationUpdated(**WHO, updated_at=AT, part_id=0),
    ],
    "ConversationSettled": [
        ConversationSettled(**WHO, trigger=Trigger.QUIET, updated_at=AT, part_id=9000),
        ConversationSettled(
            **WHO, trigger=Trigger.BACKFILL, app="hubspot", updated_at=AT, part_id=0
        ),
        ConversationSettled(
            **WHO,
            trigger=Trigger.ACTION,
            app="pipedrive",
            action_id="act-1",
            actor_id="5001",
            person=CrmPerson(kind="lead", id="b7a1-9"),
        ),
        ConversationSettled(**WHO, trigger=Trigger.MANUAL, action_id="sync-1"),
        ConversationSettled(**WHO, trigger=Trigger.REMOVED, action_id="notif_1"),
    ],
    "SettingsChanged": [
        SettingsChanged(workspace_id="wk9demo1", app="hubspot", version=3, changed_at=AT),
        SettingsChanged(
            workspace_id="wk9demo1", app="hubspot", version=4, changed_at=AT, forgotten=True
        ),
    ],
    "DeliveryOutcome": [
        DeliveryOutcome(
            **WHO,
            outcome_id="o-1",
            app="hubspot",
            crm_account="42001",
            outcome=Outcome.DELIVERED,
            triggers=(Trigger.QUIET, Trigger.ACTION),
            updated_at=AT,
            part_id=9000,
            person_id="501",
            note_id="900",
            decided_at=AT,
        ),
        DeliveryOutcome(
            **WHO,
            outcome_id="o-2",
            app="pipedrive",
            crm_account="acme",
            outcome=Outcome.FAILED,
            triggers=(Trigger.QUIET,),
            reason="http_403",
            decided_at=AT,
        ),
    ],
}


def _golden(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((GOLDEN / f"{name}.v1.json").read_text())
    return loaded


def test_there_is_one_golden_file_per_event_and_version() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.v1.json" for name in EVENTS}


@pytest.mark.parametrize("name", EVENTS)
def test_events_are_written_as_the_golden_file_says(name: str) -> None:
    golden = _golden(name)
    assert [json.loads(event.to_json()) for event in EVENTS[name]] == golden["examples"]
    assert EVENTS[name][0].type_name() == golden["type"]


@pytest.mark.parametrize("name", EVENTS)
def test_the_golden_file_is_read_also_with_fields_of_a_later_version(name: str) -> None:
    for event, example in zip(EVENTS[name], _golden(name)["examples"], strict=True):
        assert type(event).model_validate_json(json.dumps(example)) == event
        later = example | {"added_later": {"a": 1}}
        assert type(event).model_validate_json(json.dumps(later)) == event


def test_keys_are_workspace_and_conversation_or_app() -> None:
    assert EVENTS["ConversationUpdated"][0].key() == b"wk9demo1:215470000000001"  # type: ignore[attr-defined]
    assert EVENTS["SettingsChanged"][0].key() == b"wk9demo1:hubspot"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "lacking",
    [
        {"trigger": "quiet"},
        {"trigger": "quiet", "updated_at": 1, "part_id": None},
        {"trigger": "backfill", "part_id": 1},
        {"trigger": "action", "action_id": "a", "app": "hubspot"},
        {"trigger": "action", "action_id": "a", "actor_id": "1"},
        {"trigger": "action", "app": "hubspot", "actor_id": "1"},
        {"trigger": "manual"},
        {"trigger": "removed"},
        {"trigger": "manual", "action_id": "a", "app": "unheard-of"},
        {"trigger": "guess", "action_id": "a"},
    ],
)
def test_a_settled_event_that_lacks_what_its_trigger_needs_is_refused(
    lacking: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError):
        ConversationSettled.model_validate(WHO | lacking)


@pytest.mark.parametrize(
    "change",
    [
        {"workspace_id": "a:b"},
        {"workspace_id": ""},
        {"workspace_id": "x" * 65},
        {"conversation_id": "12a"},
        {"conversation_id": "12\n"},
        {"part_id": -1},
        {"part_id": 2**63},
    ],
)
def test_an_id_of_another_form_is_refused_without_showing_it(change: dict[str, Any]) -> None:
    good = {**WHO, "updated_at": 1, "part_id": 1}
    ConversationUpdated.model_validate(good)
    with pytest.raises(ValidationError) as refusal:
        ConversationUpdated.model_validate(good | change)
    assert "input_value" not in str(refusal.value)


def test_an_outcomes_reason_is_a_code_and_no_text() -> None:
    fields = EVENTS["DeliveryOutcome"][1].model_dump()
    with pytest.raises(ValidationError):
        DeliveryOutcome.model_validate(fields | {"reason": "Ada said hello"})
