"""The messages on the topics: ids and times only, never a word of a conversation (R11).

Changes are additive; unknown fields are ignored on reading; `libs/common/tests/golden` holds one
file per event and version. Instants are whole seconds since the epoch on the wire (Intercom's own
resolution) where they are event times, ISO 8601 where they are ours.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from common.catalog import APPS
from common.outcomes import Outcome

WorkspaceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
ConversationId = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
TeammateId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
CrmId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
ActionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
PartId = Annotated[int, Field(ge=0, lt=2**63)]
UnixSeconds = Annotated[
    datetime, PlainSerializer(lambda at: int(at.timestamp()), return_type=int, when_used="json")
]


def _known_app(app: str) -> str:
    if app not in APPS:
        raise ValueError("not an app of the catalog")
    return app


class Trigger(StrEnum):
    """Why delivery is asked to look; `common.eligibility` says what each demands."""

    QUIET = "quiet"
    ACTION = "action"
    MANUAL = "manual"
    BACKFILL = "backfill"
    REMOVED = "removed"  # a part or the conversation was removed in Intercom


class Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def type_name(cls) -> str:
        """The CloudEvents type, e.g. `lull.ConversationUpdated.v1`."""
        return f"lull.{cls.__name__}.v1"

    def to_json(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


class ConversationEvent(Event):
    workspace_id: WorkspaceId
    conversation_id: ConversationId

    def key(self) -> bytes:
        return conversation_key(self.workspace_id, self.conversation_id)


def conversation_key(workspace_id: str, conversation_id: str) -> bytes:
    """The record key of a conversation: all of its records lie in one partition, in order."""
    return f"{workspace_id}:{conversation_id}".encode()


class ConversationUpdated(ConversationEvent):
    """A person spoke (R9)."""

    updated_at: UnixSeconds  # created_at of the part, whole seconds
    part_id: PartId  # 0: the opening message


class CrmPerson(BaseModel):
    """The record an action made or touched in the CRM, so that nothing need be searched."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["contact", "person", "user", "lead"]
    id: CrmId


class ConversationSettled(ConversationEvent):
    """Look now. It may repeat or be late: an invitation to look, never an order to write."""

    trigger: Trigger
    app: str | None = None  # when only one app is meant
    updated_at: UnixSeconds | None = None  # quiet and backfill: the newest update
    part_id: PartId | None = None
    action_id: ActionId | None = None  # action and manual: makes a repeat recognisable
    actor_id: TeammateId | None = None
    person: CrmPerson | None = None

    @model_validator(mode="after")
    def _carries_what_its_trigger_needs(self) -> Self:
        if self.app is not None:
            _known_app(self.app)
        if self.trigger in (Trigger.QUIET, Trigger.BACKFILL):
            if self.updated_at is None or self.part_id is None:
                raise ValueError("a quiet or backfill event names the update it is about")
        elif self.action_id is None:
            raise ValueError("an action, manual or removed event carries an id of its own")
        if self.trigger is Trigger.ACTION and (self.app is None or self.actor_id is None):
            raise ValueError("an action names its app and its actor")
        return self


class SettingsChanged(Event):
    """An installation changed: caches drop it. Key `workspace_id:app`, compacted."""

    workspace_id: WorkspaceId
    app: str
    version: Annotated[int, Field(ge=1)]  # grows with each change of this installation
    changed_at: datetime
    forgotten: bool = False  # with the whole workspace: what is kept of it is to be deleted

    def key(self) -> bytes:
        return f"{self.workspace_id}:{self.app}".encode()


class DeliveryOutcome(ConversationEvent):
    """What became of a conversation at one CRM account."""

    outcome_id: str  # deterministic, so that a republished one is recognised
    app: str
    crm_account: CrmId
    outcome: Outcome
    triggers: tuple[Trigger, ...]
    updated_at: UnixSeconds | None = None  # newest reply it answers
    part_id: PartId | None = None
    person_id: CrmId | None = None
    note_id: CrmId | None = None
    activity_id: CrmId | None = None
    reason: Annotated[str, Field(pattern=r"^[a-z0-9_.:-]{1,80}$")] | None = None  # a code, no text
    decided_at: datetime
