"""The trigger table, judged on values: used by settings' query and by delivery alike.

| trigger  | toggle (R12) | updated after install (R7) | active app user (R8) | person spoke (R9) |
| quiet    | yes          | yes                        | yes                  | yes               |
| action   | no           | no                         | yes, the actor too   | no                |
| manual   | no           | yes                        | yes                  | no                |
| backfill | yes          | no                         | yes                  | yes               |
A removal asks nothing: it only takes away what had been written.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from common.events import Trigger
from common.outcomes import Outcome


class Installation(BaseModel):
    """What settings knows of one app in one workspace; consumers may hold it for up to 60 s."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    workspace_id: str
    app: str
    version: int
    installed_at: datetime
    transcript_sync: bool  # the toggle of R12
    active_app_users: frozenset[str]  # Intercom teammate ids: listed, not paused, still a teammate
    paused_app_users: frozenset[str] = frozenset()  # listed, but not active: told why they are not
    all_conversations: bool  # the option that waives R8's app user
    note_policy: Literal["update", "new"]
    # Of the activity beside the note, where the CRM gets one (R5); None: the deployment's own.
    activity_policy: Literal["update", "new"] | None = None
    activity_type: str | None = None
    time_zone: str  # IANA name
    crm_account: str  # the CRM account's own id
    reconnect_needed: bool


@dataclass(frozen=True, slots=True)
class ConversationFacts:
    """What R7 to R9 ask of the fresh conversation."""

    last_updated_at: datetime | None  # newest update by R9; None: nobody spoke
    last_message_at: datetime  # newest message of anybody, for triggers that R9 does not bind
    assignee_id: str | None  # admin_assignee_id, or the sender of an unassigned direct message
    team_assigned: bool


def refused_by_settings(trigger: Trigger, installation: Installation | None) -> Outcome | None:
    """What can be said before the conversation is read; None: go on."""
    if installation is None:
        return Outcome.UNINSTALLED
    if trigger in (Trigger.QUIET, Trigger.BACKFILL) and not installation.transcript_sync:
        return Outcome.SYNC_OFF
    return None


def refused_by_conversation(
    trigger: Trigger,
    installation: Installation,
    conversation: ConversationFacts,
    actor_id: str | None,
) -> Outcome | None:
    """The rest of the trigger's line, on the fresh conversation; None: eligible."""
    if trigger is Trigger.REMOVED:
        return None
    spoke_at = conversation.last_updated_at
    if trigger in (Trigger.QUIET, Trigger.BACKFILL) and spoke_at is None:
        return Outcome.NOBODY_SPOKE
    last_at = spoke_at or conversation.last_message_at
    if trigger in (Trigger.QUIET, Trigger.MANUAL) and last_at <= installation.installed_at:
        return Outcome.NOT_INSTALLED_THEN
    if trigger is Trigger.ACTION and actor_id not in installation.active_app_users:
        return Outcome.ACTOR_NOT_APP_USER
    return _refused_by_assignment(installation, conversation)


def _refused_by_assignment(
    installation: Installation, conversation: ConversationFacts
) -> Outcome | None:
    if installation.all_conversations:
        return None
    if conversation.assignee_id is None:
        return Outcome.TEAM_ONLY if conversation.team_assigned else Outcome.NO_ACTIVE_ASSIGNEE
    if conversation.assignee_id not in installation.active_app_users:
        return Outcome.NO_ACTIVE_ASSIGNEE
    return None
