"""Asking for the text to be written once more, whatever stands in the CRM now."""

from common.events import ConversationSettled, Trigger

from delivery.domain.row import ONCE_MORE
from delivery.working import Needs, Working


async def write_once_more(needs: Needs, working: Working, app: str) -> None:
    """Raise `wanted`: the row's next attempt reads the note and brings it up to date."""
    key = working.row.key
    event = ConversationSettled(
        workspace_id=key.workspace_id,
        conversation_id=key.conversation_id,
        trigger=Trigger.REMOVED,
        action_id=f"{ONCE_MORE}{working.claim.token}",
    )
    await needs.ledger.fold(key, event, (app,))
