"""A preview says what an attempt would find, and neither writes nor keeps anything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attempting
import httpx
import pytest
from common.eligibility import Installation
from common.updates import Update
from delivery.api import delivery_api
from delivery.domain.backoff import Schedule
from delivery.domain.conversation import Contact, Conversation, Message
from delivery.ports import (
    Crm,
    CrmAccess,
    Gone,
    IntercomAccess,
    Ledger,
    ReconnectNeeded,
    RetryLater,
    TokenRejected,
)
from delivery.previewing import Previews, preview_route
from delivery.working import Limits, Needs
from pydantic import SecretStr
from starlette.applications import Starlette

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TOKEN = "the-token-of-settings"
INSTALLATION = attempting.INSTALLATION.model_copy(
    update={"installed_at": NOW - timedelta(days=1), "time_zone": "Europe/Berlin"}
)


def said(at: datetime, assignee: str | None = "5001") -> Conversation:
    message = Message(7, at, "user", "Ada", "a canary sings", (), False, Update(at, 7))
    return Conversation("wk1", "1", "email", (message,), 0, assignee, False, ("c1",), NOW)


@dataclass
class World:
    """settings, Intercom and the CRM in memory: all that a preview may talk to, reading alone."""

    installation: Installation | None = INSTALLATION
    conversation: Conversation | Exception = field(
        default_factory=lambda: said(NOW - timedelta(hours=1))
    )
    persons: Sequence[str] = ("501",)
    dead_tokens: set[str] = field(default_factory=set)
    name: str = "hubspot"
    html: bool = True
    note_max_chars: int = 65_536
    note_max_bytes: int | None = None

    async def get_installation(self, *_: Any, **__: Any) -> Installation | None:
        return self.installation

    async def intercom_access(
        self, workspace_id: str, *, rejected: str | None = None
    ) -> IntercomAccess:
        token = "old" if rejected is None else "new"
        return IntercomAccess(token, "https://api", "https://app.eu.intercom.com", workspace_id)

    async def crm_access(self, *_: Any, rejected: str | None = None) -> CrmAccess:
        token = "old-crm" if rejected is None else "new-crm"
        return CrmAccess(token, "https://crm", "42001", "9", NOW + timedelta(hours=1))

    async def get_conversation(self, access: IntercomAccess, *_: Any) -> Conversation:
        if access.access_token in self.dead_tokens:
            raise TokenRejected
        if isinstance(self.conversation, Exception):
            raise self.conversation
        return self.conversation

    async def contact(self, *_: Any) -> Contact:
        return Contact("c1", ("ada@example.com",), ())

    async def find_persons(self, access: CrmAccess, *_: Any) -> Sequence[str]:
        if access.access_token in self.dead_tokens:
            raise TokenRejected
        return self.persons

    @property
    def needs(self) -> Needs:
        settings, intercom = _Settings(self), _Intercom(self)
        limits = Limits(
            quiet_period=timedelta(minutes=15),
            call_deadline=timedelta(seconds=5),
            schedule=Schedule(first=timedelta(seconds=5), in_all=timedelta(days=3)),
        )
        link = "https://app.eu.intercom.com/a/inbox/wk1/inbox/conversation/1"
        return Needs(
            cast("Any", settings),
            cast("Any", intercom),
            cast("Crm", self),
            cast("Ledger", None),  # whoever touched it would fail
            lambda *_: link,
            limits,
        )

    def app(self, token: str | None = TOKEN) -> Starlette:
        previews = Previews({"hubspot": self.needs})
        secret = None if token is None else SecretStr(token)
        return delivery_api(cast("Any", None), [preview_route(previews, secret)])


@dataclass
class _Settings:
    world: World

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, "get_installation" if name == "installation" else name)


@dataclass
class _Intercom:
    world: World

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world, "get_conversation" if name == "conversation" else name)


async def ask(
    world: World, path: str = "wk1/1/hubspot", token: str | None = TOKEN, given: str = TOKEN
) -> httpx.Response:
    transport = httpx.ASGITransport(world.app(token))
    async with httpx.AsyncClient(transport=transport, base_url="http://delivery") as client:
        return await client.get(
            f"/v1/previews/{path}", headers={"Authorization": f"Bearer {given}"}
        )


async def test_an_eligible_conversation_is_shown_with_its_person_and_its_note() -> None:
    answer = await ask(World())
    found = answer.json()
    assert (answer.status_code, found["eligible"], found["person_id"]) == (200, True, "501")
    assert answer.headers["cache-control"] == "no-store"
    assert found["quiet_at"] is None
    assert "a canary sings" in found["note"]
    assert "https://app.eu.intercom.com/a/inbox/wk1/inbox/conversation/1" in found["note"]
    assert "<" not in found["note"]  # plain text, though HubSpot takes HTML


async def test_why_not_is_told_and_the_rest_all_the_same() -> None:
    off = World(replace_installation(transcript_sync=False))
    found = (await ask(off)).json()
    assert (found["eligible"], found["refused"]) == (False, "sync_off")
    assert (found["person_id"], "a canary sings" in found["note"]) == ("501", True)
    elsewhere = World(conversation=said(NOW - timedelta(hours=1), assignee="7"))
    assert (await ask(elsewhere)).json()["refused"] == "no_active_assignee"
    before = World(conversation=said(NOW - timedelta(days=2)))
    assert (await ask(before)).json()["refused"] == "not_installed_then"


def replace_installation(**changes: Any) -> Installation:
    return INSTALLATION.model_copy(update=changes)


async def test_one_that_is_not_quiet_yet_is_due_when_it_will_be() -> None:
    young = World(conversation=said(NOW - timedelta(minutes=5)))
    found = (await ask(young)).json()
    assert found["eligible"] is True
    assert datetime.fromisoformat(found["quiet_at"]) == NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("persons", "refused"), [((), "no_person"), (("501", "502"), "several_persons")]
)
async def test_without_one_person_there_is_still_the_note(
    persons: Sequence[str], refused: str
) -> None:
    found = (await ask(World(persons=persons))).json()
    assert (found["refused"], found["person_id"]) == (refused, None)
    assert "a canary sings" in found["note"]


async def test_what_is_not_there_is_told() -> None:
    assert (await ask(World(installation=None))).json()["refused"] == "uninstalled"
    assert (await ask(World(conversation=Gone()))).json()["refused"] == "conversation_gone"


async def test_a_token_that_was_just_refused_is_asked_for_once_more() -> None:
    assert (await ask(World(dead_tokens={"old", "old-crm"}))).json()["eligible"] is True
    for dead in ({"old", "new"}, {"old-crm", "new-crm"}):
        assert (await ask(World(dead_tokens=dead))).status_code == 503


@pytest.mark.parametrize("error", [RetryLater("http_503"), ReconnectNeeded("intercom")])
async def test_who_cannot_be_asked_now_is_a_503_without_their_words(error: Exception) -> None:
    answer = await ask(World(conversation=error))
    assert (answer.status_code, "canary" in answer.text) == (503, False)


async def test_only_settings_sees_a_preview() -> None:
    assert (await ask(World(), given="another-token-altogether")).status_code == 401
    assert (await ask(World(), token=None)).status_code == 403


@pytest.mark.parametrize("path", ["wk1/x/hubspot", "w%20k/1/hubspot", "wk1/1/nothing"])
async def test_what_nobody_can_mean_is_a_404(path: str) -> None:
    assert (await ask(World(), path)).status_code == 404


async def test_another_crms_app_is_not_this_process() -> None:
    assert (await ask(World(), "wk1/1/pipedrive")).status_code == 404
