"""From a settled event on the real Kafka to a note in the (simulated) CRM, and why not."""

from typing import Any

import pytest
from common.events import Trigger

pytestmark = pytest.mark.integration


async def test_a_settled_conversation_becomes_a_note(hubspot: Any) -> None:
    talk = await hubspot.talk()
    await talk.settle()
    outcome = await talk.outcome("delivered")
    (note,) = hubspot.notes(talk)
    assert note["id"] == outcome["note_id"]
    assert note["person_ids"] == [outcome["person_id"]]
    assert outcome["updated_at"] == talk.updated_at
