"""What Intercom asks for a card: who looks at which conversation, and which button was pressed.

Facts: Intercom's Canvas Kit page (read 2026-11-22): a submit names the contact `customer` in the
page's table and `contact` in its sample, and API versions up to 1.2 say `app_id`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self, TypeVar

from common.catalog import APPS
from common.events import ActionId, ConversationId, CrmId, TeammateId, WorkspaceId
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

TYPED_MAX_CHARS: Final = 10_000  # more than any CRM takes; a canvas may have 64 KB
_ID_MAX_CHARS: Final = 100


class NotUsable(Exception):
    """Rightly signed, but it names no workspace, teammate or button."""


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """Never stored, and never in a log line."""

    id: str
    name: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the card shown last holds of itself, given back by Intercom with each press.

    Its id makes the ids of the actions that it offers: a button pressed twice, or a request that
    comes twice, is one action.
    """

    id: str
    at: int  # Unix seconds; when it was drawn first
    persons: dict[str, str] = field(default_factory=dict)  # by app: whose a record is to be

    def stored(self) -> dict[str, Any]:
        return {"drawing": {"id": self.id, "at": self.at, "persons": self.persons}}


@dataclass(frozen=True, slots=True)
class Button:
    does: str
    app: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return ":".join(part for part in (self.does, self.app, self.kind) if part)

    @classmethod
    def of(cls, component_id: str) -> Self:
        does, _, rest = component_id.partition(":")
        app, _, kind = rest.partition(":")
        return cls(does, app, kind) if not app or app in APPS else cls(REFRESH)


OPEN: Final = "open"  # draws the form of an action
DO: Final = "do"  # carries it out
REFRESH: Final = "refresh"


@dataclass(frozen=True, slots=True)
class Looking:
    """A teammate in front of the card."""

    workspace_id: str
    actor_id: str
    conversation_id: str | None  # None: no conversation is open
    contact: Contact = field(repr=False)


@dataclass(frozen=True, slots=True)
class Press:
    looking: Looking
    button: Button
    typed: dict[str, str] = field(repr=False)
    drawing: Drawing | None  # None: the card was not drawn by us


def looking_of(document: dict[str, Any]) -> Looking:
    """Of an initialize request. Raises NotUsable."""
    request = _read(_Request, document)
    contact = request.contact or request.customer or _Contact()
    return Looking(
        request.workspace_id,
        request.admin.id,
        None if request.conversation is None else request.conversation.id,
        Contact(
            contact.id[:_ID_MAX_CHARS],
            name=contact.name.strip()[:TYPED_MAX_CHARS],
            email=contact.email.strip()[:TYPED_MAX_CHARS],
            phone=contact.phone.strip()[:TYPED_MAX_CHARS],
        ),
    )


def press_of(document: dict[str, Any]) -> Press:
    """Of a submit request. Raises NotUsable."""
    submit = _read(_Submit, document)
    typed = {
        name: value[:TYPED_MAX_CHARS]
        for name, value in (submit.input_values or {}).items()
        if isinstance(value, str)
    }
    return Press(looking_of(document), Button.of(submit.component_id), typed, _drawing(submit))


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


Shape = TypeVar("Shape", bound=_Shape)


def _digits(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _null_is_empty(value: object) -> object:
    return "" if value is None else _digits(value)


_Text = Annotated[str, BeforeValidator(_null_is_empty)]


class _Contact(_Shape):
    id: _Text = ""
    name: _Text = ""
    email: _Text = ""
    phone: _Text = ""


class _Admin(_Shape):
    id: Annotated[TeammateId, BeforeValidator(_digits)]


class _Conversation(_Shape):
    id: Annotated[ConversationId, BeforeValidator(_digits)]


class _Request(_Shape):
    workspace_id: Annotated[
        WorkspaceId, Field(validation_alias=AliasChoices("workspace_id", "app_id"))
    ]
    admin: _Admin
    conversation: _Conversation | None = None
    contact: _Contact | None = None
    customer: _Contact | None = None


class _Submit(_Shape):
    component_id: str
    input_values: dict[str, object] | None = None
    current_canvas: dict[str, Any] | None = None


class _Drawing(_Shape):
    id: ActionId
    at: Annotated[int, Field(ge=0, lt=2**33)]
    persons: dict[str, CrmId] = {}


_drawings: Final = TypeAdapter(_Drawing)


def _drawing(submit: _Submit) -> Drawing | None:
    stored = (submit.current_canvas or {}).get("stored_data")
    try:
        found = _drawings.validate_python((stored or {}).get("drawing"))
    except (ValidationError, AttributeError):
        return None
    return Drawing(found.id, found.at, found.persons)


def _read(shape: type[Shape], document: dict[str, Any]) -> Shape:
    try:
        return shape.model_validate(document)
    except ValidationError:
        raise NotUsable from None
