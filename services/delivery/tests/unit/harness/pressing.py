"""A press of the inbox app's buttons and all that it meets, in memory."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attempting
import httpx
from common.catalog import ActionKind
from common.eligibility import Installation
from common.events import ConversationSettled
from delivery.acting import Actions
from delivery.action_ports import Begun
from delivery.api import delivery_api
from delivery.cards import Cards
from delivery.carrying_out import Acting
from delivery.domain.acted import Acted, ActionKey, Begin, Record, Standing, State, Wanted, press
from delivery.domain.action import Action, Made
from delivery.domain.backoff import Schedule
from delivery.domain.row import Key
from delivery.inbox_api import inbox_routes
from delivery.ports import (
    CrmAccess,
    IntercomAccess,
    LeaseLost,
    LedgerAway,
)
from delivery.working import Limits, Needs
from pydantic import SecretStr

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TOKEN = "the-token-of-ingest"
DEADLINE = timedelta(seconds=0.2)
INSTALLATION = attempting.INSTALLATION.model_copy(
    update={
        "installed_at": NOW - timedelta(days=1),
        "transcript_sync": False,
        "paused_app_users": frozenset({"5002"}),
    }
)
MADE = Made(ActionKind.DEAL, "77", "501", "https://crm/77")


@dataclass
class Store:
    """The table in memory; its clock stands still."""

    rows: dict[ActionKey, Acted] = field(default_factory=dict)
    tokens: dict[ActionKey, str] = field(default_factory=dict)
    events: list[tuple[Key, ConversationSettled]] = field(default_factory=list)
    forgotten: list[timedelta] = field(default_factory=list)
    away: set[str] = field(default_factory=set)  # methods that PostgreSQL does not answer
    now: datetime = NOW

    def _reached(self, method: str) -> None:
        if method in self.away:
            raise LedgerAway(method)

    async def read(self, key: ActionKey) -> tuple[Acted, datetime] | None:
        self._reached("read")
        return (self.rows[key], self.now) if key in self.rows else None

    async def begin(
        self,
        key: ActionKey,
        wanted: Wanted,
        *,
        lease: timedelta,
        visible_after: timedelta,
        **_: Any,
    ) -> Begun | Standing:
        self._reached("begin")
        acted = self.rows.get(key)
        verdict = press(acted, wanted, self.now, visible_after)
        if not isinstance(verdict, Begin):
            return verdict
        dark_until = acted.unknown_until if acted else None
        self.rows[key] = Acted(wanted, State.DOING, NOW, self.now + lease, dark_until)
        self.tokens[key] = token = str(len(self.tokens) + len(self.events))
        good_until = asyncio.get_running_loop().time() + lease.total_seconds()
        return Begun(key, token, NOW, self.now, good_until, verdict.again)

    async def done(
        self, begun: Begun, record: Record, row: Key, event: ConversationSettled
    ) -> None:
        self._reached("done")
        if self.tokens[begun.key] != begun.token:
            raise LeaseLost
        acted = self.rows[begun.key]
        self.rows[begun.key] = replace(acted, state=State.DONE, record=record)
        self.events.append((row, event))

    async def told(self, key: ActionKey, told: Wanted, actor_id: str) -> bool:
        self._reached("told")
        done = Acted(told, State.DONE, NOW, NOW, record=Record(None))
        return self.rows.setdefault(key, done).wanted == told

    async def forget(self, after: timedelta) -> int:
        self._reached("forget")
        self.forgotten.append(after)
        return 1

    async def failed(self, begun: Begun, reason: str) -> None:
        acted = self.rows[begun.key]
        self.rows[begun.key] = replace(acted, state=State.FAILED, reason=reason)

    async def put_off(self, begun: Begun, reason: str, dark_for: timedelta | None) -> None:
        acted = self.rows[begun.key]
        dark_until = acted.dark_until if dark_for is None else self.now + dark_for
        self.rows[begun.key] = replace(
            acted, reason=reason, lease_until=self.now, dark_until=dark_until
        )


@dataclass
class World:
    """settings, the CRM, Intercom and the ledger, as far as an action meets them."""

    store: Store = field(default_factory=Store)
    installation: Installation | Exception | None = INSTALLATION
    ends: list[Made | Exception] = field(default_factory=list)  # of the CRM's calls, in turn
    acted: list[Action] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    hold: asyncio.Event | None = None  # the CRM answers when it is set
    woken: int = 0
    name: str = "hubspot"
    visible_after: timedelta = timedelta(seconds=10)

    async def get_installation(self, *_: Any, **__: Any) -> Installation | None:
        if isinstance(self.installation, Exception):
            raise self.installation
        return self.installation

    async def crm_access(self, *_: Any, rejected: str | None = None) -> CrmAccess:
        token = "old" if rejected is None else "new"
        return CrmAccess(token, "https://crm", "42001", "9", NOW + timedelta(hours=1))

    async def intercom_access(self, workspace_id: str, **_: Any) -> IntercomAccess:
        return IntercomAccess("token", "https://api", "https://app", workspace_id)

    async def teammate_email(self, *_: Any) -> str:
        return "sam@example.org"

    async def user_with_email(self, *_: Any) -> str:
        return "u9"

    async def act(self, access: CrmAccess, action: Action, deadline: timedelta) -> Made:
        self.acted.append(action)
        self.called.set()
        if self.hold is not None:
            await self.hold.wait()
        end = self.ends.pop(0) if self.ends else MADE
        if isinstance(end, Exception):
            raise end
        return end

    def is_lead(self, person_id: str) -> bool:
        return person_id.startswith("lead.")

    def made_url(self, _: CrmAccess, kind: ActionKind, record_id: str, __: str | None) -> str:
        return f"https://crm/{kind}/{record_id}"

    def wake(self) -> None:
        self.woken += 1

    @property
    def actions(self) -> Actions:
        limits = Limits(
            quiet_period=timedelta(minutes=15),
            call_deadline=DEADLINE,
            schedule=Schedule(first=timedelta(seconds=5), in_all=timedelta(days=3)),
            monotonic=lambda: asyncio.get_running_loop().time(),
        )
        settings = _Settings(self)
        itself = cast("Any", self)
        needs = Needs(cast("Any", settings), itself, itself, itself, lambda *_: "link", limits)
        return Actions({"hubspot": Acting(needs, itself, self.wake)}, self.store)


@dataclass
class _Settings:
    world: World

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, "get_installation" if name == "installation" else name)


def client_of(actions: Actions, token: str | None) -> httpx.AsyncClient:
    cards = Cards(actions.crms, cast("Any", None))
    secret = None if token is None else SecretStr(token)
    api = delivery_api(cast("Any", None), inbox_routes(cards, actions, secret))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(api),
        base_url="http://delivery",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
