"""The order of an attempt's steps: what is looked at, saved and sent, and what failures mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from common.catalog import APPS
from common.eligibility import Installation
from common.events import ConversationSettled, CrmPerson, Trigger
from common.outcomes import Outcome
from common.updates import Update
from delivery.attempt import Attempts
from delivery.domain.answer import Result, finished
from delivery.domain.backoff import Schedule
from delivery.domain.conversation import Contact, Conversation, Message
from delivery.domain.note import Marker, Note, StoredNote
from delivery.domain.row import (
    Distrust,
    Key,
    Known,
    Lost,
    Request,
    Row,
    UnknownWrite,
    Waiting,
    Written,
)
from delivery.ports import (
    Claim,
    CrmAccess,
    GiveUp,
    Gone,
    IntercomAccess,
    LeaseLost,
    Paused,
    PersonState,
    ReconnectNeeded,
    RetryLater,
    SettingsAway,
    TokenRejected,
    UnknownEnd,
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
    late_looks: int = 0  # looks after which more than a second passes before anything is sent
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
        self.notes["77"], self.owner = note.body, note.owner_id
        return "77"

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
        self, _: CrmAccess, __: str, marker: Marker, *___: object
    ) -> list[StoredNote]:
        self._step("notes_marked")
        return [StoredNote(i, b, "9", "501") for i, b in self.notes.items() if str(marker) in b]

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


async def test_first_the_permit_then_unknown_write_then_settings_then_the_note() -> None:
    world = asked()
    await world.attempt()
    assert world.log == [
        "installation",
        "intercom_access",
        "conversation",
        "crm_access",
        "contact",
        "find_persons",
        "teammate",
        "user",
        "permit",
        "save unknown",
        "look",
        "create_note",
        "finish",
    ]
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.owner == "7"
    known = world.row.known
    assert (known.note, known.unknown_note) == (Written("77", None, SAID), None)


async def test_off_by_the_last_look_sends_nothing_and_clears_unknown_write() -> None:
    world = asked()
    off = INSTALLATION.model_copy(update={"transcript_sync": False})
    world.when["look"] = lambda: setattr(world, "installation", off)
    await world.attempt()
    assert (world.outcomes(), world.notes) == ([Outcome.SYNC_OFF], {})
    assert world.row.known.unknown_note is None


async def test_a_look_older_than_a_second_is_taken_again() -> None:
    world = asked()
    world.late_looks = 2
    await world.attempt()
    assert (world.log.count("look"), world.outcomes()) == (3, [Outcome.DELIVERED])
    world = asked()
    world.late_looks = 3
    await world.attempt()
    assert (world.notes, world.row.reason) == ({}, "look_too_slow")


async def test_a_lease_shorter_than_the_call_sends_nothing() -> None:
    world = asked()
    await world.attempt(lease_s=19)
    assert world.notes == {}
    assert (world.row.waiting, world.row.reason) == (Waiting.RETRY, "lease_too_short")
    assert world.row.known.unknown_note is None


async def test_a_write_without_a_permit_is_not_even_announced() -> None:
    world = asked()
    world.row = replace(world.row, attempts=3, failing_since=NOW)
    world.fails["permit"] = [Paused("rate_limit.calls", timedelta(seconds=30))]
    result = await world.attempt()
    assert "save unknown" not in world.log
    assert (world.row.waiting, world.row.reason) == (Waiting.PAUSED, "rate_limit.calls")
    assert (world.row.attempts, world.row.failing_since) == (3, NOW)  # it is no failure
    assert world.row.not_before_retry is not None
    assert world.row.not_before_retry >= NOW + timedelta(seconds=30)
    assert result is not None
    assert result.wait is not None
    assert result.wait.holds_connection


@pytest.mark.parametrize(
    ("error", "kept", "waiting"),
    [
        (UnknownEnd("timeout"), True, Waiting.RETRY),
        (RetryLater("http_429", timedelta(seconds=30)), False, Waiting.RETRY),
        (ReconnectNeeded("revoked"), False, Waiting.RECONNECT),
        (GiveUp("http_400"), False, None),
    ],
)
async def test_only_an_unknown_end_keeps_unknown_write(
    error: Exception, kept: bool, waiting: Waiting | None
) -> None:
    world = asked()
    world.fails["create_note"] = [error]
    await world.attempt()
    assert (world.row.known.unknown_note is not None) is kept
    assert world.row.waiting is waiting
    assert world.outcomes() == ([Outcome.FAILED] if waiting is None else [])


async def test_an_unknown_end_is_probed_when_it_must_be_visible_and_then_adopted() -> None:
    world = asked()
    world.fails["create_note"] = [UnknownEnd("timeout")]
    await world.attempt()
    sent = world.row.known.unknown_note
    assert sent is not None
    await world.attempt()
    assert world.row.waiting is Waiting.PROBE
    assert world.row.not_before_retry == sent.started_at + timedelta(seconds=30)
    world.notes["70"] = f"<p>{Marker('wk1', '1')} x</p><p>{Marker('wk1', '1')}</p>"
    world.monotonic += 31
    await world.attempt()
    assert world.outcomes() == [Outcome.ALREADY_THERE]
    assert world.row.known.note == Written("70", None, SAID)
    assert world.row.known.heal_at is not None
    assert "create_note" not in world.log[world.log.index("finish") :]


async def test_only_the_second_empty_probe_allows_another_create() -> None:
    world = asked(known=Known(unknown_note=UnknownWrite("501", None, NOW, SAID)))
    world.monotonic += 31
    await world.attempt()
    assert (world.row.waiting, world.notes) == (Waiting.PROBE, {})
    unknown = world.row.known.unknown_note
    assert unknown is not None
    assert unknown.probes == 1
    world.monotonic += 11
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.log.count("notes_marked") == 2
    assert world.row.known.heal_at is not None


async def test_a_removal_never_creates_a_note_not_even_after_a_probe() -> None:
    world = asked(Trigger.REMOVED, known=Known(unknown_note=UnknownWrite("501", None, NOW)))
    for _ in range(2):
        world.monotonic += 31
        await world.attempt()
    assert (world.outcomes(), world.notes) == ([Outcome.UP_TO_DATE], {})


async def test_a_removal_rewrites_a_note_that_is_otherwise_up_to_date() -> None:
    world = asked()
    await world.attempt()
    request = Request(2, Trigger.REMOVED, "hubspot", NOW)
    world.row = replace(world.row, wanted=2, requests=(request,), outcomes=())
    (said,) = world.conversation.messages
    removed = replace(said, text="", redacted=True, update=None)
    world.conversation = replace(world.conversation, messages=(removed,))
    await world.attempt()
    assert world.outcomes() == [Outcome.UPDATED]
    assert "(message removed)" in world.notes["77"]
    world.row = replace(world.row, requests=(request,), outcomes=())
    world.fails["conversation"] = [Gone()]
    await world.attempt()
    assert world.outcomes() == [Outcome.CONVERSATION_GONE]
    assert "77" in world.notes


async def test_nothing_is_written_where_only_the_clock_moved_on() -> None:
    world = asked()
    await world.attempt()
    request = Request(2, Trigger.REMOVED, "hubspot", NOW)
    world.row = replace(world.row, wanted=2, requests=(request,), outcomes=())
    world.conversation = replace(world.conversation, read_at=NOW + timedelta(hours=1))
    await world.attempt()
    assert world.outcomes() == [Outcome.ALREADY_THERE]
    assert "update_note" not in world.log


@pytest.mark.parametrize("known", [False, True])
async def test_a_switch_at_any_step_of_an_attempt_counts_until_the_request_is_sent(
    known: bool,
) -> None:
    """Promise 7: what is sent was allowed by an answer of settings of the last second."""

    def prepared() -> World:
        world = asked()
        if known:
            world.row = replace(world.row, known=noted(world))
            world.notes["77"] = f"<p>{Marker('wk1', '1')} x</p><p>x {Marker('wk1', '1')}</p>"
        return world

    unhurried = prepared()
    await unhurried.attempt()
    steps, write = unhurried.log, "update_note" if known else "create_note"
    ends = []
    for flipped_at in range(len(steps)):
        world = prepared()
        off = INSTALLATION.model_copy(update={"transcript_sync": False})

        def step(name: str, world: World = world, at: int = flipped_at, off: Any = off) -> None:
            world.monotonic += 0.3
            if len(world.log) == at + 1:
                world.installation = off
            if name == write:
                last_look = len(world.log) - 1 - world.log[::-1].index("look")
                assert at >= last_look
                assert len(world.log) - last_look <= 3  # steps of 0.3 s

        for name in set(steps):
            world.when[name] = partial(step, name)
        await world.attempt()
        assert world.outcomes() in ([Outcome.SYNC_OFF], [unhurried.outcomes()[0]])
        assert world.row.known.unknown_note is None
        ends.append(write in world.log)
    # Off before the last answer: never sent. Off behind it: the request is on its way.
    assert ends == [place > steps.index("look") for place in range(len(steps))]


async def test_a_refused_token_is_renewed_once_and_then_waits_for_a_reconnect() -> None:
    world = asked()
    world.fails["find_persons"] = [TokenRejected(), None]
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.log.count("crm_access anew") == 1
    world = asked()
    world.fails["find_persons"] = [TokenRejected(), TokenRejected()]
    await world.attempt()
    assert world.row.waiting is Waiting.RECONNECT
    world = asked()
    world.fails["conversation"] = [TokenRejected(), TokenRejected()]
    await world.attempt()
    assert (world.row.waiting, world.log.count("intercom_access anew")) == (Waiting.RECONNECT, 1)


async def test_a_person_gone_between_look_and_write_is_looked_up_once_more() -> None:
    world = asked()
    world.fails["create_note"] = [Gone(), None]
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    world = asked()
    world.fails["create_note"] = [Gone(), Gone()]
    await world.attempt()
    assert world.outcomes() == [Outcome.FAILED]
    assert world.row.known.unknown_note is None


async def test_a_young_reply_holds_up_quiet_but_not_an_action() -> None:
    young = Update(NOW - timedelta(minutes=1), 9)
    world = asked()
    world.conversation = talk(SAID, young)
    await world.attempt()
    assert (world.row.waiting, world.notes) == (Waiting.QUIET, {})
    assert world.row.not_before_quiet == NOW + timedelta(minutes=14)
    world = asked(Trigger.QUIET, Trigger.ACTION)
    world.conversation = talk(SAID, young)
    await world.attempt()
    assert world.outcomes() == [Outcome.SUPERSEDED, Outcome.DELIVERED]
    assert (world.row.requests, world.row.waiting) == ((), None)


async def test_quiet_is_told_by_intercoms_clock_not_by_ours() -> None:
    world = asked()
    world.conversation = talk(SAID, read_at=SAID.updated_at + timedelta(minutes=14))
    await world.attempt()
    assert world.row.waiting is Waiting.QUIET
    assert world.row.not_before_quiet == NOW + timedelta(minutes=1)


async def test_an_announced_reply_that_is_not_shown_is_looked_for_three_times() -> None:
    world = asked()
    world.conversation = talk(replace(SAID, part_id=6))
    waits = []
    for _ in range(3):
        await world.attempt()
        assert world.row.waiting is Waiting.REPLY
        until = world.row.not_before_retry
        assert until is not None
        waits.append((until - world.now).total_seconds())
        world.monotonic += waits[-1]
    assert (len(waits), sum(waits)) == (3, 55)
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]


async def test_an_actions_own_person_is_taken_without_a_search() -> None:
    world = asked(Trigger.ACTION, person=CrmPerson(kind="contact", id="888"))
    world.persons = ["501", "888"]
    await world.attempt()
    assert world.row.known.person_id == "888"
    assert "find_persons" not in world.log


async def test_another_account_on_the_connection_takes_the_requests_over() -> None:
    world = asked()
    world.installation = INSTALLATION.model_copy(update={"crm_account": "42002"})
    await world.attempt()
    assert world.log == ["installation", "move hubspot to 42002"]
    world = asked()  # settings' answer was held; the token already leads elsewhere
    world.row = replace(world.row, key=replace(KEY, crm_account="41999"))
    world.installation = INSTALLATION.model_copy(update={"crm_account": "41999"})
    await world.attempt()
    assert world.log[-1] == "move hubspot to 42001"


async def test_settings_away_waits_without_counting_as_a_failure() -> None:
    world = asked()
    world.fails["installation"] = [SettingsAway("settings_unreachable")]
    await world.attempt()
    assert (world.row.waiting, world.row.attempts) == (Waiting.SETTINGS, 0)


async def test_a_surprise_is_retried_and_given_up_after_three_days() -> None:
    world = asked()
    world.fails["conversation"] = [KeyError("x")]
    await world.attempt()
    assert (world.row.waiting, world.row.reason) == (Waiting.RETRY, "internal_error")
    world.fails["conversation"] = [RetryLater("http_503")]
    world.monotonic += timedelta(days=3).total_seconds()
    await world.attempt()
    assert world.outcomes() == [Outcome.FAILED]
    assert world.row.outcomes[0].reason == "retried_in_vain.http_503"


async def test_an_attempt_that_lost_its_row_deletes_what_it_created() -> None:
    world = asked()
    world.when["create_note"] = lambda: setattr(world, "lease_lost", True)

    def another_owner_cleared_it() -> None:
        world.row = replace(world.row, known=Known(note=Written("99", None, SAID)))

    world.when["finish"] = another_owner_cleared_it
    assert await world.attempt() is None
    assert (world.notes, "heal" in world.log) == ({}, True)


async def test_an_attempt_that_lost_its_row_leaves_a_note_that_is_still_sought() -> None:
    world = asked()
    world.when["create_note"] = lambda: setattr(world, "lease_lost", True)
    assert await world.attempt() is None
    assert "77" in world.notes


async def test_a_note_whose_id_is_ours_is_left_and_asked_to_be_written_again() -> None:
    """The present owner's create met it: deleted, it would be gone from under them."""
    world = asked()
    world.note_id_is_ours = True
    world.when["create_note"] = lambda: setattr(world, "lease_lost", True)
    assert await world.attempt() is None
    assert set(world.notes) == {"77"}
    assert "heal" not in world.log
    assert world.log[-1] == "fold removed"


