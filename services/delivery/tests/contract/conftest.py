"""The simulators, and every CRM's adapter with an account of its own in them.

Each request an adapter sends and each answer it gets is checked against the vendor's own API
description; a test that ends with a violation fails.
"""

import asyncio
import contextlib
import functools
import itertools
import json
import operator
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from common import catalog
from common.catalog import ActionKind
from delivery import ports
from delivery.adapters.crm import crm_for
from delivery.adapters.crm.acting import ActingCrm
from delivery.adapters.intercom import Intercom
from delivery.domain.conversation import Contact, Conversation, Message
from delivery.domain.note import Marker, Note
from delivery.domain.transcript import render
from delivery.ports import CrmAccess, IntercomAccess
from devstack.waiting import until
from pydantic import BaseModel, ConfigDict
from simulators.client import SimulatorControl
from simulators.crms import CRMS
from simulators.testing import RunningSimulators, run_simulators

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
_COUNT = itertools.count(1)
_CRMS = Path(__file__).parent / "crms"


_RECORDS = {
    ActionKind.PERSON: "persons",
    ActionKind.LEAD: "persons",
    ActionKind.DEAL: "deals",
    ActionKind.TASK: "activities",
    ActionKind.NOTE: "notes",
}


class NewPerson(BaseModel):
    """How another app makes a person over the API."""

    model_config = ConfigDict(extra="forbid")

    path: str
    body: str  # JSON, with `%s` where the address goes
    headers: dict[str, str] = {}
    id_at: tuple[str, ...]  # where the answer says its id


class Expected(BaseModel):
    """In what CRMs rightly differ: one file each, `crms/<crm>.toml`."""

    model_config = ConfigDict(extra="forbid")

    merge_is_told: bool  # a merged person's old id leads to the one that is left
    new_person_is_found_at_once: bool  # although its search lags
    forbidden: Literal["GiveUp", "ReconnectNeeded", "RetryLater"]  # what a 403 is
    rate_limit_wait_s: float  # after a 429 as the simulator sends it, without Retry-After
    refused_above: int  # the longest note that is taken: bytes where the adapter counts bytes
    note_path: str  # regular expression of the path that notes are created at
    note_method: str = "POST"
    note_is_dated: bool  # by the last reply; else by its creation
    finds_by_phone: bool = True
    has_one_address: bool = False  # a person holds a single e-mail address
    note_id_is_ours: bool = False  # so that a second create meets the first one's note
    an_id: str = "5"  # of the form that its ids have
    unknown_id: str = "987654321"
    person: str  # JSON that it answers of the live person `an_id`
    new_person: NewPerson
    account: dict[str, Any] = {}  # of the simulated account, where the usual is not enough
    action_method: str = "POST"
    action_paths: dict[ActionKind, str] = {}  # regular expression of where each record is created
    lead_prefix: str = ""  # before a lead's id, where the adapter tells leads from contacts so
    records: dict[ActionKind, str] = {}  # where the simulator keeps them, if not as most do

    def records_of(self, account: dict[str, Any], kind: ActionKind) -> list[dict[str, Any]]:
        """Live ones; a lead that is kept among persons or deals is marked as one."""
        listed = account[(_RECORDS | self.records)[kind]]
        is_lead = kind is ActionKind.LEAD
        prefix = self.lead_prefix if is_lead else ""
        return [
            {**one, "id": f"{prefix}{one['id']}"}
            for one in listed
            if not one["deleted"] and bool(one["extra"].get("lead")) is is_lead
        ]

    @property
    def forbidden_as(self) -> type[Exception]:
        found: type[Exception] = getattr(ports, self.forbidden)
        return found


def _expected(crm: str) -> Expected:
    return Expected.model_validate(tomllib.loads((_CRMS / f"{crm}.toml").read_text()))


@pytest.fixture
def expected_of() -> Callable[[str], Expected]:
    return _expected


@pytest.fixture(scope="session")
def simulators() -> Iterator[RunningSimulators]:
    with run_simulators(validate=True) as running:
        yield running


