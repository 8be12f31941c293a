"""What debounce and delivery tell of conversations that wait, by their internal APIs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from common import http
from common.catalog import APPS, CRMS
from common.health import Need
from common.outcomes import Outcome

from settings.ports import PeerUnavailable, Preview, Waiting

_DEADLINE = timedelta(seconds=1)  # a page waits for it, and does without when it must
_PREVIEW_DEADLINE = timedelta(seconds=15)  # it asks Intercom and the CRM
_ANSWER_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Peer:
    client: httpx.AsyncClient
    need: Need

    async def _get(
        self, url: str, token: str | None = None, deadline: timedelta = _DEADLINE
    ) -> dict[str, Any] | None:
        """The answer, None for 404. Raises PeerUnavailable."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            request = self.client.build_request("GET", url, headers=headers)
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
class HttpPending(_Peer):
    """Debounce: each replica knows the partitions that are its own."""

    urls: Sequence[str]

    async def count(self, workspace_id: str) -> int:
        return sum(
            [
                _number((await self._get(f"{url}/v1/pending/{workspace_id}") or {}).get("pending"))
                for url in self.urls
            ]
        )

    async def due_at(self, workspace_id: str, conversation_id: str) -> datetime | None:
        for url in self.urls:
            answer = await self._get(f"{url}/v1/pending/{workspace_id}/{conversation_id}") or {}
            if answer.get("pending") is not None:  # the replica whose partition it is
                return _instant(answer.get("due_at"))
        raise PeerUnavailable


@dataclass(frozen=True, slots=True)
class HttpDeliveries(_Peer):
    """Delivery: any replica reads the whole ledger, and previews for the CRMs that it serves."""

    url: str  # `{crm}` stands for the CRM's name
    token: str | None  # for previews

    async def preview(self, workspace_id: str, conversation_id: str, app: str) -> Preview:
        if self.token is None:
            raise PeerUnavailable
        path = f"/v1/previews/{workspace_id}/{conversation_id}/{app}"
        answer = await self._get(self._of(APPS[app].crm) + path, self.token, _PREVIEW_DEADLINE)
        if answer is None:
            raise PeerUnavailable
        refused = answer.get("refused")
        try:
            return Preview(
                refused=None if refused is None else Outcome(refused),
                quiet_at=_instant(answer.get("quiet_at")),
                person_id=answer.get("person_id"),
                note=answer.get("note"),
            )
        except ValueError:
            raise PeerUnavailable from None

    async def waiting(self, workspace_id: str, conversation_id: str) -> list[Waiting]:
        path = f"/v1/deliveries/{workspace_id}/{conversation_id}"
        answer = await self._get(self._of(CRMS[0]) + path)
        found = (answer or {}).get("deliveries")
        if answer is not None and not isinstance(found, list):
            raise PeerUnavailable
        return [
            Waiting(
                conversation_id=conversation_id,
                app=str(one.get("app")),
                waits_for=str(one["waiting"].get("for")),
                until=_instant(one["waiting"].get("until")),
                failed_attempts=_number(one["waiting"].get("failed_attempts")),
                reason=one["waiting"].get("reason"),
            )
            for one in found or []
            if isinstance(one, dict) and isinstance(one.get("waiting"), dict)
        ]

    def _of(self, crm: str) -> str:
        return self.url.replace("{crm}", crm)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _instant(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
