"""HTTP in: count what a replay would ask again, and ask it again. For who has a credential."""

from datetime import datetime
from typing import Annotated, Any, Final, Protocol, Self

from common import log
from common.catalog import APPS
from common.events import ConversationId, WorkspaceId
from common.outcomes import Outcome
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from delivery.api import bears, problem, read_body
from delivery.domain.selection import REPLAYABLE, UNWRITTEN, Selection
from delivery.ports import LedgerAway, Replayed

_log = log.get(__name__)

PATH: Final = "/v1/replays"
MOST_CONVERSATIONS: Final = 1_000
_BODY_MAX_BYTES: Final = 64 * 1024


class Replays(Protocol):
    async def counted(self, selection: Selection) -> list[dict[str, Any]]: ...

    async def now(self) -> datetime: ...

    async def ask_again(
        self, selection: Selection, after: tuple[int, str] | None, limit: int
    ) -> Replayed: ...


class ReplayAsked(BaseModel):
    """What is meant, and whether it is only to be counted."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    workspace_id: WorkspaceId | None = None
    conversation_id: ConversationId | None = None
    conversation_ids: Annotated[
        tuple[ConversationId, ...], Field(max_length=MOST_CONVERSATIONS)
    ] = ()
    apps: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()  # none: all that left something unwritten
    reason: Annotated[str, Field(pattern=r"^[a-z0-9_.:-]{1,80}$")] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None  # none: now
    everything: bool = False  # needed where nothing else narrows it down
    dry_run: bool = True
    after: tuple[Annotated[int, Field(ge=0, lt=2**63)], str] | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 500

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        narrowed = (
            self.workspace_id, self.apps, self.outcomes, self.reason, self.since, self.until
        )  # fmt: skip
        if not any(narrowed) and not self.everything:
            raise ValueError("name a workspace, app, outcome, reason or time, or say everything")
        if self.conversations and self.workspace_id is None:
            raise ValueError("a conversation is named together with its workspace")
        if not set(self.apps) <= set(APPS):
            raise ValueError(f"apps: any of {', '.join(APPS)}")
        if not set(self.outcomes) <= REPLAYABLE:
            raise ValueError(f"outcomes: any of {', '.join(sorted(REPLAYABLE))}")
        return self

    @property
    def conversations(self) -> tuple[str, ...]:
        one = () if self.conversation_id is None else (self.conversation_id,)
        return one + self.conversation_ids

    def selection(self, until: datetime) -> Selection:
        return Selection(
            workspace_id=self.workspace_id,
            conversation_ids=self.conversations,
            apps=self.apps,
            outcomes=self.outcomes or tuple(sorted(UNWRITTEN)),
            reason=self.reason,
            since=self.since,
            until=self.until or until,
        )


def replay_route(
    replays: Replays, operator_token: SecretStr | None, console_token: SecretStr | None = None
) -> Route:
    """`POST /v1/replays`.

    Args:
        replays: the answers of the ledger.
        operator_token: who may; None: no operator.
        console_token: settings' console, which may for one workspace at a time: its admin asks.

    """

    async def replay(request: Request) -> Response:
        if operator_token is None and console_token is None:
            return problem(403, "replay is switched off: set LULL_DELIVERY_OPERATOR_TOKEN")
        is_console = console_token is not None and bears(request, console_token)
        if not is_console and (operator_token is None or not bears(request, operator_token)):
            return problem(401, "the operator's token is needed: Authorization: Bearer ...")
        body = await read_body(request, _BODY_MAX_BYTES)
        if body is None:
            return problem(413, f"more than {_BODY_MAX_BYTES} bytes")
        try:
            asked = ReplayAsked.model_validate_json(body)
        except ValidationError as error:
            return problem(400, _faults(error))
        if is_console and asked.workspace_id is None:
            return problem(403, "this credential may replay one workspace at a time: name it")
        try:
            return JSONResponse(await _answer(asked))
        except LedgerAway:
            return problem(503, "the ledger cannot be reached now")

    async def _answer(asked: ReplayAsked) -> dict[str, Any]:
        selection = asked.selection(await replays.now())
        until = selection.until.isoformat() if selection.until else None
        if asked.dry_run:
            by = await replays.counted(selection)
            return {"count": sum(line["count"] for line in by), "by": by, "until": until}
        done = await replays.ask_again(selection, asked.after, asked.limit)
        _log.info(
            "delivery.replayed",
            asked=done.asked,
            already_open=done.already_open,
            workspace=selection.workspace_id,
            conversations=selection.conversation_ids[:10],
            apps=selection.apps,
            outcomes=selection.outcomes,
            reason=selection.reason,
            since=selection.since and selection.since.isoformat(),
            until=until,
        )
        return {
            "asked": done.asked,
            "already_open": done.already_open,
            "until": until,
            "after": done.after,
        }

    return Route(PATH, replay, methods=["POST"])


def _faults(error: ValidationError) -> str:
    """What is wrong and where, without the values."""
    lines = []
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        where = ".".join(map(str, fault["loc"]))
        lines.append(f"{where}: {fault['msg']}" if where else fault["msg"])
    return "; ".join(lines).replace("Value error, ", "")