@pytest.fixture
def control(simulators: RunningSimulators) -> Iterator[SimulatorControl]:
    seen = len(simulators.control.violations())
    yield simulators.control
    simulators.control.clear_faults()
    assert simulators.control.violations()[seen:] == []


@dataclass(frozen=True)
class Subject:
    """One adapter and its account; `control` stands on the vendor's side of the wire."""

    crm: ActingCrm
    access: CrmAccess
    control: SimulatorControl
    account: str
    expected: Expected
    deadline: timedelta = timedelta(seconds=5)

    @property
    def vendor(self) -> str:
        return self.crm.name

    @property
    def unknown_id(self) -> str:
        return self.expected.unknown_id

    def add_person(self, **person: object) -> str:
        given = {"name": "Ada Example", **person}
        return str(self.control.add_person(self.vendor, self.account, **given)["id"])

    async def create_person_by_api(self, email: str) -> str:
        """As another app would: the search index does not have it at once."""
        new = self.expected.new_person
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                self.access.api_base + new.path,
                json=json.loads(new.body % email),
                headers={"Authorization": f"Bearer {self.access.access_token}", **new.headers},
            )
        return str(functools.reduce(operator.getitem, new.id_at, answer.json()))

    def notes(self) -> list[dict[str, Any]]:
        return self.control.notes(self.vendor, self.account)

    def fault(self, kind: str, **how: Any) -> None:
        self.control.add_fault(self.vendor, kind, account=self.account, **how)

    def fail_creating(self, kind: str, **how: Any) -> None:
        self.fault(kind, method=self.expected.note_method, path=self.expected.note_path, **how)

    def within(self, kind: str, *, milliseconds: int) -> "Subject":
        """With this deadline where the fault is one that only a deadline ends."""
        if kind not in ("timeout", "timeout_after", "slow", "late_body", "trickle"):
            return self
        return replace(self, deadline=timedelta(milliseconds=milliseconds))

    async def until(self, holds: Callable[[], bool]) -> None:
        """The simulator may still be at work on a request whose deadline passed."""
        await until(holds, 5)

    async def find(self, *emails: str, phones: tuple[str, ...] = ()) -> list[str]:
        contact = Contact("c1", emails, phones)
        return list(await self.crm.find_persons(self.access, contact, self.deadline))

    async def create(self, person_id: str, note: Note) -> str:
        return await self.crm.create_note(self.access, person_id, note, self.deadline)

    async def marked(self, person_id: str, marker: Marker) -> list[str]:
        # The simulators live in the present: whatever was made in this run counts.
        since = datetime.fromtimestamp(self.control.advance_clock(0), UTC) - timedelta(minutes=1)
        found = await self.crm.notes_marked(self.access, person_id, marker, since, self.deadline)
        return [note.id for note in found]


@pytest.fixture(params=catalog.CRMS)
async def crm(request: pytest.FixtureRequest, control: SimulatorControl) -> AsyncIterator[Subject]:
    """Every CRM in turn."""
    async for subject in _subject(request.param, control):
        yield subject


@pytest.fixture
async def subject_of(
    control: SimulatorControl,
) -> AsyncIterator[Callable[[str], Awaitable[Subject]]]:
    """One CRM by its name, for what only that one does."""
    async with contextlib.AsyncExitStack() as stack:

        async def subject(crm: str) -> Subject:
            made = contextlib.asynccontextmanager(_subject)(crm, control)
            return await stack.enter_async_context(made)

        yield subject


@pytest.fixture
async def hubspot(subject_of: Callable[[str], Awaitable[Subject]]) -> Subject:
    return await subject_of("hubspot")


@pytest.fixture
async def pipedrive(subject_of: Callable[[str], Awaitable[Subject]]) -> Subject:
    return await subject_of("pipedrive")


