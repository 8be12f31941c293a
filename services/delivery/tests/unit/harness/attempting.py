"""An attempt's whole world in memory, with a log of the order in which it was spoken to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from common.catalog import APPS
from common.eligibility import Installation
from common.events import ConversationSettled, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.attempt import Attempts
from delivery.domain.answer import Result, finished
from delivery.domain.backoff import Schedule
from delivery.domain.conversation import Contact, Conversation, Message
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.row import (
    Key,
    Known,
    Request,
    Row,
    Written,
)
from delivery.ports import (
    Claim,
    CrmAccess,
    IntercomAccess,
    LeaseLost,
    PersonState,
    ReconnectNeeded,
)
from delivery.working import Limits, Needs

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SAID = Update(NOW - timedelta(hours=1), 7)
KEY = Key("wk1", "1", "hubspot", "42001")
INSTALLATION = Installation(
    workspace_id="wk1",
    app="hubspot",
    version=1,
    installed_at=NOW - timedelta(days=1),
    transcript_sync=True,
    active_app_users=frozenset({"5001"}),
    all_conversations=False,
    note_policy="update",
    time_zone="UTC",
    crm_account="42001",
    reconnect_needed=False,
)


def talk(*updates: Update, read_at: datetime = NOW) -> Conversation:
    messages = tuple(
        Message(u.part_id, u.updated_at, "user", "Ada", "hello", (), False, u) for u in updates
    )
    return Conversation("wk1", "1", "email", messages, 0, "5001", False, ("c1",), read_at)


@dataclass
class World:
    """Everything an attempt talks to, in memory; `log` is the order in which it did."""

    row: Row
    installation: Installation | None = INSTALLATION
    of_apps: dict[str, Installation | None] = field(default_factory=dict)  # where they differ
    leads: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)  # apps whose connection needs a reconnect
    conversation: Conversation = field(default_factory=lambda: talk(SAID))
    persons: list[str] = field(default_factory=lambda: ["501"])
    notes: dict[str, str] = field(default_factory=dict)
    fails: dict[str, list[BaseException | None]] = field(default_factory=dict)
    when: dict[str, Callable[[], None]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    monotonic: float = 100.0
    lease_lost: bool = False
    leads_to: str = "42001"  # the CRM account of the connection
    owner: str | None = None  # of the note that was made
    author: str = "9"  # of those that are listed: the connection's own user
    late_looks: int = 0  # looks after which more than a second passes before anything is sent
    listed: list[str] = field(default_factory=list)  # persons whose notes were
    _reads: int = 0

    # the CRM
    name: str = "hubspot"
    html: bool = True
    note_max_chars: int = 60_000
    note_max_bytes: int | None = None
    visible_after: timedelta = timedelta(seconds=10)
    has_activity: bool = False
    note_id_is_ours: bool = False

    def _step(self, name: str) -> None:
        self.log.append(name)
        if name in self.when:
            self.when[name]()
        failures = self.fails.get(name) or [None]
        failure = failures.pop(0)
        if failure is not None:
            raise failure

    def _read_clock(self) -> float:
        if self.late_looks and self.log and self.log[-1] == "look":
            self._reads += 1
            if self._reads % 2 == 0:  # the answer came at the read before
                self.monotonic += 1.5
                self.late_looks -= 1
        return self.monotonic

    # settings

    async def installation_of(self, app: str, fresh: bool) -> Installation | None:
        self._step("look" if fresh else "installation")
        return self.of_apps.get(app, self.installation)

    async def crm_access(self, _: str, app: str, *, rejected: str | None = None) -> CrmAccess:
        self._step("crm_access" if rejected is None else "crm_access anew")
        if app in self.dead:
            raise ReconnectNeeded("reconnect_needed")
        return CrmAccess("t", "https://crm", self.leads_to, "9", NOW + timedelta(hours=1))

    async def intercom_access(self, _: str, *, rejected: str | None = None) -> IntercomAccess:
        self._step("intercom_access" if rejected is None else "intercom_access anew")
        return IntercomAccess("t", "https://api", "https://app", "wk1")

    # Intercom

    async def read(self) -> Conversation:
        self._step("conversation")
        return self.conversation

    async def contact(self, *_: object) -> Contact:
        self._step("contact")
        return Contact("c1", ("ada@example.com",), ())

    async def teammate_email(self, *_: object) -> str | None:
        self._step("teammate")
        return "sam@example.org"

    # the CRM

    async def user_with_email(self, _: CrmAccess, email: str, __: timedelta) -> str | None:
        self._step("user")
        return "7" if email == "sam@example.org" else None

    async def find_persons(self, *_: object) -> Sequence[str]:
        self._step("find_persons")
        return self.persons

    async def find_leads(self, *_: object) -> Sequence[str]:
        self._step("find_leads")
        return self.leads

    async def person(self, _: CrmAccess, person_id: str, __: timedelta) -> PersonState | None:
        self._step("person")
        return PersonState(person_id) if person_id in self.persons else None

    async def reserve(self, *_: object) -> None:
        self._step("permit")

    async def create_note(self, _: CrmAccess, person_id: str, note: Note, __: timedelta) -> str:
        self._step("create_note")
        made = "77" if "77" not in self.notes else str(77 + len(self.notes))
        self.notes[made], self.owner = note.body, note.owner_id
        return made

    async def note(self, _: CrmAccess, note_id: str, __: timedelta) -> StoredNote | None:
        self._step("note")
        body = self.notes.get(note_id)
        return None if body is None else StoredNote(note_id, body, "9", "501")

    async def update_note(
        self, _: CrmAccess, note_id: str, body: str, note: Note, __: timedelta
    ) -> None:
        self._step("update_note")
        self.notes[note_id] = body

    async def delete_note(self, _: CrmAccess, note_id: str, __: timedelta) -> None:
        self._step("delete_note")
        del self.notes[note_id]

    async def notes_marked(
        self, _: CrmAccess, person_id: str, marker: Marker, *__: object
    ) -> list[StoredNote]:
        self._step("notes_marked")
        self.listed.append(person_id)
        bodies = self.notes.items()
        return [StoredNote(i, b, self.author, "501") for i, b in bodies if str(marker) in b]

    # the ledger

    async def save(self, _: Claim, known: Known) -> None:
        self._step("save unknown" if known.unknown_note else "save known")
        if self.lease_lost:
            raise LeaseLost
        self.row = replace(self.row, known=known)

    async def finish(self, _: Claim, result: Result) -> Row:
        self._step("finish")
        if self.lease_lost:
            raise LeaseLost
        self.row = finished(self.row, result, self.now)
        return self.row

    async def move(self, _: Claim, to: Key, app: str, result: Result) -> None:
        self._step(f"move {app} to {to.crm_account}")

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.monotonic - 100)

    async def attempt(self, lease_s: float = 60) -> Result | None:
        fakes: Any = (_Settings(self), _Intercom(self), self, _Ledger(self))
        limits = Limits(
            quiet_period=timedelta(minutes=15),
            call_deadline=timedelta(seconds=20),
            schedule=Schedule(),
            monotonic=self._read_clock,
        )
        settings, intercom, crm, ledger = fakes
        link = "https://app/x"
        needs = Needs(
            settings, intercom, crm, ledger, lambda *_: link, limits, reserve=self.reserve
        )
        self.row = replace(self.row, taken=self.row.wanted, leased=True)
        claim = Claim(self.row, "token", self.now, self.monotonic, self.monotonic + lease_s)
        return await Attempts(needs).run(claim)

    def outcomes(self) -> list[Outcome]:
        return [outcome.outcome for outcome in self.row.outcomes]


@dataclass
class _Settings:
    world: World

    async def installation(self, _: str, app: str, *, fresh: bool = False) -> Installation | None:
        return await self.world.installation_of(app, fresh)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)


@dataclass
class _Intercom:
    world: World

    async def conversation(self, *_: object) -> Conversation:
        return await self.world.read()

    async def contact(self, *_: object) -> Contact:
        return await self.world.contact()

    async def teammate_email(self, *_: object) -> str | None:
        return await self.world.teammate_email()


@dataclass
class _Ledger:
    world: World

    async def read(self, _: Key) -> Row:
        return self.world.row

    async def heal(self, *_: object) -> None:
        self.world.log.append("heal")

    async def fold(self, _: Key, event: ConversationSettled, __: tuple[str, ...]) -> None:
        self.world.log.append(f"fold {event.trigger}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, name)


def asked(*triggers: Trigger, known: Known | None = None, **rest: Any) -> World:
    requests = tuple(
        Request(
            number,
            trigger,
            "hubspot",
            NOW,
            SAID if trigger in (Trigger.QUIET, Trigger.BACKFILL) else None,
            actor_id="5001",
            **rest,
        )
        for number, trigger in enumerate(triggers or (Trigger.QUIET,), start=1)
    )
    return World(Row(KEY, wanted=len(requests), requests=requests, known=known or Known()))


def asked_of(*apps: str) -> World:
    """Quiet, of several apps on one CRM account; the last one's request is the newest."""
    world = asked(*[Trigger.QUIET] * len(apps))
    requests = [replace(r, app=app) for r, app in zip(world.row.requests, apps, strict=True)]
    key = replace(KEY, crm=APPS[apps[0]].crm)
    world.row = replace(world.row, key=key, requests=tuple(requests))
    return world


def noted(world: World) -> Known:
    """As if an earlier attempt had written the note for an older reply."""
    older = Update(SAID.updated_at - timedelta(minutes=1), 1)
    return replace(world.row.known, person_id="501", note=Written("77", None, older))
