"""What was typed, read: what would be right is told by field, what was typed is not repeated."""

from datetime import UTC, datetime

import pytest
from common.catalog import ActionKind
from delivery.domain.acted import SYNC
from delivery.domain.action import NewDeal, NewLead, NewNote, NewPerson, NewTask, Who
from delivery.domain.action_form import BadForm, what_of

ADA = {"name": "Ada Example", "email": " Ada@Example.com ", "phone": "+43 1 5125000"}
WHO = Who("Ada Example", "ada@example.com", "+4315125000")
DUE = "2026-12-24T09:30:00Z"


def test_each_kind_reads_its_own_fields() -> None:
    due_at = datetime(2026, 12, 24, 9, 30, tzinfo=UTC)
    assert what_of(ActionKind.PERSON, None, ADA) == NewPerson(WHO)
    assert what_of(ActionKind.LEAD, None, ADA | {"title": "20 bikes"}) == NewLead(WHO, "20 bikes")
    assert what_of(ActionKind.DEAL, "501", {"title": "20 bikes"}) == NewDeal("501", "20 bikes")
    task = {"title": "Call", "due_at": DUE, "text": ""}
    assert what_of(ActionKind.TASK, "501", task) == NewTask("501", "Call", due_at)
    assert what_of(ActionKind.NOTE, "501", {"text": "20 bikes"}) == NewNote("501", "20 bikes")
    assert what_of(SYNC, None, {"title": None}) is None


def test_one_way_to_be_found_is_enough() -> None:
    found = what_of(ActionKind.PERSON, None, {"name": "Ada", "email": "", "phone": "+4315125000"})
    assert found == NewPerson(Who("Ada", None, "+4315125000"))


@pytest.mark.parametrize(
    ("kind", "person_id", "form", "fields"),
    [
        (ActionKind.PERSON, None, {}, {"name", "email"}),
        (ActionKind.PERSON, None, {"name": "canary", "email": "canary"}, {"email"}),
        (ActionKind.PERSON, None, {"name": "canary", "phone": "01 canary"}, {"phone"}),
        (ActionKind.PERSON, "501", ADA, {"person_id"}),
        (ActionKind.PERSON, None, ADA | {"title": "canary"}, {"title"}),
        (ActionKind.LEAD, None, ADA, {"title"}),
        (ActionKind.DEAL, None, {"title": "canary"}, {"person_id"}),
        (ActionKind.DEAL, "501", {"title": "canary" * 50}, {"title"}),
        (ActionKind.TASK, "501", {"title": "canary", "due_at": "canary"}, {"due_at"}),
        (ActionKind.TASK, "501", {"title": "canary", "due_at": "2026-12-24T09:30"}, {"due_at"}),
        (ActionKind.NOTE, "501", {"text": "  \n"}, {"text"}),
        (ActionKind.NOTE, "501", {"text": "canary" * 2000}, {"text"}),
        (SYNC, None, {"text": "canary"}, {"text"}),
    ],
)
def test_what_is_wrong_is_told_by_field(
    kind: str, person_id: str | None, form: dict[str, str | None], fields: set[str]
) -> None:
    with pytest.raises(BadForm) as wrong:
        what_of(kind, person_id, form)
    assert wrong.value.errors.keys() == fields
    assert "canary" not in str(wrong.value.errors)
