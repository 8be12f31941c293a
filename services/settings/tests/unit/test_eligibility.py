"""Who is eligible is answered alike with the framework and without it."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from common.clock import FakeClock
from common.eligibility import Installation
from settings.api.eligibility import PATH, QuickEligibility
from settings.api.internal import internal_app
from settings.handlers.installations import Installations
from settings.ports.faults import StoreUnavailable
from starlette.responses import PlainTextResponse

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOKEN = "token-of-a-caller"
PLAIN, OTHERWISE = "application/json", "application/json; charset=utf-8"
ASKED = {"workspace_id": "wk1", "app": "hubspot", "trigger": "quiet", "assignee_id": "5001"}
LATER = (NOW + timedelta(minutes=1)).isoformat()


class Store:
    """One installation, while it is there to be asked."""

    def __init__(self) -> None:
        self.away = False

    async def installations(
        self, _: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Installation]:
        if self.away:
            raise StoreUnavailable("for a test")
        found = Installation(
            workspace_id="wk1",
            app="hubspot",
            version=1,
            installed_at=NOW,
            transcript_sync=True,
            active_app_users=frozenset({"5001"}),
            all_conversations=False,
            note_policy="update",
            time_zone="UTC",
            crm_account="42001",
            reconnect_needed=False,
        )
        return {("wk1", "hubspot"): found}


async def answers(store: Store, body: bytes, token: str = TOKEN) -> list[tuple[int, Any]]:
    """Without the framework, and with it."""
    unused: Any = None
    kept: Any = store
    installations = Installations(kept, FakeClock(NOW))
    app = internal_app(installations, unused, [("delivery", TOKEN)], {}, {})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://settings") as client:
        found = []
        for kind in (PLAIN, OTHERWISE):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
            answer = await client.post(PATH, content=body, headers=headers)
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            found.append((answer.status_code, answer.json()))
        return found


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"last_updated_at": LATER}, None),
        ({"last_updated_at": LATER, "assignee_id": "5002"}, "no_active_assignee"),
        ({"last_updated_at": NOW.isoformat()}, "not_installed_then"),
        ({}, "nobody_spoke"),
        ({"app": "keap"}, "uninstalled"),
    ],
)
async def test_a_plain_question_has_one_answer(query: dict[str, Any], reason: str | None) -> None:
    body = json.dumps({"queries": [ASKED | query] * 2}).encode()
    quick, framework = await answers(Store(), body)
    said = {"eligible": reason is None, "reason": reason}
    assert quick == framework == (200, {"answers": [said, said]})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b'{"queries": [], "more": 1}',
        json.dumps({"queries": [ASKED | {"trigger": "guess"}]}).encode(),
        json.dumps({"queries": [ASKED | {"last_updated_at": "2026-11-22T10:00:00"}]}).encode(),
        json.dumps({"queries": [ASKED | {"team_assigned": "yes"}]}).encode(),
        json.dumps({"queries": [ASKED] * 501}).encode(),
    ],
)
async def test_a_wrong_question_is_refused_alike(body: bytes) -> None:
    quick, framework = await answers(Store(), body)
    assert quick == framework
    assert (quick[0], quick[1]["code"]) == (422, "invalid_request")


async def test_a_database_that_is_away_is_told_alike() -> None:
    store = Store()
    store.away = True
    quick, framework = await answers(store, json.dumps({"queries": [ASKED]}).encode())
    assert quick == framework
    assert (quick[0], quick[1]["code"]) == (503, "store_unavailable")


async def test_nobody_is_answered_without_a_credential() -> None:
    body = json.dumps({"queries": [ASKED]}).encode()
    assert [status for status, _ in await answers(Store(), body, "somebody-else's")] == [401, 401]


async def test_a_plain_question_never_comes_to_the_framework() -> None:
    async def judge(queries: Sequence[Any]) -> list[None]:
        return [None] * len(queries)

    quick = QuickEligibility(PlainTextResponse("the framework"), judge)
    transport = httpx.ASGITransport(quick)
    async with httpx.AsyncClient(transport=transport, base_url="http://settings") as client:
        plain = await client.post(PATH, json={"queries": [ASKED]})
        assert plain.json() == {"answers": [{"eligible": True, "reason": None}]}
        for method, path in (("GET", PATH), ("POST", f"{PATH}/")):
            other = await client.request(method, path, json={"queries": [ASKED]})
            assert other.text == "the framework"