async def _subject(vendor: str, control: SimulatorControl) -> AsyncIterator[Subject]:
    account_id = CRMS[vendor].account_id(next(_COUNT))
    expected = _expected(vendor)
    account = control.create_account(vendor, account_id, **expected.account)
    access = CrmAccess(
        access_token=account["access_token"],
        api_base=account["api_base"],
        account_id=account_id,
        user_id=account["users"][0]["id"],
        expires_at=NOW,
    )
    adapter = crm_for(vendor)
    try:
        yield Subject(adapter, access, control, account_id, expected)
    finally:
        await adapter.aclose()
        await asyncio.sleep(0)


@pytest.fixture
def make_note(request: pytest.FixtureRequest) -> Callable[..., Note]:
    """Our block, in HTML or plain as the CRM under test takes it."""
    subjects = [request.getfixturevalue(n) for n in ("crm", "acting") if n in request.fixturenames]
    takes_html = all(subject.crm.html for subject in subjects)

    def make(
        marker: Marker | None = None,
        text: str = "Hello",
        *,
        html: bool = takes_html,
        max_chars: int = 60_000,
        max_bytes: int | None = None,
    ) -> Note:
        marker = marker or Marker("wk1", "12")
        message = Message(0, NOW, "user", "Ada", text, (), False, None)
        conversation = Conversation(
            "wk1", marker.conversation_id, "conversation", (message,), 0, "5001", False, (), NOW
        )
        return render(
            conversation,
            marker=marker,
            link="https://app.intercom.com/a/inbox/wk1/inbox/conversation/12",
            time_zone="Europe/Vienna",
            copied_at=NOW,
            html=html,
            max_chars=max_chars,
            max_bytes=max_bytes,
        )

    return make


@dataclass(frozen=True)
class Workspace:
    """A workspace in Intercom, with one teammate, one customer, and our way into it."""

    intercom: Intercom
    access: IntercomAccess
    control: SimulatorControl
    customer: str = "67a0c0ffee00000000000001"
    teammate: str = "5001"
    deadline: timedelta = timedelta(seconds=5)

    @property
    def id(self) -> str:
        return self.access.workspace_id

    @property
    def by_customer(self) -> dict[str, object]:
        return {"type": "user", "id": self.customer}

    @property
    def by_teammate(self) -> dict[str, object]:
        return {"type": "admin", "id": self.teammate}

    def opened(self, body: str = "<p>Hello</p>", **how: Any) -> str:
        given: dict[str, Any] = {
            "contacts": [self.customer],
            "author": self.by_customer,
            "notify": False,
            **how,
        }
        return str(self.control.create_conversation(self.id, body=body, **given)["conversation"])

    def said(self, conversation: str, author: dict[str, object], **how: Any) -> str:
        return str(
            self.control.add_part(self.id, conversation, author, notify=False, **how)["part"]
        )

    async def read(self, conversation: str) -> Conversation:
        return await self.intercom.conversation(self.access, conversation, self.deadline)


@pytest.fixture
async def workspace(control: SimulatorControl) -> AsyncIterator[Workspace]:
    workspace_id = f"wk{next(_COUNT)}"
    made = control.create_workspace(
        workspace_id,
        admins=[{"id": "5001", "name": "Sam Agent", "email": "sam@example.org"}],
        teams=[{"id": "77", "name": "Billing", "admin_ids": ["5001"]}],
        contacts=[
            {"id": "67a0c0ffee00000000000001", "role": "user", "name": "Ada Example"}
            | {"email": "Ada@Example.com", "phone": "+43 1 512 50 00"},
            {"id": "67a0c0ffee00000000000002", "role": "lead", "name": "ben@example.com"}
            | {"email": "ben@example.com", "phone": "512 50 00"},
        ],
    )
    access = IntercomAccess(
        access_token=control.intercom_token(workspace_id),
        api_base=made["api_base"],
        link_base="https://app.eu.intercom.com",
        workspace_id=workspace_id,
    )
    intercom = Intercom()
    try:
        yield Workspace(intercom, access, control)
    finally:
        await intercom.aclose()
