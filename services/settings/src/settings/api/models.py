"""What goes over the wire: requests that refuse unknown fields, answers with examples."""

from datetime import datetime
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from common.catalog import APPS
from common.eligibility import Installation
from common.events import ConversationId, CrmId, TeammateId, Trigger, WorkspaceId
from common.outcomes import Outcome
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from settings.domain.installations import (
    ACTIVITY_TYPE,
    HAVE_DEFAULTS,
    AppUser,
    ConnectionState,
    InstalledApp,
    NotePolicy,
    Options,
    Workspace,
)
from settings.domain.judging import Query
from settings.handlers.forgetting import Record

_MOST_USERS = 1_000
_MOST_QUERIES = 500
_TIME_ZONES = available_timezones()

AppKey = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$", examples=["hubspot"])]
TokenHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _known_time_zone(name: str) -> str:
    if name not in _TIME_ZONES:
        raise ValueError("not an IANA time zone")
    return name


def _known_app(key: str) -> str:
    if key not in APPS:
        raise ValueError("no such app")
    return key


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Nothing(Asked):
    """An empty object."""


class SyncSwitch(Asked):
    on: bool = Field(strict=True, examples=[True])


class ListedUser(Asked):
    id: TeammateId = Field(examples=["5001"])
    paused: bool = Field(False, strict=True)


class AppUsers(Asked):
    users: list[ListedUser] = Field(
        max_length=_MOST_USERS, examples=[[{"id": "5001", "paused": False}]]
    )

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if len({user.id for user in self.users}) != len(self.users):
            raise ValueError("a teammate is named twice")
        return self

    def listed(self) -> list[AppUser]:
        return [AppUser(user.id, user.paused) for user in self.users]


class ChangedOptions(Asked):
    """What is named is changed. `null` ends a choice: what the deployment or workspace has counts.

    `note_policy` and `all_conversations` are always chosen; for them `null` changes nothing.
    """

    note_policy: NotePolicy | None = None
    all_conversations: bool | None = Field(None, strict=True)
    time_zone: Annotated[str, AfterValidator(_known_time_zone)] | None = Field(
        None, examples=["Europe/Berlin"]
    )

    activity_policy: NotePolicy | None = Field(
        None, description="Pipedrive: one activity kept up to date, or a new one each time."
    )
    activity_type: Annotated[str, Field(pattern=ACTIVITY_TYPE)] | None = Field(
        None,
        description="Pipedrive: the key of one of the account's own activity types.",
        examples=["call"],
    )

    def options(self) -> Options:
        return Options(
            self.note_policy,
            self.all_conversations,
            self.time_zone,
            self.activity_policy,
            self.activity_type,
            frozenset(
                name
                for name in self.model_fields_set & HAVE_DEFAULTS
                if getattr(self, name) is None
            ),
        )


class NewAdmin(Asked):
    teammate_id: TeammateId = Field(examples=["5001"])


class AuthorizeApp(Asked):
    account: str | None = Field(
        None,
        max_length=500,
        description="Which of several accounts, where a person may enter more than one.",
        examples=["https://contoso.crm4.dynamics.com"],
    )


class IntercomUninstalled(BaseModel):
    """What Intercom posts to the uninstall address; anything else it sends is left aside."""

    app_id: WorkspaceId


class SyncNow(Asked):
    conversation_id: ConversationId = Field(examples=["215470000000001"])
    app: AppKey | None = None


class CrmRecord(Asked):
    app: Annotated[str, AfterValidator(_known_app)] = Field(examples=["hubspot"])
    person_id: CrmId = Field(examples=["501"])


class ForgetContact(Asked):
    """Either or both."""

    conversation_id: ConversationId | None = Field(None, examples=["215470000000001"])
    record: CrmRecord | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.conversation_id is None and self.record is None:
            raise ValueError("a conversation or a record")
        return self

    def of_record(self) -> Record | None:
        return None if self.record is None else Record(self.record.app, self.record.person_id)


class RejectedToken(Asked):
    rejected_token_hash: TokenHash | None = Field(
        None, description="Hex SHA-256 of the token that was just refused, if one was."
    )


class InstallationKey(Asked):
    workspace_id: WorkspaceId = Field(examples=["wk9demo1"])
    app: AppKey


