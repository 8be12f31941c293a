"""HTTP in for the inbox app: cards to show, actions to carry out. For ingest, by credential.

Requests hold what was typed into a form, so nothing of them is repeated in an answer or logged.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from common.catalog import APPS, ActionKind
from common.events import ActionId, ConversationId, CrmId, TeammateId, WorkspaceId
from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from delivery.acting import Actions, Answer
from delivery.api import bears, read_body
from delivery.cards import Asked, Cards
from delivery.carrying_out import Pressed
from delivery.domain import person
from delivery.domain.acted import SYNC, ActionKey, Standing, Stands, Wanted
from delivery.domain.action_form import BadForm, what_of
from delivery.ports import LedgerAway, RetryLater
from delivery.sentences import sentence_of

BODY_MAX_BYTES: Final = 128 * 1024
_STATUS: Final = {
    Stands.DONE: 200,
    Stands.WORKING: 202,
    Stands.REFUSED: 403,
    Stands.CONFLICT: 409,
    Stands.FAILED: 502,
    Stands.UNKNOWN: 503,
    Stands.AWAY: 503,
}
_KINDS: Final = frozenset({*ActionKind, SYNC})
_NO_STORE: Final = {"Cache-Control": "no-store"}

WaitMs = Annotated[int, Field(ge=0, le=20_000)]
_Field = Literal["name", "email", "phone", "title", "text", "due_at"]
Body = TypeVar("Body", bound=BaseModel)
_key: Final[TypeAdapter[tuple[str, str, str]]] = TypeAdapter(
    tuple[WorkspaceId, ConversationId, ActionId]
)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    workspace_id: WorkspaceId
    conversation_id: ConversationId
    actor_id: TeammateId


class _Contact(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    id: str = Field(max_length=100)
    emails: list[str] = Field(default=[], max_length=20)
    phones: list[str] = Field(default=[], max_length=20)


class CardAsked(_Asked):
    contact: _Contact
    apps: list[str] = Field(max_length=len(APPS))
    wait_ms: WaitMs = 600


class ActionAsked(_Asked):
    action_id: ActionId
    app: str
    kind: str
    person_id: CrmId | None = None
    form: dict[_Field, str | None] = {}
    wait_ms: WaitMs = 700


class ActionTold(_Asked):
    """One that another front end has done itself: noted, so that a repeat can be compared."""

    action_id: ActionId
    app: str
    kind: str = Field(pattern=r"^[a-z_]{1,40}$")
    person: CrmId | None = None  # opaque here


def inbox_routes(cards: Cards, actions: Actions, token: SecretStr | None) -> list[Route]:
    """`POST /v1/cards`, `POST /v1/actions`, `GET /v1/actions/{workspace}/{conversation}/{id}`.

    And `POST /v1/actions/told`, the memory of actions that other front ends tell ingest of.

    Args:
        cards: what is shown.
        actions: what is carried out.
        token: who may ask; None: nobody.

    """

    async def card(request: Request) -> Response:
        asked = await _read(CardAsked, request)
        contact = person.contact(asked.contact.id, asked.contact.emails, asked.contact.phones)
        apps = tuple(dict.fromkeys(app for app in asked.apps if app in APPS))
        wanted = Asked(asked.workspace_id, asked.conversation_id, asked.actor_id, contact, apps)
        found = await cards.of(wanted, timedelta(milliseconds=asked.wait_ms))
        return JSONResponse({"apps": found}, headers=_NO_STORE)

    async def press(request: Request) -> Response:
        asked = await _read(ActionAsked, request)
        if asked.kind not in _KINDS:
            raise BadForm({"kind": f"one of {', '.join(sorted(_KINDS))}"})
        if asked.app not in APPS:
            raise BadForm({"app": f"one of {', '.join(APPS)}"})
        wanted = Wanted(asked.app, asked.kind, asked.person_id)
        if APPS[asked.app].crm not in actions.crms:
            return _answer(Answer(Standing(Stands.REFUSED, "not_served"), wanted))
        key = ActionKey(asked.workspace_id, asked.conversation_id, asked.action_id)
        form = {str(name): typed for name, typed in asked.form.items()}
        what = what_of(asked.kind, asked.person_id, form)
        pressed = Pressed(key, wanted, asked.actor_id, what)
        return _answer(await actions.press(pressed, timedelta(milliseconds=asked.wait_ms)))

    async def told(request: Request) -> Response:
        asked = await _read(ActionTold, request)
        key = ActionKey(asked.workspace_id, asked.conversation_id, asked.action_id)
        wanted = Wanted(asked.app, asked.kind, asked.person)
        if await actions.store.told(key, wanted, asked.actor_id):
            return JSONResponse({"state": "told"}, headers=_NO_STORE)
        return JSONResponse({"state": Stands.CONFLICT}, _STATUS[Stands.CONFLICT])

    async def look(request: Request) -> Response:
        given = request.path_params
        names = ("workspace_id", "conversation_id", "action_id")
        try:
            key = ActionKey(*_key.validate_python(tuple(given[name] for name in names)))
        except ValidationError:
            return _unknown_action()
        answer = await actions.look(key)
        return _unknown_action() if answer is None else _answer(answer)

    routes = (
        ("/v1/cards", card, "POST"),
        ("/v1/actions", press, "POST"),
        ("/v1/actions/told", told, "POST"),
    )
    one = "/v1/actions/{workspace_id}/{conversation_id}/{action_id}"
    return [
        Route(path, _guarded(serve, token), methods=[method])
        for path, serve, method in (*routes, (one, look, "GET"))
    ]


def _guarded(
    serve: Callable[[Request], Awaitable[Response]], token: SecretStr | None
) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        if token is None:
            return _refused(403, "switched_off", "Set LULL_DELIVERY_ACTIONS_TOKEN at delivery.")
        if not bears(request, token):
            return _refused(
                401, "bad_credential", "Send LULL_DELIVERY_ACTIONS_TOKEN as a bearer token."
            )
        try:
            return await serve(request)
        except BadForm as wrong:
            return JSONResponse({"state": "invalid", "errors": wrong.errors}, status_code=422)
        except LedgerAway:
            return _away("ledger_away")
        except RetryLater as error:
            return _away(error.reason)

    return guarded


async def _read(model: type[Body], request: Request) -> Body:
    body = await read_body(request, BODY_MAX_BYTES)
    if body is None:
        raise BadForm({"body": f"at most {BODY_MAX_BYTES:,} bytes"})
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise BadForm({_place(fault["loc"]): fault["msg"] for fault in faults}) from None


def _place(loc: tuple[int | str, ...]) -> str:
    """The path to a fault, of names that are ours: a caller's own key is not repeated."""
    ours = {
        *CardAsked.model_fields,
        *ActionAsked.model_fields,
        *ActionTold.model_fields,
        *_Contact.model_fields,
    }
    known = [str(name) for name in loc if name in ours or name in get_args(_Field)]
    return ".".join(known) or "body"