async def test_a_lost_lease_stops_before_anything_is_sent() -> None:
    world = asked()
    world.lease_lost = True
    assert await world.attempt() is None
    assert world.notes == {}


async def test_healing_deletes_surplus_notes_and_keeps_the_recorded_one() -> None:
    world = asked()
    await world.attempt()
    world.notes |= {"66": world.notes["77"], "88": world.notes["77"], "1": "by hand"}
    world.row = replace(world.row, known=replace(world.row.known, heal_at=NOW))
    await world.attempt()
    assert set(world.notes) == {"77", "1"}
    assert world.row.known.heal_at is None


@pytest.mark.parametrize("end", [UnknownEnd("timeout"), GiveUp("http_400")])
async def test_healing_looks_where_a_create_was_tried_though_no_person_is_recorded(
    end: Exception,
) -> None:
    world = asked(known=Known(unknown_note=UnknownWrite("501", None, NOW, SAID, probes=1)))
    world.monotonic += 31
    world.fails["create_note"] = [end]
    await world.attempt()
    assert (world.row.known.person_id, world.row.known.note) == (None, None)
    body = f"<p>{Marker('wk1', '1')} x</p><p>{Marker('wk1', '1')}</p>"
    world.notes |= {"66": body, "88": body}
    world.installation = INSTALLATION.model_copy(update={"transcript_sync": False})
    world.monotonic += 700
    await world.attempt()
    assert set(world.notes) == {"66"}


