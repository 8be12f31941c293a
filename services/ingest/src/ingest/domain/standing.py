"""What delivery tells the card: how each app stands, and how a pressed action ended."""

from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from common.catalog import APPS, ActionKind
from pydantic import BaseModel, ConfigDict, Field

SYNC: Final = "sync"  # the action that makes no record: the transcript, now


class _Told(BaseModel):
    """Additive changes of delivery's API change nothing here."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Person(_Told):
    state: Literal["matched", "lead", "none", "several", "unknown"]
    id: str | None = None
    url: str | None = None
    reason: str | None = None


class Last(_Told):
    sentence: str
    at: datetime


class Waiting(_Told):
    waits_for: str = Field(alias="for")
    until: datetime | None = None


class AppStanding(_Told):
    app: Literal[tuple(APPS)]  # type: ignore[valid-type]
    actor: Literal["active", "paused", "not_listed"]
    person: Person
    last: Last | None = None
    waiting: Waiting | None = None
    actions: tuple[str, ...] = ()

    def offered(self) -> list[str]:
        """The actions that make sense for this person; what goes on a record needs the record."""
        state, has = self.person.state, self.person.id is not None
        fitting = {
            ActionKind.PERSON: state in ("none", "lead", "unknown"),
            ActionKind.LEAD: state != "lead",
            ActionKind.DEAL: state == "matched" and has,  # no CRM hangs one on a lead
            ActionKind.TASK: state in ("matched", "lead") and has,
            ActionKind.NOTE: state in ("matched", "lead") and has,
            SYNC: True,
        }
        return [kind for kind in self.actions if fitting.get(kind, False)]


class Ends(StrEnum):
    DONE = "done"
    WORKING = "working"
    REFUSED = "refused"
    CONFLICT = "conflict"
    INVALID = "invalid"
    FAILED = "failed"
    UNKNOWN = "unknown"
    AWAY = "away"


class End(_Told):
    """How a press ended."""

    state: Ends
    url: str | None = None
    was_there: bool = False
    sentence: str = ""
    errors: dict[str, str] = {}
