"""What a settled event asks of the ledger, and when settings is asked anew about it."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from common.events import ConversationSettled, Trigger
from delivery.handlers import Delivery

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class World:
    """Settings, whose answer is held, and a ledger."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def installation(self, _: str, __: str, *, fresh: bool = False) -> Any:
        return SimpleNamespace(crm_account="42001") if fresh else None

    async def fold(self, _: object, event: ConversationSettled, __: object) -> Any:
        self.asked.append(event.trigger)
        return SimpleNamespace(accepted=1, repeated=0)


@pytest.mark.parametrize("trigger", Trigger)
async def test_an_app_installed_within_the_minute_is_not_passed_over(trigger: Trigger) -> None:
    world: Any = World()
    delivery = Delivery("hubspot", world, world, lambda _: None, lambda: None)
    names: dict[str, Any] = {"action_id": "act-1", "app": "hubspot", "actor_id": "5001"}
    if trigger in (Trigger.QUIET, Trigger.BACKFILL):
        names = {"updated_at": NOW, "part_id": 7}
    event = ConversationSettled(workspace_id="wk1", conversation_id="1", trigger=trigger, **names)
    await delivery.enqueue(event)
    # Quiet means said a quiet period ago, before an installation that is so young.
    assert world.asked == ([] if trigger is Trigger.QUIET else [trigger])
