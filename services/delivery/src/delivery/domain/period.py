"""Which quiet-to-quiet stretch of a conversation a note belongs to."""

from datetime import timedelta
from itertools import pairwise

from common.updates import PERSONS, Update

from delivery.domain.conversation import Conversation


def period_of(conversation: Conversation, quiet_period: timedelta) -> int:
    """The part id of the first counted reply after the latest gap of at least one quiet period.

    The first counted reply of all opens the first period; 0 where nobody spoke.
    """
    return periods_of(conversation, quiet_period)[-1]


def periods_of(conversation: Conversation, quiet_period: timedelta) -> list[int]:
    """Those of all its periods, oldest first; never empty."""
    return [start.part_id for start in starts_of(conversation, quiet_period)] or [0]


def starts_of(conversation: Conversation, quiet_period: timedelta) -> list[Update]:
    """The replies that they begin with, oldest first.

    One that was removed since still counts, or a period's note would no longer be that period's.
    """
    removed = (m for m in conversation.messages if m.redacted and m.author_kind in PERSONS)
    said = {Update(message.sent_at, message.part_id) for message in removed}
    said |= {message.update for message in conversation.messages if message.update}
    replies = sorted(said)
    later = (b for a, b in pairwise(replies) if b.updated_at - a.updated_at >= quiet_period)
    return [*replies[:1], *later]
