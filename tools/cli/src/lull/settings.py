"""What settings' operator API is asked, with the operator's credential."""

from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from common.catalog import APPS
from common.config import accepted, sent
from common.events import ConversationId, TeammateId, WorkspaceId
from pydantic import TypeAdapter, ValidationError

from lull.calling import EXIT_USAGE, call, failure, loaded
from lull.config import LullConfig


def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The answer. Raises typer.Exit after one sentence that says what to do."""
    config = loaded(LullConfig)
    secret = config.settings_operator_token
    if secret is None or not accepted(secret):
        raise failure(
            "This needs the operator's credential at settings: set LULL_SETTINGS_OPERATOR_TOKEN, "
            "the same here and there.",
            EXIT_USAGE,
        )
    headers = {"Authorization": f"Bearer {sent(secret)}"}
    return call("settings", config.settings_url, method, path, json=body, headers=headers)


def workspaces() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = ask("GET", f"/v1/workspaces?{urlencode({'after': after, 'limit': 500})}")
        found += page["workspaces"]
        after = page.get("next_after")
    return found


def app_name(key: str) -> str:
    return APPS[key].name if key in APPS else key


class _Id:
    """Reads an id off the command line, so that a slip is told before anything is asked."""

    def __init__(self, kind: Any, right: str) -> None:
        self._kind = TypeAdapter[str](kind)
        self._right = right
        self.__name__ = right  # typer names a parser so in its own messages

    def __call__(self, raw: str) -> str:
        try:
            return self._kind.validate_python(raw)
        except ValidationError:
            raise typer.BadParameter(self._right) from None


workspace_id = _Id(WorkspaceId, "a workspace's id, as `lull installations` lists it")
conversation_id = _Id(ConversationId, "a conversation's id in Intercom: digits alone")
teammate_id = _Id(TeammateId, "a teammate's id in Intercom")

Workspace = Annotated[
    str,
    typer.Argument(
        parser=workspace_id, metavar="WORKSPACE", help="The workspace's id in Intercom."
    ),
]
Conversation = Annotated[
    str,
    typer.Argument(
        parser=conversation_id, metavar="CONVERSATION", help="The conversation's id in Intercom."
    ),
]
Teammate = Annotated[
    str, typer.Argument(parser=teammate_id, metavar="TEAMMATE", help="Their id in Intercom.")
]
