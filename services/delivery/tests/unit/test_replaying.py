"""`POST /v1/replays`: who may, what is refused with which sentence, what reaches the ledger."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.outcomes import Outcome
from delivery.domain.selection import UNWRITTEN, Selection
from delivery.ports import LedgerAway, Replayed
from delivery.replaying import PATH, replay_route
from pydantic import SecretStr
from starlette.applications import Starlette

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOKEN = "token-of-an-operator"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class FakeReplays:
    counted_for: list[Selection] = field(default_factory=list)
    asked: list[tuple[Selection, tuple[int, str] | None, int]] = field(default_factory=list)
    away: bool = False

    async def counted(self, selection: Selection) -> list[dict[str, Any]]:
        self.counted_for.append(selection)
        return [{"count": 2, "app": "hubspot"}, {"count": 1, "app": "pipedrive"}]

    async def now(self) -> datetime:
        if self.away:
            raise LedgerAway("gone")
        return NOW

    async def ask_again(
        self, selection: Selection, after: tuple[int, str] | None, limit: int
    ) -> Replayed:
        self.asked.append((selection, after, limit))
        return Replayed(3, 1, (9, "hubspot"))


@pytest.fixture
def replays() -> FakeReplays:
    return FakeReplays()


def client_of(
    replays: FakeReplays, token: str | None = TOKEN, console: str | None = None
) -> httpx.AsyncClient:
    tokens = [SecretStr(one) if one else None for one in (token, console)]
    route = replay_route(replays, *tokens)
    transport = httpx.ASGITransport(Starlette(routes=[route]))
    return httpx.AsyncClient(transport=transport, base_url="http://delivery", headers=BEARER)


@pytest.fixture
async def client(replays: FakeReplays) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(replays) as client:
        yield client


async def test_unless_told_otherwise_it_only_counts(
    client: httpx.AsyncClient, replays: FakeReplays
) -> None:
    answer = (await client.post(PATH, json={"workspace_id": "wk1"})).json()
    assert (answer["count"], answer["until"], replays.asked) == (3, NOW.isoformat(), [])
    wanted = Selection("wk1", outcomes=tuple(sorted(UNWRITTEN)), until=NOW)
    assert replays.counted_for == [wanted]


async def test_what_is_asked_again_goes_on_where_it_was(
    client: httpx.AsyncClient, replays: FakeReplays
) -> None:
    asked: dict[str, Any] = {
        "workspace_id": "wk1",
        "conversation_id": "12",
        "conversation_ids": ["13"],
        "apps": ["hubspot"],
        "outcomes": ["failed"],
        "reason": "http_400",
        "since": "2026-11-22T10:00:00Z",
        "until": "2026-11-22T11:00:00Z",
        "dry_run": False,
        "after": [4, "hubspot"],
        "limit": 7,
    }
    answer = (await client.post(PATH, json=asked)).json()
    assert answer == {
        "asked": 3,
        "already_open": 1,
        "until": "2026-11-22T11:00:00+00:00",
        "after": [9, "hubspot"],
    }
    selection = Selection(
        "wk1",
        ("12", "13"),
        ("hubspot",),
        (Outcome.FAILED,),
        "http_400",
        NOW.replace(hour=10),
        NOW.replace(hour=11),
    )
    assert replays.asked == [(selection, (4, "hubspot"), 7)]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "name a workspace, app, outcome, reason or time, or say everything"),
        ({"conversation_id": "1", "reason": "x"}, "named together with its workspace"),
        ({"conversation_ids": ["1"], "reason": "x"}, "named together with its workspace"),
        ({"workspace_id": "wk1", "conversation_ids": ["x"]}, "conversation_ids.0: "),
        ({"apps": ["fax"]}, "apps: any of"),
        ({"outcomes": ["delivered"]}, "outcomes: any of actor_not_app_user"),
        ({"outcomes": ["gone"]}, "outcomes.0: Input should be"),
        ({"since": "2026-11-22T10:00:00"}, "since: "),
        ({"workspace_id": "w k"}, "workspace_id: "),
        ({"everything": True, "limit": 0}, "limit: "),
        ({"everything": True, "all": True}, "all: Extra inputs"),
        ({"everything": True, "after": [-1, "x"]}, "after.0: "),
        ([], "Input should be"),
    ],
)
async def test_a_wrong_question_is_told_what_would_be_right(
    client: httpx.AsyncClient, replays: FakeReplays, asked: Any, says: str
) -> None:
    answer = await client.post(PATH, json=asked)
    assert (answer.status_code, replays.counted_for, replays.asked) == (400, [], [])
    assert says in answer.json()["title"]


async def test_only_the_operator_may(replays: FakeReplays) -> None:
    asked = {"everything": True, "dry_run": False}
    async with client_of(replays) as client:
        for given in ("", "Bearer x", TOKEN, f"Bearer {TOKEN}x", "Bearer \u00e9"):
            headers = [(b"authorization", given.encode())]
            assert (await client.post(PATH, json=asked, headers=headers)).status_code == 401
        assert (await client.get(PATH)).status_code == 405
    async with client_of(replays, token=None) as client:
        answer = await client.post(PATH, json=asked)
        assert answer.status_code == 403
        assert "set LULL_DELIVERY_OPERATOR_TOKEN" in answer.json()["title"]
    assert replays.asked == []


async def test_the_console_may_for_one_workspace_at_a_time(replays: FakeReplays) -> None:
    console = "token-of-the-console"
    headers = {"Authorization": f"Bearer {console}"}
    for operator in (TOKEN, None):
        async with client_of(replays, operator, console) as client:
            for asked in ({"everything": True}, {"reason": "http_400"}):
                answer = await client.post(PATH, json=asked, headers=headers)
                assert (answer.status_code, replays.counted_for) == (403, [])
            answer = await client.post(PATH, json={"workspace_id": "wk1"}, headers=headers)
            assert answer.json()["count"] == 3
            replays.counted_for.clear()


async def test_a_ledger_away_and_a_body_without_end_are_told(
    client: httpx.AsyncClient, replays: FakeReplays
) -> None:
    assert (await client.post(PATH, content=b" " * 65_537)).status_code == 413
    assert (await client.post(PATH, content=b"{")).status_code == 400
    replays.away = True
    assert (await client.post(PATH, json={"everything": True})).status_code == 503


@pytest.mark.parametrize(
    ("token", "lets_in"), [(f"new-{TOKEN},{TOKEN}", True), (f"x{TOKEN}", False)]
)
async def test_while_a_token_is_rotated_each_of_its_values_lets_in(
    replays: FakeReplays, token: str, lets_in: bool
) -> None:
    async with client_of(replays, token) as client:
        answer = await client.post(PATH, json={"everything": True, "dry_run": True})
    assert answer.status_code == (200 if lets_in else 401)