async def test_an_adopted_note_of_an_earlier_create_is_brought_up_to_date() -> None:
    unknown = UnknownWrite("501", None, NOW, SAID)
    world = asked(known=Known(unknown_note=unknown, heal_persons=("501",)))
    other = asked()
    await other.attempt()
    world.notes["70"] = other.notes["77"].replace("hello", "older")
    world.monotonic += 31
    await world.attempt()
    assert world.outcomes() == [Outcome.UPDATED]
    assert "hello" in world.notes["70"]


async def test_healing_that_fails_is_done_later() -> None:
    world = asked()
    await world.attempt()
    world.row = replace(world.row, known=replace(world.row.known, heal_at=NOW))
    world.fails["notes_marked"] = [RetryLater("http_500")]
    await world.attempt()
    assert world.row.known.heal_at == NOW + timedelta(minutes=10)


async def test_a_note_taken_over_by_people_is_left_alone() -> None:
    world = asked()
    world.row = replace(world.row, known=noted(world))
    world.notes["77"] = "all mine now"
    await world.attempt()
    assert (world.outcomes(), world.notes) == ([Outcome.HANDED_OVER], {"77": "all mine now"})
    assert (world.row.known.lost, world.row.known.note) == (Lost.HANDED_OVER, None)


async def test_what_a_restored_ledger_forgot_is_looked_for_and_adopted() -> None:
    world = asked()
    world.row = replace(world.row, distrust=Distrust(NOW, NOW))
    other = asked()
    await other.attempt()
    world.notes["70"] = other.notes["77"].replace("hello", "older")
    await world.attempt()
    assert (world.outcomes(), set(world.notes)) == ([Outcome.UPDATED], {"70"})
    assert "hello" in world.notes["70"]