class InstallationKeys(Asked):
    asked: list[InstallationKey] = Field(max_length=_MOST_QUERIES)


class Installations(BaseModel):
    installations: list[Installation | None] = Field(
        description="One for each that was asked, in that order; null: not installed."
    )


class EligibilityQuery(Asked):
    workspace_id: WorkspaceId = Field(examples=["wk9demo1"])
    app: AppKey
    trigger: Trigger
    last_updated_at: AwareDatetime | None = None
    last_message_at: AwareDatetime | None = None
    assignee_id: TeammateId | None = Field(None, examples=["5001"])
    team_assigned: bool = Field(False, strict=True)
    actor_id: TeammateId | None = None

    def query(self) -> Query:
        return Query(**dict(self))


class EligibilityQueries(Asked):
    queries: list[EligibilityQuery] = Field(max_length=_MOST_QUERIES)


class EligibilityAnswer(BaseModel):
    eligible: bool
    reason: Outcome | None = Field(examples=[Outcome.SYNC_OFF])


class EligibilityAnswers(BaseModel):
    answers: list[EligibilityAnswer]


class CrmAccess(BaseModel):
    access_token: str
    api_base: str = Field(examples=["https://api.hubapi.com"])
    account_id: str = Field(examples=["42001"])
    user_id: str | None = Field(examples=["9"])
    expires_at: datetime


class IntercomAccess(BaseModel):
    access_token: str
    api_base: str = Field(examples=["https://api.eu.intercom.io"])
    link_base: str = Field(examples=["https://app.eu.intercom.com"])
    workspace_id: str = Field(examples=["wk9demo1"])
    name: str
    time_zone: str = Field(examples=["Europe/Berlin"])


class AuthorizeUrl(BaseModel):
    url: str = Field(examples=["https://app.intercom.com/oauth?client_id=...&state=..."])


class SyncRequested(BaseModel):
    action_id: str


class WorkspaceView(BaseModel):
    workspace_id: str = Field(examples=["wk9demo1"])
    region: str = Field(examples=["EU"])
    name: str
    time_zone: str
    admin_id: str = Field(examples=["5001"])
    connection: ConnectionState

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        return cls(
            workspace_id=workspace.id,
            region=workspace.region,
            name=workspace.name,
            time_zone=workspace.time_zone,
            admin_id=workspace.admin_id,
            connection=workspace.intercom,
        )


class WorkspaceList(BaseModel):
    workspaces: list[WorkspaceView]
    next_after: str | None = Field(description="`after` of the next page; null: this was the last")


class Forgotten(BaseModel):
    deleted: dict[str, int] = Field(
        description="Rows, by table.", examples=[{"installations": 1, "history": 120}]
    )


class AppUserView(BaseModel):
    id: str
    paused: bool


class AppView(BaseModel):
    app: str = Field(examples=["hubspot"])
    version: int
    installed_at: datetime
    installed_by: str = Field(examples=["5001"])
    transcript_sync: bool
    note_policy: NotePolicy
    all_conversations: bool
    time_zone: str | None = Field(description="null: the workspace's")
    crm_account: str = Field(examples=["42001"])
    connection: ConnectionState
    warning: str | None = Field(description="what is amiss with the account, for its admin to mend")
    activity_policy: NotePolicy | None = Field(description="null: the deployment's")
    activity_type: str | None = Field(description="null: the deployment's")
    app_users: list[AppUserView]

    @classmethod
    def of(cls, installed: InstalledApp) -> Self:
        users = [AppUserView(id=user.id, paused=user.paused) for user in installed.app_users]
        fields = {name: getattr(installed, name) for name in cls.model_fields}
        return cls(**fields | {"app_users": users})


class AppList(BaseModel):
    apps: list[AppView]


class WorkspaceConnected(BaseModel):
    workspace_id: str = Field(examples=["wk9demo1"])
    admin_id: str = Field(examples=["5001"])


class AppConnected(BaseModel):
    """`warning`: connected, but something is amiss that the admin can mend."""

    workspace_id: str = Field(examples=["wk9demo1"])
    app: str = Field(examples=["hubspot"])
    crm_account: str = Field(examples=["42001"])
    did: Literal["installed", "reinstalled", "reconnected"]
    warning: str | None = None