def _answer(answer: Answer) -> Response:
    stands, wanted = answer.standing, answer.wanted
    body: dict[str, Any] = {"state": stands.stands}
    if stands.record is not None:
        body |= {
            "kind": wanted.kind,
            "record_id": stands.record.id,
            "person_id": stands.record.person_id,
            "url": answer.url,
            "was_there": stands.record.was_there,
        }
    elif stands.stands is not Stands.WORKING:
        body |= {"reason": stands.reason, "sentence": sentence_of(stands, wanted)}
    if stands.stands in (Stands.WORKING, Stands.UNKNOWN):
        again_in = stands.again_in
        body["again_in_s"] = None if again_in is None else round(again_in.total_seconds(), 1)
    return JSONResponse(body, _STATUS[stands.stands], _NO_STORE)


def _away(reason: str) -> Response:
    sentence = sentence_of(Standing(Stands.AWAY, reason), None)
    return JSONResponse({"state": "away", "reason": reason, "sentence": sentence}, 503, _NO_STORE)


def _refused(status: int, reason: str, sentence: str) -> Response:
    return JSONResponse({"state": "refused", "reason": reason, "sentence": sentence}, status)


def _unknown_action() -> Response:
    sentence = "No such action was asked for here."
    return JSONResponse({"state": "unknown_action", "sentence": sentence}, status_code=404)
