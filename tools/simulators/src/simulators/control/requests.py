"""What the control API takes. An unknown field is an error: a typo in a test is found at once."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat

Deliver = Literal["normal", "duplicate"]
Digits = Field(pattern=r"^\d{1,15}$")


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class AdvanceClock(_Given):
    advance_s: float = Field(ge=0)


class IntercomApp(_Given):
    client_id: str | None = None
    client_secret: str | None = None
    webhook_url: str | None = None
    canvas_initialize_url: str | None = None
    canvas_submit_url: str | None = None
    redirect_uri: str | None = None
    topics: list[str] | None = None


class CanvasPress(_Given):
    component_id: str
    input_values: dict[str, Any] = {}
    current_canvas: dict[str, Any]


class CanvasAsked(_Given):
    admin: str = Digits
    contact: str | None = None
    pressed: CanvasPress | None = None


class NewAdmin(_Given):
    id: str = Digits
    name: str
    email: str


class NewTeam(_Given):
    id: str = Digits
    name: str
    admin_ids: list[str] = []


class NewContact(_Given):
    id: str | None = None
    role: Literal["user", "lead"] = "user"
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None


class NewWorkspace(_Given):
    id: str = Field(min_length=1, pattern=r"^[\w-]+$")
    region: Literal["US", "EU", "AU"] = "US"
    name: str | None = None
    timezone: str = "Europe/Vienna"
    admins: list[NewAdmin] = []
    teams: list[NewTeam] = []
    contacts: list[NewContact] = []


class Merge(_Given):
    into: str


class NewIntercomToken(_Given):
    admin_id: str | None = None


class GivenAuthor(_Given):
    type: Literal["user", "lead", "contact", "admin", "bot", "team", "operator"]
    id: str
    name: str | None = None
    email: str | None = None
    from_ai_agent: bool = False


class Attachment(_Given):
    name: str
    url: str
    content_type: str | None = None
    filesize: int | None = None


class Opening(_Given):
    author: GivenAuthor
    body: str = ""
    delivered_as: (
        Literal[
            "customer_initiated",
            "campaigns_initiated",
            "operator_initiated",
            "automated",
            "admin_initiated",
        ]
        | None
    ) = None
    type: str | None = None
    subject: str | None = None
    attachments: list[Attachment] = []


class Sending(_Given):
    """How the notifications of a happening go out."""

    notify: bool = True
    topics: list[str] | None = None
    deliver: list[Deliver] = ["normal"]
    hold: bool = False
    wait: bool = False


class NewConversation(Sending):
    workspace: str
    id: str | None = Field(None, pattern=r"^\d{1,15}$")
    contacts: list[str]
    opening: Opening
    admin_assignee_id: str | None = Field(None, pattern=r"^\d{1,15}$")
    team_assignee_id: str | None = Field(None, pattern=r"^\d{1,15}$")
    state: Literal["open", "closed", "snoozed"] | None = None
    created_at: int | None = None


class Assign(_Given):
    admin: str | None = Field(None, pattern=r"^\d{1,15}$")
    team: str | None = Field(None, pattern=r"^\d{1,15}$")


class NewPart(Sending):
    part_type: str = "comment"
    author: GivenAuthor
    body: str | None = None
    attachments: list[Attachment] = []
    assign: Assign | None = None
    state: Literal["open", "closed", "snoozed"] | None = None
    created_at: int | None = None
    id: str | None = Field(None, pattern=r"^\d{1,15}$")


class Redact(_Given):
    notify: bool = True
    wait: bool = False


class Release(_Given):
    ids: list[str] | None = None
    newest_first: bool = False
    wait: bool = False


class Wait(_Given):
    wait: bool = False


class Ping(_Given):
    workspace: str
    wait: bool = True


class CrmApp(_Given):
    client_id: str | None = None
    client_secret: str | None = None


class NewUser(_Given):
    id: str = Digits
    email: str
    name: str | None = None


class NewPerson(_Given):
    id: str | None = Field(None, pattern=r"^\d{1,15}$")
    name: str
    email: str | None = None
    emails: list[str] = []
    phone: str | None = None
    lead: bool = False  # where the CRM keeps leads apart


class NewAccount(_Given):
    id: str = Field(min_length=1, pattern=r"^[\w-]+$")
    name: str | None = None
    users: list[NewUser] = []
    persons: list[NewPerson] = []
    limits: dict[str, Any] = {}
    search_lag_s: NonNegativeFloat | None = None
    token_lifetime_s: PositiveFloat | None = None


class AccountChange(_Given):
    limits: dict[str, Any] = {}
    search_lag_s: NonNegativeFloat | None = None
    token_lifetime_s: PositiveFloat | None = None


class NewNote(_Given):
    person_id: str
    body: str
    user_id: str | None = None


class NoteEdit(_Given):
    body: str | None = None
    prepend: str = ""
    append: str = ""


class NewCrmToken(_Given):
    user_id: str | None = None
