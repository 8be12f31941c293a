"""Canvas Kit in the inbox: signed requests for our card, and what Intercom would not show.

Sources: Intercom's Canvas Kit pages and its own TypeScript client, 6.3.0 (read 2026-11-26). How
long Intercom waits for an answer is not documented.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Final, Literal

import httpx

from simulators.http import Json
from simulators.intercom import wire
from simulators.intercom.store import Conversation, Workspace
from simulators.world import World

WAIT_S: Final = 10.0
MAX_BYTES: Final = 64 * 1024  # of the content, and of what is stored
_OPTIONAL: Final = frozenset({"id", "bottom_margin"})
# Component -> what it must have, and what else it may have.
_COMPONENTS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "text": (frozenset({"text"}), frozenset({"style", "align"})),
    "button": (frozenset({"id", "label", "action"}), frozenset({"style", "disabled"})),
    "input": (
        frozenset({"id"}),
        frozenset({"label", "placeholder", "value", "action", "save_state", "disabled"}),
    ),
    "textarea": (
        frozenset({"id"}),
        frozenset({"label", "placeholder", "value", "error", "disabled"}),
    ),
    "dropdown": (
        frozenset({"id", "options"}),
        frozenset({"label", "value", "save_state", "disabled"}),
    ),
    "divider": (frozenset(), frozenset()),
    "spacer": (frozenset(), frozenset({"size"})),
}
_OPTIONS: Final = range(2, 11)
Request = Literal["initialize", "submit"]


def body_signature(secret: str, body: bytes) -> str:
    """`X-Body-Signature` over exactly these bytes."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class CanvasKit:
    def __init__(self, world: World) -> None:
        self._world = world
        self._client = httpx.AsyncClient(trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(
        self,
        workspace: Workspace,
        conversation: Conversation,
        admin_id: str,
        pressed: Json | None = None,
        contact_id: str | None = None,
    ) -> Json:
        """Send a request as Intercom would, and judge the answer.

        Args:
            workspace: the conversation's.
            conversation: the one that is open.
            admin_id: the teammate who looks.
            pressed: `component_id`, `input_values` and `current_canvas` of a submit; None: the
                card is opened.
            contact_id: which of the conversation's people the card is about; the first one.

        """
        name: Request = "initialize" if pressed is None else "submit"
        app = self._world.intercom
        url = app.canvas_initialize_url if name == "initialize" else app.canvas_submit_url
        if url is None:
            return {"status": 0, "ms": 0, "canvas": None, "faults": ["no address is set"]}
        contact = workspace.contacts.get(contact_id or next(iter(conversation.contact_ids), ""))
        admin = workspace.admins[admin_id]
        request = {
            "workspace_id": workspace.id,
            "workspace_region": workspace.region,
            "admin": wire.admin_json(workspace, admin),
            "conversation": wire.notified(workspace, conversation, None),
            **({"contact": wire.contact_json(workspace, contact)} if contact else {}),
            **(pressed or {}),
        }
        body = json.dumps(request, separators=(",", ":"), ensure_ascii=False).encode()
        started = time.perf_counter()
        try:
            answer = await self._client.post(
                url,
                content=body,
                headers={
                    "Content-Type": "application/json; charset=utf-8",
                    "X-Body-Signature": body_signature(app.client_secret, body),
                },
                timeout=WAIT_S,
            )
        except httpx.HTTPError as error:
            status, canvas, faults = 0, None, [f"no answer: {type(error).__name__}"]
        else:
            status, (canvas, faults) = answer.status_code, judged(answer)
        ms = round((time.perf_counter() - started) * 1000, 1)
        self._world.check_canvas(name, body, status, faults)
        return {"status": status, "ms": ms, "canvas": canvas, "faults": faults}


def judged(answer: httpx.Response) -> tuple[Json | None, list[str]]:
    """The canvas, and what is wrong with the answer."""
    if answer.status_code != httpx.codes.OK:
        return None, [f"answered {answer.status_code}"]
    try:
        canvas = answer.json()["canvas"]
        components = list(canvas["content"]["components"])
    except (ValueError, KeyError, TypeError):
        return None, ["no canvas with components"]
    faults = [fault for component in components for fault in _faults(component)]
    ids = [component["id"] for component in components if component.get("id")]
    if len(set(ids)) != len(ids):
        faults.append("two components share an id")
    faults += [
        f"{part}: over 64 KB"
        for part in ("content", "stored_data")
        if len(json.dumps(canvas.get(part), ensure_ascii=False).encode()) > MAX_BYTES
    ]
    return canvas, faults


def _faults(component: Json) -> list[str]:
    kind = str(component.get("type"))
    if kind not in _COMPONENTS:
        return [f"no such component in the inbox: {kind}"]
    must, may = _COMPONENTS[kind]
    fields = set(component) - {"type"}
    faults = [f"{kind}: {name} is missing" for name in must - fields]
    faults += [f"{kind}: no such field: {name}" for name in fields - must - may - _OPTIONAL]
    if kind == "dropdown" and len(component.get("options", ())) not in _OPTIONS:
        faults.append("dropdown: 2 to 10 options")
    if "action" in component and component["action"].get("type") not in ("submit", "url"):
        faults.append(f"{kind}: no such action in the inbox")
    return faults
