"""Which quiet-to-quiet stretch of a conversation a note belongs to."""

from datetime import timedelta
from itertools import pairwise

from delivery.domain.conversation import Conversation


def period_of(conversation: Conversation, quiet_period: timedelta) -> int:
    """The part id of the first counted reply after the latest gap of at least one quiet period.

    The first counted reply of all opens the first period; 0 where nobody spoke.
    """
    return periods_of(conversation, quiet_period)[-1]


def periods_of(conversation: Conversation, quiet_period: timedelta) -> list[int]:
    """Those of all its periods, oldest first; never empty."""
    updates = sorted(message.update for message in conversation.messages if message.update)
    if not updates:
        return [0]
    starts = [updates[0]]
    for earlier, later in pairwise(updates):
        if later.updated_at - earlier.updated_at >= quiet_period:
            starts.append(later)
    return [start.part_id for start in starts]