async def test_a_restored_ledger_that_forgot_nothing_creates_after_two_looks() -> None:
    world = asked()
    world.row = replace(world.row, distrust=Distrust(NOW, NOW))
    await world.attempt()
    assert (world.row.waiting, world.notes) == (Waiting.PROBE, {})
    world.monotonic += 11
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.log.count("notes_marked") == 2


async def test_of_a_conversation_that_began_after_a_restore_nothing_is_looked_for() -> None:
    world = asked()
    before = SAID.updated_at - timedelta(minutes=1)
    world.row = replace(world.row, distrust=Distrust(before, NOW))
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert "notes_marked" not in world.log


async def test_a_lead_is_looked_for_only_where_an_app_that_takes_leads_asks() -> None:
    for apps, outcome in (
        (("dynamics365", "dynamics365-cases"), Outcome.NO_PERSON),
        (("dynamics365-sales", "dynamics365"), Outcome.DELIVERED),
    ):
        world = asked_of(*apps)
        world.persons, world.leads = [], ["lead.7"]
        await world.attempt()
        assert world.outcomes() == [outcome] * 2
        assert ("find_leads" in world.log) is (outcome is Outcome.DELIVERED)


async def test_a_contact_comes_before_a_lead() -> None:
    world = asked_of("dynamics365-sales")
    world.leads = ["lead.7"]
    await world.attempt()
    assert world.row.known.person_id == "501"
    assert "find_leads" not in world.log


