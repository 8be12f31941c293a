"""Asking our other services, by their internal APIs; whoever asks does without when it must."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from common import http
from common.health import Need

_DEADLINE = timedelta(seconds=1)  # a page waits for it
_ANSWER_MAX_BYTES = 1024 * 1024


class PeerUnavailable(Exception):
    """The peer cannot answer now: nothing may be said of what only it knows."""


def place_of(url: str, crm: str) -> str:
    """Where the delivery of this CRM is; `{crm}` in the address stands for its name.

    With dashes: a host name has no underscore.
    """
    return url.replace("{crm}", crm.replace("_", "-"))


@dataclass(frozen=True, slots=True)
class Peer:
    client: httpx.AsyncClient
    need: Need

    async def get(
        self, url: str, token: str | None = None, deadline: timedelta = _DEADLINE
    ) -> dict[str, Any] | None:
        """The answer, None for 404. Raises PeerUnavailable."""
        return await self.ask("GET", url, token=token, deadline=deadline)

    async def ask(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        json: Any = None,
        deadline: timedelta = _DEADLINE,
    ) -> dict[str, Any] | None:
        """The answer, None for 404. Raises PeerUnavailable."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            request = self.client.build_request(method, url, headers=headers, json=json)
            response = await http.send(self.client, request, deadline, _ANSWER_MAX_BYTES)
        except (httpx.HTTPError, TimeoutError, OSError):
            self.need.missing("cannot be reached")
            raise PeerUnavailable from None
        if response.status_code == 404:
            self.need.met()
            return None
        try:
            body = response.json() if response.status_code == 200 else None
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self.need.missing(f"answers {response.status_code}")
            raise PeerUnavailable
        self.need.met()
        return body


@dataclass(frozen=True, slots=True)
class HttpPending(Peer):
    """Debounce: each replica knows the partitions that are its own."""

    urls: Sequence[str]

    async def count(self, workspace_id: str) -> int:
        """Raises PeerUnavailable."""
        return sum(
            [
                number((await self.get(f"{url}/v1/pending/{workspace_id}") or {}).get("pending"))
                for url in self.urls
            ]
        )

    async def due_at(self, workspace_id: str, conversation_id: str) -> datetime | None:
        """None: it is not pending. Raises PeerUnavailable."""
        path = f"/v1/pending/{workspace_id}/{conversation_id}"
        asking = [asyncio.create_task(self.get(f"{url}{path}")) for url in self.urls]
        try:
            for asked in asyncio.as_completed(asking):
                with contextlib.suppress(PeerUnavailable):
                    answer = await asked or {}
                    if answer.get("pending") is not None:  # the replica whose partition it is
                        return instant(answer.get("due_at"))
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        raise PeerUnavailable


def number(value: object) -> int:
    return value if isinstance(value, int) else 0


def instant(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
