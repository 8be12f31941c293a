"""What is written to a CRM: the note, the activity beside it, and what is read back of them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

# The last line of our block says when it was copied, between these two; then the link.
COPIED_ON: Final = "Copied from Intercom on"
OPEN_IT: Final = "Open the conversation for its latest state:"


@dataclass(frozen=True, slots=True)
class Marker:
    """The visible token of our notes: `[lull <workspace>/<conversation>(/<period>)]`."""

    workspace_id: str
    conversation_id: str
    period: int | None = None  # policy `new` only: the part id that the period starts with

    def __str__(self) -> str:
        period = "" if self.period is None else f"/{self.period}"
        return f"[lull {self.workspace_id}/{self.conversation_id}{period}]"


@dataclass(frozen=True, slots=True)
class ActionMarker(Marker):
    """Of what people made in our inbox app: `[lull <workspace>/<conversation>/a<action id>]`."""

    action_id: str = field(kw_only=True)  # chosen by whoever asks, one per action

    def __str__(self) -> str:
        return f"[lull {self.workspace_id}/{self.conversation_id}/a{self.action_id}]"


@dataclass(frozen=True, slots=True)
class Note:
    """Our block, rendered for one CRM and cut to its limit, marker lines included."""

    body: str
    marker: Marker
    written_for: datetime  # the note's date: the last reply of a person
    subject: str  # for CRMs and activities that want a title; ids only, no text
    # The CRM's user whose record a new one is to be; the connection's own user where None.
    owner_id: str | None = None
    activity_type: str | None = None  # of a new activity; the deployment's where None


@dataclass(frozen=True, slots=True)
class StoredNote:
    """A note (or activity) as the CRM hands it back, its sanitizer's work included."""

    id: str
    body: str
    author_id: str | None  # the CRM user who wrote it, where the CRM says so
    person_id: str | None
