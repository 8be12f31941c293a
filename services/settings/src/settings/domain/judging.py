"""One eligibility query, judged by the shared trigger table on what the caller knows."""

from dataclasses import dataclass
from datetime import UTC, datetime

from common.eligibility import (
    ConversationFacts,
    Installation,
    refused_by_conversation,
    refused_by_settings,
)
from common.events import Trigger
from common.outcomes import Outcome

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Query:
    workspace_id: str
    app: str
    trigger: Trigger
    last_updated_at: datetime | None = None
    last_message_at: datetime | None = None
    assignee_id: str | None = None
    team_assigned: bool = False
    actor_id: str | None = None


def reason_against(query: Query, installation: Installation | None) -> Outcome | None:
    """Why not, or None for eligible. A time that was not told counts as never."""
    refused = refused_by_settings(query.trigger, installation)
    if refused is not None or installation is None:
        return refused
    facts = ConversationFacts(
        last_updated_at=query.last_updated_at,
        last_message_at=query.last_message_at or query.last_updated_at or _NEVER,
        assignee_id=query.assignee_id,
        team_assigned=query.team_assigned,
    )
    return refused_by_conversation(query.trigger, installation, facts, query.actor_id)
