"""The API's questions: what is asked of the ledger, and what is refused with which sentence."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from common.outcomes import Outcome
from delivery.api import delivery_api
from delivery.domain.selection import Place, Selection
from delivery.ports import LedgerAway

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PLACE = Place(AT, 12, "hubspot")
LIST = "/v1/deliveries/wk1"


@dataclass
class FakeHistory:
    asked: list[tuple[Selection, Place | None, int]] = field(default_factory=list)
    away: bool = False
    more: Place | None = None

    async def deliveries(self, workspace_id: str, conversation_id: str) -> list[dict[str, Any]]:
        if self.away:
            raise LedgerAway("gone")
        return [{"app": "hubspot"}] if conversation_id == "1" else []

    async def page(
        self, selection: Selection, after: Place | None, limit: int
    ) -> tuple[list[dict[str, Any]], Place | None]:
        if self.away:
            raise LedgerAway("gone")
        self.asked.append((selection, after, limit))
        return [{"conversation_id": "1"}], self.more


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


@pytest.fixture
async def client(history: FakeHistory) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(delivery_api(history))
    async with httpx.AsyncClient(transport=transport, base_url="http://delivery") as client:
        yield client


async def test_a_list_without_filters_is_the_first_fifty(
    client: httpx.AsyncClient, history: FakeHistory
) -> None:
    answer = await client.get(LIST)
    assert answer.json() == {
        "workspace_id": "wk1",
        "deliveries": [{"conversation_id": "1"}],
        "next_cursor": None,
    }
    assert history.asked == [(Selection("wk1"), None, 50)]


async def test_every_filter_reaches_the_ledger_and_the_cursor_comes_back(
    client: httpx.AsyncClient, history: FakeHistory
) -> None:
    history.more = PLACE
    query = {
        "app": "hubspot,pipedrive",
        "outcome": ["failed", "no_person"],
        "reason": "http_400",
        "since": "2026-11-22T12:00:00Z",
        "until": "2026-11-22T14:00:00+02:00",
        "limit": "500",
    }
    cursor = (await client.get(LIST, params=query)).json()["next_cursor"]
    selection = Selection(
        workspace_id="wk1",
        apps=("hubspot", "pipedrive"),
        outcomes=(Outcome.FAILED, Outcome.NO_PERSON),
        reason="http_400",
        since=AT,
        until=AT,
    )
    await client.get(LIST, params={**query, "cursor": cursor})
    assert history.asked == [(selection, None, 500), (selection, PLACE, 500)]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"app": "fax"}, "app: one or more of hubspot"),
        ({"outcome": "gone"}, "outcome: one or more of delivered"),
        ({"reason": "No such"}, "reason: a code"),
        ({"since": "yesterday"}, "since: an instant with its offset"),
        ({"until": "2026-11-22T10:00:00"}, "until: an instant with its offset"),
        ({"limit": "0"}, "limit: 1 to 500"),
        ({"limit": "501"}, "limit: 1 to 500"),
        ({"limit": "many"}, "limit: 1 to 500"),
        ({"cursor": "x"}, "cursor: the next_cursor"),
        ({"cursor": "\u00e9"}, "cursor: the next_cursor"),
        ({"cursor": "WzEsIDIsIDNd"}, "cursor: the next_cursor"),
        ({"cursor": "e30"}, "cursor: the next_cursor"),
        ({"outcomes": "failed"}, "known are app, cursor"),
    ],
)
async def test_a_wrong_question_is_told_what_would_be_right(
    client: httpx.AsyncClient, history: FakeHistory, query: dict[str, str], says: str
) -> None:
    answer = await client.get(LIST, params=query)
    assert (answer.status_code, history.asked) == (400, [])
    assert says in answer.json()["title"]
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_not_there_is_404_and_a_ledger_away_503(
    client: httpx.AsyncClient, history: FakeHistory
) -> None:
    assert (await client.get("/v1/deliveries/w%20k")).status_code == 404
    assert (await client.get(f"{LIST}/x")).status_code == 404
    assert (await client.get(f"{LIST}/2")).status_code == 404
    assert (await client.get(f"{LIST}/1")).status_code == 200
    history.away = True
    for path in (LIST, f"{LIST}/1"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["title"]) == (
            503,
            "the ledger cannot be read now",
        )
