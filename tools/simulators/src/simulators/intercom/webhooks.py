"""Signed notifications to our endpoint: at once, held back, twice, again after a failure."""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from simulators.http import Json
from simulators.world import World

State = Literal["held", "sending", "waiting to retry", "delivered", "failed"]
GONE = 410
MAX_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Attempt:
    at: float
    status: int  # 0: no answer in time, or no connection
    ms: float


@dataclass(slots=True)
class Notification:
    id: str
    workspace: str
    conversation: str | None
    part: str | None
    topic: str
    item: Json
    created_at: int
    state: State = "sending"
    attempts: list[Attempt] = field(default_factory=list)
    first_sent_at: int | None = None

    def view(self) -> Json:
        return {
            "id": self.id,
            "workspace": self.workspace,
            "conversation": self.conversation,
            "part": self.part,
            "topic": self.topic,
            "state": self.state,
            "attempts": [{"at": a.at, "status": a.status, "ms": a.ms} for a in self.attempts],
        }

    def envelope(self, attempt: int, *, retry: bool) -> Json:
        is_ping = self.topic == "ping"
        return {
            "type": "notification_event",
            "app_id": self.workspace,
            "data": {"type": "notification_event_data", "item": self.item},
            "links": {},
            "id": None if is_ping else self.id,
            "topic": self.topic,
            "delivery_status": None if is_ping else ("retry" if retry else "pending"),
            "delivery_attempts": attempt,
            "delivered_at": 0,
            "first_sent_at": self.first_sent_at,
            "created_at": self.created_at,
            "self": None,
        }


def signature(secret: str, body: bytes) -> str:
    """`X-Hub-Signature` over exactly these bytes."""
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


class Webhooks:
    """The sender. Lives as long as the server; a reset forgets everything that waits."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._client = httpx.AsyncClient(
            trust_env=False,
            headers={"User-Agent": "intercom-parrot-service-client/1.0"},
            # no upper limit: an endpoint that hangs must not keep the others' notifications waiting
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=50),
        )
        self._notifications: dict[str, Notification] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        self.reset()
        await self._client.aclose()

    def reset(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._notifications.clear()

    def all(self) -> list[Notification]:
        return list(self._notifications.values())

    def find(self, notification_id: str) -> Notification | None:
        return self._notifications.get(notification_id)

    def make(
        self,
        topic: str,
        item: Json,
        *,
        workspace: str,
        conversation: str | None,
        part: str | None,
        created_at: int,
    ) -> Notification:
        notification = Notification(
            id=f"notif_{uuid.uuid4()}",
            workspace=workspace,
            conversation=conversation,
            part=part,
            topic=topic,
            item=item,
            created_at=created_at,
        )
        self._notifications[notification.id] = notification
        return notification

    def wanted(self, topics: list[str]) -> list[str]:
        """Those of the topics that the app is subscribed to, and has an address for."""
        app = self._world.intercom
        if app.webhook_url is None or not app.subscription_active:
            return []
        return [t for t in topics if app.topics is None or t in app.topics]

    async def send(self, notifications: list[Notification], *, wait: bool) -> None:
        """Send one after the other, in the background unless `wait`.

        A retry never holds up the next one.
        """
        for notification in notifications:
            notification.state = "sending"
        task = self._spawn(self._send_in_turn(notifications))
        if wait:
            await asyncio.wait([task])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _send_in_turn(self, notifications: list[Notification]) -> None:
        for notification in notifications:
            if await self._attempt(notification, retry=False):
                notification.state = "delivered"
            elif len(notification.attempts) < MAX_ATTEMPTS:
                notification.state = "waiting to retry"
                self._spawn(self._retry(notification))
            else:
                notification.state = "failed"

    async def _retry(self, notification: Notification) -> None:
        await asyncio.sleep(self._world.knobs.webhook_retry_s)
        good = await self._attempt(notification, retry=True)
        notification.state = "delivered" if good else "failed"

    async def _attempt(self, notification: Notification, *, retry: bool) -> bool:
        world, app = self._world, self._world.intercom
        if app.webhook_url is None:
            return False
        now = world.clock.now()
        if notification.first_sent_at is None:
            notification.first_sent_at = int(now)
        envelope = notification.envelope(len(notification.attempts) + 1, retry=retry)
        body = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode()
        world.check_webhook(notification.topic, body)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-Hub-Signature": signature(app.client_secret, body),
        }
        started = time.perf_counter()
        try:
            # httpx's own time-outs: cancelling from outside can leave its pool without connections
            answer = await self._client.post(
                app.webhook_url,
                content=body,
                headers=headers,
                timeout=world.knobs.webhook_timeout_s,
            )
            status = answer.status_code
        except httpx.HTTPError:
            status = 0
        ms = round((time.perf_counter() - started) * 1000, 1)
        notification.attempts.append(Attempt(now, status, ms))
        if status == GONE:
            app.subscription_active = False
        return httpx.codes.is_success(status)