async def test_a_lead_that_an_action_made_is_written_to_where_notes_are_for_leads() -> None:
    for app, person_id in (("dynamics365-sales", "lead.7"), ("dynamics365", "501")):
        world = asked_of(app)
        made = replace(world.row.requests[0], person=CrmPerson(kind="lead", id="lead.7"))
        world.row = replace(world.row, requests=(made,))
        world.persons = ["501"] if app == "dynamics365" else ["501", "lead.7"]
        await world.attempt()
        assert world.row.known.person_id == person_id


async def test_one_apps_dead_connection_leaves_the_others_theirs() -> None:
    apps = ("dynamics365", "dynamics365-sales")
    world = asked_of(*apps)
    world.dead = {"dynamics365-sales"}
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED] * 2
    world = asked_of(*apps)
    world.dead = set(apps)
    await world.attempt()
    assert world.row.waiting is Waiting.RECONNECT
    assert world.notes == {}


@pytest.mark.parametrize("asking", ["dynamics365", "dynamics365-sales", "dynamics365-cases"])
async def test_apps_that_disagree_on_the_policy_share_one_note_whoever_asks(asking: str) -> None:
    world = asked_of(asking)
    new = INSTALLATION.model_copy(update={"note_policy": "new"})
    world.of_apps = {"dynamics365": new, "dynamics365-sales": new}
    await world.attempt()
    assert world.row.known.note == Written("77", None, SAID)
    world = asked_of(asking)
    elsewhere = INSTALLATION.model_copy(update={"crm_account": "42002"})
    world.of_apps = dict.fromkeys(APPS, new) | {"dynamics365-cases": None}
    if asking == "dynamics365":
        world.of_apps["dynamics365-cases"] = elsewhere  # it writes to notes of its own
    elif asking == "dynamics365-cases":
        world.of_apps["dynamics365-cases"] = new
    await world.attempt()
    assert world.row.known.note == Written("77", SAID.part_id, SAID)


