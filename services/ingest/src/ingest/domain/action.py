"""A significant action in one of our apps (R1): the conversation is synced at once."""

from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID, uuid5

from common.catalog import APPS
from common.events import (
    ActionId,
    ConversationId,
    ConversationSettled,
    TeammateId,
    Trigger,
    WorkspaceId,
)
from common.events import CrmPerson as EventPerson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_EVENT_IDS: Final = UUID("5a0c1d6e-7f1b-4c55-9d5e-2b7a4f3c9e10")  # namespace, chosen once


def _known_app(app: str) -> str:
    if app not in APPS:
        raise ValueError(f"must be one of: {', '.join(APPS)}")
    return app


class ActionKind(StrEnum):
    CREATE_CONTACT = "create_contact"
    CREATE_PERSON = "create_person"
    CREATE_USER = "create_user"
    CREATE_LEAD = "create_lead"
    CREATE_DEAL = "create_deal"
    CREATE_OPPORTUNITY = "create_opportunity"
    CREATE_TASK = "create_task"
    ADD_NOTE = "add_note"
    ADD_COMMENT = "add_comment"


class Person(EventPerson):
    """The CRM record that the action made or touched."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Action(BaseModel):
    """What a teammate did. Unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    action_id: Annotated[
        ActionId,
        Field(description="Chosen by the caller, one per action: a repeat is done once only."),
    ]
    workspace_id: Annotated[WorkspaceId, Field(description="The Intercom workspace's id.")]
    conversation_id: ConversationId
    app: Annotated[
        str,
        AfterValidator(_known_app),
        Field(description="The app it was done in.", json_schema_extra={"enum": list(APPS)}),
    ]
    kind: ActionKind
    actor_id: Annotated[TeammateId, Field(description="The teammate's id in Intercom.")]
    person: Annotated[
        Person | None,
        Field(description="The CRM record made or touched, so that nothing need be searched."),
    ] = None

    def event_id(self) -> str:
        """The same for every repeat of one action."""
        name = f"{self.workspace_id}:{self.conversation_id}:{self.app}:{self.action_id}"
        return str(uuid5(_EVENT_IDS, name))

    def event(self) -> ConversationSettled:
        return ConversationSettled(
            workspace_id=self.workspace_id,
            conversation_id=self.conversation_id,
            trigger=Trigger.ACTION,
            app=self.app,
            action_id=self.action_id,
            actor_id=self.actor_id,
            person=None if self.person is None else EventPerson(**self.person.model_dump()),
        )
