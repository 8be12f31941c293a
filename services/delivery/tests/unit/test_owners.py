"""Whose note it is: looked up by the assignee's address, held for a while, never waited for."""

from datetime import UTC, datetime
from typing import Any

import pytest
from delivery.owners import HELD_FOR_S, Owners
from delivery.ports import (
    CrmAccess,
    GiveUp,
    Gone,
    IntercomAccess,
    ReconnectNeeded,
    RetryLater,
    TokenRejected,
)

ACCESS = CrmAccess("t", "https://crm", "42001", "9", datetime(2026, 11, 22, tzinfo=UTC))
WORKSPACE = IntercomAccess("t", "https://api", "https://app", "wk1")


class Peers:
    """Intercom and a CRM; `fails` is raised instead of an answer, once."""

    name = "hubspot"

    def __init__(self) -> None:
        self.now = 0.0
        self.owners = Owners(lambda: self.now)
        self.email: str | None = "sam@example.org"
        self.user: str | None = "7"
        self.fails: dict[str, Exception] = {}
        self.asked: list[str] = []

    async def teammate_email(self, *_: object) -> str | None:
        self._step("intercom")
        return self.email

    async def user_with_email(self, _: CrmAccess, email: str, __: object) -> str | None:
        self._step("crm")
        return self.user if email == self.email else None

    def _step(self, peer: str) -> None:
        self.asked.append(peer)
        if peer in self.fails:
            raise self.fails.pop(peer)

    async def owner(self, teammate: str | None = "5001", access: CrmAccess = ACCESS) -> str | None:
        peers: Any = self
        return await self.owners.of(peers, access, peers, WORKSPACE, teammate)


async def test_the_assignees_user_is_asked_for_once_and_held_for_ten_minutes() -> None:
    peers = Peers()
    assert [await peers.owner(), await peers.owner()] == ["7", "7"]
    assert peers.asked == ["intercom", "crm"]
    peers.now, peers.user = HELD_FOR_S, "8"
    assert await peers.owner() == "8"


async def test_nobody_is_held_as_well() -> None:
    peers = Peers()
    peers.user = None
    assert [await peers.owner(), await peers.owner()] == [None, None]
    assert peers.asked == ["intercom", "crm"]
    assert await peers.owner(None) is None


async def test_teammates_and_accounts_are_kept_apart() -> None:
    peers = Peers()
    await peers.owner()
    peers.user = "8"
    assert await peers.owner("5002") == "8"
    other = CrmAccess("t", "https://crm", "42002", "9", ACCESS.expires_at)
    assert await peers.owner(access=other) == "8"
    assert await peers.owner() == "7"


async def test_no_address_is_held_only_which_teammate_is_which_user() -> None:
    peers = Peers()
    await peers.owner()
    assert "sam@example.org" not in repr(peers.owners)


@pytest.mark.parametrize(
    ("peer", "failure"),
    [
        ("intercom", RetryLater("timeout")),
        ("intercom", GiveUp("http_403")),
        ("intercom", TokenRejected("http_401")),
        ("crm", RetryLater("http_503")),
        ("crm", GiveUp("http_403")),
        ("crm", ReconnectNeeded("missing_scopes")),
    ],
)
async def test_a_note_is_not_kept_waiting_and_the_next_one_asks_again(
    peer: str, failure: Exception
) -> None:
    peers = Peers()
    peers.fails[peer] = failure
    assert await peers.owner() is None
    assert await peers.owner() == "7"


async def test_somebody_who_is_no_teammate_any_more_owns_nothing() -> None:
    peers = Peers()
    peers.fails["intercom"] = Gone("http_404")
    assert await peers.owner() is None


async def test_a_token_that_the_crm_refuses_is_replaced_first() -> None:
    peers = Peers()
    peers.fails["crm"] = TokenRejected("http_401")
    with pytest.raises(TokenRejected):
        await peers.owner()