async def test_only_the_app_whose_account_changed_is_moved() -> None:
    world = asked_of("dynamics365", "dynamics365-sales")
    elsewhere = INSTALLATION.model_copy(update={"crm_account": "42002"})
    world.of_apps = {"dynamics365-sales": elsewhere}
    await world.attempt()
    assert world.log[-1] == "move dynamics365-sales to 42002"


@pytest.mark.parametrize("end", ["an unknown end", "a killed attempt"])
async def test_an_update_that_may_land_late_is_written_over_once_that_is_past(end: str) -> None:
    world = asked()
    other = asked()
    await other.attempt()
    world.notes["77"] = other.notes["77"].replace("hello", "older")
    world.row = replace(world.row, known=noted(world))
    if end == "an unknown end":
        world.fails["update_note"] = [UnknownEnd("timeout")]
        await world.attempt()
        world.monotonic += 31
    else:
        world.row = replace(world.row, abandoned=True)
    await world.attempt()
    assert world.outcomes() == [Outcome.UPDATED]
    assert world.row.known.heal_text
    world.log.clear()
    world.row = replace(world.row, abandoned=False)
    world.monotonic += 601
    await world.attempt()
    assert "fold removed" in world.log
    assert (world.row.known.heal_text, world.row.known.heal_at) == (False, None)


async def test_intercoms_refusal_of_the_contact_is_not_taken_for_the_crms() -> None:
    world = asked()
    world.fails["contact"] = [TokenRejected()]
    await world.attempt()
    assert (world.row.waiting, world.row.reason) == (Waiting.RETRY, "intercom_token_rejected")
    assert "crm_access anew" not in world.log


async def test_an_attempt_that_lost_its_row_undoes_nothing_in_another_account() -> None:
    world = asked()
    adopted = Known(note=Written("70", None, SAID))

    def lost() -> None:
        world.lease_lost, world.leads_to = True, "42002"
        world.row = replace(world.row, known=adopted)

    world.when["create_note"] = lost
    assert await world.attempt() is None
    assert "77" in world.notes


@pytest.mark.parametrize(
    "held",
    [
        None,
        INSTALLATION.model_copy(update={"transcript_sync": False}),
        INSTALLATION.model_copy(update={"installed_at": NOW}),
        INSTALLATION.model_copy(update={"active_app_users": frozenset[str]()}),
    ],
    ids=["not installed", "off", "installed later", "nobody uses it"],
)
async def test_nobody_is_refused_for_what_settings_said_a_minute_ago(
    held: Installation | None,
) -> None:
    world = asked()
    world.installation = held
    world.when["look"] = lambda: setattr(world, "installation", INSTALLATION)
    await world.attempt()
    assert world.outcomes() == [Outcome.DELIVERED]
    assert world.log.count("look") == 2  # before refusing, and before the write


async def test_where_nobody_spoke_settings_need_not_be_asked_again() -> None:
    world = asked()
    world.row = replace(world.row, requests=(replace(world.row.requests[0], update=None),))
    world.conversation = replace(talk(), messages=())
    await world.attempt()
    assert world.outcomes() == [Outcome.NOBODY_SPOKE]
    assert "look" not in world.log
