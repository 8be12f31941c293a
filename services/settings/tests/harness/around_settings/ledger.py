"""Delivery as far as the console has it change something: its own routes, a ledger in memory."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uvicorn
from common.clock import SystemClock
from common.outcomes import Outcome
from delivery.domain.selection import Selection
from delivery.forgetting import forget_routes
from delivery.ports import LedgerAway, Replayed
from delivery.replaying import replay_route
from pydantic import SecretStr
from starlette.applications import Starlette

TOKEN = "token-of-the-console"
_START_WITHIN_S = 10


@dataclass(frozen=True)
class Answer:
    workspace_id: str
    conversation_id: str
    app: str
    outcome: Outcome
    person_id: str | None
    decided_at: datetime


@dataclass
class Ledger:
    """How each conversation ended last, per app; what was asked again. Implements both ports."""

    url: str = ""
    answers: dict[tuple[str, str, str], Answer] = field(default_factory=dict)
    asked_again: list[tuple[str, str, str]] = field(default_factory=list)
    away: bool = False
    page: int = 500  # answers to one call, at most

    def keep(self, answer: Answer) -> None:
        if answer.outcome is Outcome.SUPERSEDED:
            return  # what answered it counts
        self.answers[answer.workspace_id, answer.conversation_id, answer.app] = answer

    def asked_of(self, workspace_id: str) -> list[str]:
        return [one[1] for one in self.asked_again if one[0] == workspace_id]

    async def now(self) -> datetime:
        if self.away:
            raise LedgerAway("for a test")
        return SystemClock().now()

    async def counted(self, selection: Selection) -> list[dict[str, Any]]:
        return [{"count": 1} for _ in self._meant(selection)]

    async def ask_again(
        self, selection: Selection, after: tuple[int, str] | None, limit: int
    ) -> Replayed:
        start = after[0] if after else 0
        meant = sorted(self._meant(selection))
        page = meant[start : start + min(limit, self.page)]
        fresh = [key for key in page if key not in self.asked_again]
        self.asked_again += fresh
        ends = start + len(page)
        following = (ends, "") if ends < len(meant) else None
        return Replayed(len(fresh), len(page) - len(fresh), following)

    async def workspace(self, workspace_id: str) -> dict[str, int]:
        await self.now()
        return self._delete([key for key in self.answers if key[0] == workspace_id])

    async def conversations_of(self, workspace_id: str, crm: str, person_id: str) -> list[str]:
        await self.now()
        return [
            answer.conversation_id
            for answer in self.answers.values()
            if (answer.workspace_id, answer.app, answer.person_id) == (workspace_id, crm, person_id)
        ]

    async def conversations(self, workspace_id: str, ids: list[str]) -> dict[str, int]:
        await self.now()
        return self._delete([k for k in self.answers if k[0] == workspace_id and k[1] in ids])

    def _delete(self, keys: list[tuple[str, str, str]]) -> dict[str, int]:
        for key in keys:
            del self.answers[key]
        return {"ledger": len(keys), "actions": 0}

    def _meant(self, selection: Selection) -> list[tuple[str, str, str]]:
        return [
            key
            for key, answer in self.answers.items()
            if selection.workspace_id == answer.workspace_id
            and (not selection.conversation_ids or key[1] in selection.conversation_ids)
            and (not selection.apps or answer.app in selection.apps)
            and answer.outcome in selection.outcomes
            and (selection.since is None or answer.decided_at >= selection.since)
            and (selection.until is None or answer.decided_at < selection.until)
        ]


@contextlib.contextmanager
def run_ledger() -> Iterator[Ledger]:
    """Serve until the block ends, in a thread of this process."""
    ledger, token = Ledger(), SecretStr(TOKEN)
    app = Starlette(routes=[replay_route(ledger, None, token), *forget_routes(ledger, token)])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + _START_WITHIN_S
        while not running.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        ledger.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield ledger
        finally:
            running.should_exit = True
            thread.join(_START_WITHIN_S)
