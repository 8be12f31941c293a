"""settings over HTTP: installations, and valid ways into CRMs and Intercom.

Installations are held for up to a minute, tokens for up to ten and never longer than they are good
for; both are dropped as soon as settings says that something changed. Nothing that is held is used
before the latest change of every installation has been read. Tokens are held in memory only.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from common.clock import Clock
from common.eligibility import Installation
from common.http import Answer, Caller, Calls
from common.together import Together
from pydantic import BaseModel, ValidationError

from delivery.ports import (
    CrmAccess,
    Gone,
    IntercomAccess,
    ReconnectNeeded,
    RetryLater,
    SettingsAway,
)

HELD_FOR_S = 60.0
# Tokens: a refused one is asked for anew, and what an admin changes is announced.
TOKEN_HELD_FOR_S = 600.0
LOOKS_AT_ONCE = 100
_DEADLINE = timedelta(seconds=10)
_ANSWER_MAX_BYTES = 1024 * 1024
# A token is not used in its last moments: a call may take a while to arrive.
_TOKEN_MARGIN = timedelta(seconds=30)

Kept = TypeVar("Kept")


class _Installations(BaseModel):
    installations: list[Installation | None]


@dataclass(slots=True)
class _Held:
    value: Any
    until: float  # monotonic


@dataclass(slots=True)
class HttpSettings:
    url: str  # settings' internal listener
    token: str  # our credential there
    clock: Clock
    calls: Calls = field(default_factory=Caller)
    monotonic: Callable[[], float] = time.monotonic
    _held: dict[str, dict[tuple[str, ...], _Held]] = field(default_factory=dict)  # by workspace
    _relied_on: bool = False
    _changes: dict[str, int] = field(default_factory=dict)  # per workspace, to drop late answers
    _looks: Together[tuple[str, str], Installation | None] = field(init=False)

    def __post_init__(self) -> None:
        # Looks that come while one is under way go together in the next: none is answered by a
        # request that was sent before it was asked.
        self._looks = Together(self._look, expected=RetryLater, at_once=LOOKS_AT_ONCE)

    async def aclose(self) -> None:
        await self.calls.aclose()

    def forget(self, workspace_id: str) -> None:
        """Something of this workspace changed: the next look asks settings."""
        self._changes[workspace_id] = self._changes.get(workspace_id, 0) + 1
        self._held.pop(workspace_id, None)

    def rely(self, on: bool) -> None:
        """Whether changes are heard of, all of them: only then may what is held be used."""
        self._relied_on = on

    async def installation(
        self, workspace_id: str, app: str, *, fresh: bool = False
    ) -> Installation | None:
        place = ("installation", workspace_id, app)

        async def ask() -> tuple[Installation | None, float]:
            return await self._looks((workspace_id, app)), HELD_FOR_S

        return await self._kept(place, ask, fresh=fresh)

    async def _look(self, keys: Sequence[tuple[str, str]]) -> Sequence[Installation | None]:
        asked = [{"workspace_id": workspace_id, "app": app} for workspace_id, app in keys]
        answer = await self._send("/internal/v1/installations", {"asked": asked})
        found = _read(_Installations.model_validate, answer).installations
        if len(found) != len(keys):
            raise SettingsAway("settings_unreadable")
        return found

    async def crm_access(
        self, workspace_id: str, app: str, *, rejected: str | None = None
    ) -> CrmAccess:
        async def ask() -> tuple[CrmAccess, float]:
            answer = await self._send(
                f"/internal/v1/crm-access/{workspace_id}/{app}",
                {"rejected_token_hash": _hash(rejected)},
            )
            access = _read(_crm_access, answer)
            left = (access.expires_at - _TOKEN_MARGIN - self.clock.now()).total_seconds()
            return access, min(TOKEN_HELD_FOR_S, left)

        return await self._kept(("crm", workspace_id, app), ask, fresh=rejected is not None)

    async def intercom_access(
        self, workspace_id: str, *, rejected: str | None = None
    ) -> IntercomAccess:
        async def ask() -> tuple[IntercomAccess, float]:
            answer = await self._send(
                f"/internal/v1/intercom-access/{workspace_id}",
                {"rejected_token_hash": _hash(rejected)},
            )
            return _read(_intercom_access, answer), TOKEN_HELD_FOR_S

        return await self._kept(("intercom", workspace_id), ask, fresh=rejected is not None)

    async def _kept(
        self,
        place: tuple[str, ...],
        ask: Callable[[], Awaitable[tuple[Kept, float]]],
        *,
        fresh: bool,
    ) -> Kept:
        held = self._held.get(place[1], {}).get(place)
        if self._relied_on and held is not None and not fresh and held.until > self.monotonic():
            value: Kept = held.value
            return value
        asked_at, changes = self.monotonic(), self._changes.get(place[1], 0)
        value, for_s = await ask()
        if for_s > 0 and changes == self._changes.get(place[1], 0):
            self._held.setdefault(place[1], {})[place] = _Held(value, asked_at + for_s)
        return value

    async def _send(self, path: str, body: object) -> Any:
        try:
            response = await self.calls.call(
                "POST",
                f"{self.url.rstrip('/')}{path}",
                _DEADLINE,
                headers={"Authorization": f"Bearer {self.token}"},
                body=body,
                max_bytes=_ANSWER_MAX_BYTES,
            )
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            raise SettingsAway("settings_unreachable") from error
        if response.status_code == 404 and "title" in _body(response):
            # Its own answer; a 404 from anything in between says nothing about an installation.
            raise Gone
        if response.status_code == 409 and _body(response).get("code") == "reconnect_needed":
            raise ReconnectNeeded("reconnect_needed")
        if response.status_code == 503 and _body(response).get("code") == "vendor_unavailable":
            retry_after = _retry_after(response, self.clock.now())
            raise RetryLater("token_endpoint_away", retry_after)
        if response.status_code != 200:
            raise SettingsAway(f"settings_http_{response.status_code}")
        try:
            return response.json()
        except ValueError as error:
            raise SettingsAway("settings_unreadable") from error


def _read(build: Callable[[Any], Kept], answer: object) -> Kept:
    try:
        return build(answer)
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise SettingsAway("settings_unreadable") from error


def _crm_access(answer: dict[str, Any]) -> CrmAccess:
    return CrmAccess(
        access_token=answer["access_token"],
        api_base=answer["api_base"],
        account_id=str(answer["account_id"]),
        user_id=None if answer.get("user_id") is None else str(answer["user_id"]),
        expires_at=datetime.fromisoformat(answer["expires_at"]),
    )


def _intercom_access(answer: dict[str, Any]) -> IntercomAccess:
    return IntercomAccess(
        access_token=answer["access_token"],
        api_base=answer["api_base"],
        link_base=answer["link_base"],
        workspace_id=answer["workspace_id"],
    )


def _body(response: Answer) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after(response: Answer, now: datetime) -> timedelta | None:
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal() and len(value) < 10:
        return timedelta(seconds=int(value))
    try:
        return max(timedelta(0), parsedate_to_datetime(value) - now)
    except (ValueError, TypeError):
        return None


def _hash(token: str | None) -> str | None:
    return None if token is None else hashlib.sha256(token.encode()).hexdigest()
