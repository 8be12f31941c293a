"""The scenario file as values: who is there, what is said, what must come of it."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from common.catalog import APPS
from common.outcomes import Outcome
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

USUAL = Path(__file__).with_name("scenario.toml")


def _is_known(app: str) -> str:
    if app not in APPS:
        raise ValueError(f"one of {', '.join(APPS)}")
    return app


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InstalledApp(_Part):
    app: Annotated[str, AfterValidator(_is_known)]
    account: str
    sync: bool
    users: list[str]


class Workspace(_Part):
    id: str
    name: str
    region: Literal["US", "EU", "AU"]
    timezone: str
    teammates: dict[str, str]
    teams: dict[str, str] = {}
    apps: list[InstalledApp]


class Action(_Part):
    app: str
    kind: str


class Press(_Part):
    """A form of the inbox card, filled and sent."""

    app: str
    kind: str
    says: str


class Step(_Part):
    by: str  # "customer", "bot", "campaign" or a teammate's id
    say: str | None = None
    type: Literal["comment", "note", "assignment", "close"] = "comment"
    assign: str | None = None
    deliver: list[Literal["normal", "duplicate"]] = ["normal"]
    hold: bool = False
    release: bool = False
    after_outcomes: int = 0
    action: Action | None = None
    press: Press | None = None

    @model_validator(mode="after")
    def _says_or_acts(self) -> "Step":
        if [self.say, self.action, self.press].count(None) != 2:
            raise ValueError("a step says something, is an action or presses the inbox card")
        return self


class Expected(_Part):
    outcomes: list[Outcome]
    notes: int
    activities: int = 0
    contains: list[str] = []
    lacks: list[str] = []
    not_yet: list[
        str
    ] = []  # said after what was to be copied at once; shown where that was held up


class Expectation(_Part):
    """Why it ends so, and how in each app: `why`, and one `Expected` under each app's key."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[Annotated[str, AfterValidator(_is_known)], Expected]

    why: str

    def by_app(self) -> dict[str, Expected]:
        return dict(self.__pydantic_extra__)


class Conversation(_Part):
    name: str
    workspace: str
    customer: str
    persons_in_crm: Annotated[int, Field(ge=0, le=2)] = 1
    assignee: str | None = None
    team: str | None = None
    before_install: list[Step] = []
    steps: list[Step]
    expect: Expectation

    @property
    def slug(self) -> str:
        return self.customer.lower().replace(" ", ".")

    @property
    def email(self) -> str:
        return f"{self.slug}@customers.example"


class Scenario(_Part):
    canary: str
    workspaces: list[Workspace]
    conversations: list[Conversation]

    def workspace(self, workspace_id: str) -> Workspace:
        return next(one for one in self.workspaces if one.id == workspace_id)

    def once_more(self, mark: str) -> "Scenario":
        """The same in workspaces and CRM accounts of other ids, beside those that are there.

        Args:
            mark: digits, since some CRMs number their accounts.

        """

        def renamed(workspace: Workspace) -> Workspace:
            apps = [
                app.model_copy(update={"account": app.account + mark}) for app in workspace.apps
            ]
            return workspace.model_copy(update={"id": workspace.id + mark, "apps": apps})

        return self.model_copy(
            update={
                "workspaces": [renamed(workspace) for workspace in self.workspaces],
                "conversations": [
                    one.model_copy(update={"workspace": one.workspace + mark})
                    for one in self.conversations
                ],
            }
        )

    def installed_in_order(self) -> list[Workspace]:
        """Last those where something is said before the install: it must still be unquiet then."""
        early = {one.workspace for one in self.conversations if one.before_install}
        return sorted(self.workspaces, key=lambda workspace: workspace.id in early)

    @property
    def rounds(self) -> int:
        return max(len(conversation.steps) for conversation in self.conversations)


def load(path: Path = USUAL) -> Scenario:
    """Read the scenario.

    Raises:
        ValueError: it is not one; says where.

    """
    return Scenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
