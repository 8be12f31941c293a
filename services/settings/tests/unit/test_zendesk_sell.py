"""Zendesk Sell's consent and refresh, against answers of its own shape."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from common.clock import FakeClock
from common.health import Need
from settings.adapters.vendors.base import Client
from settings.adapters.vendors.zendesk_sell import ZendeskSell
from settings.ports.faults import GrantRefused, VendorMisconfigured, VendorUnavailable

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
PAIR = {"access_token": "new-access", "refresh_token": "new-refresh", "expires_in": 3599}
BASIC = "Basic b3VyLWlkOm91ci1zZWNyZXQ="


def vendor(answer: Callable[[httpx.Request], httpx.Response]) -> ZendeskSell:
    return ZendeskSell(
        client=Client(
            id="our-id",
            secret="our-secret",
            http=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
            clock=FakeClock(NOW),
            deadline=timedelta(seconds=2),
            peer=Need("vendor"),
        ),
        url="https://api.getbase.com",
        scopes=("read", "write", "profile"),
    )


def test_consent_is_asked_for_with_scopes_and_without_a_challenge() -> None:
    url = vendor(lambda _: httpx.Response(500)).authorize_url("s", "https://x.example/cb", None)
    assert url.startswith("https://api.getbase.com/oauth2/authorize?")
    assert {name: one[0] for name, one in parse_qs(urlsplit(url).query).items()} == {
        "response_type": "code",
        "client_id": "our-id",
        "redirect_uri": "https://x.example/cb",
        "scope": "read write profile",
        "state": "s",
    }


async def test_a_code_is_exchanged_by_basic_and_the_account_asked_for() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth2/token":
            assert request.headers["authorization"] == BASIC
            assert b"our-secret" not in request.content
            return httpx.Response(200, json=PAIR)
        assert request.headers["authorization"] == "Bearer new-access"
        number = {"/v2/accounts/self": 99, "/v2/users/self": 7}[request.url.path]
        return httpx.Response(200, json={"data": {"id": number}, "meta": {}})

    grant = await vendor(answer).exchange("code", "https://x.example/cb", None)
    assert (grant.account_id, grant.user_id) == ("99", "7")
    assert grant.api_base == "https://api.getbase.com"


@pytest.mark.parametrize("comes_back", ["another", None])
async def test_what_a_refresh_brings_back_is_kept(comes_back: str | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert parse_qs(request.content.decode())["refresh_token"] == ["old-refresh"]
        pair = {"access_token": "a", "expires_in": 3599, "refresh_token": comes_back}
        return httpx.Response(200, json=pair)

    tokens = await vendor(answer).refresh("old-refresh", "")
    assert tokens.refresh_token == (comes_back or "old-refresh")


@pytest.mark.parametrize("me", [{}, {"data": None}, {"data": {"id": "7"}}, {"data": {"id": None}}])
async def test_an_account_that_does_not_say_its_number_is_not_connected(me: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=PAIR if request.url.path == "/oauth2/token" else me)

    with pytest.raises(VendorUnavailable):
        await vendor(answer).exchange("code", "https://x.example/cb", None)


@pytest.mark.parametrize(
    ("status", "word", "raised"),
    [(400, "invalid_grant", GrantRefused), (401, "invalid_client", VendorMisconfigured)],
)
async def test_only_a_dead_grant_ends_a_connection(
    status: int, word: str, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        await vendor(lambda _: httpx.Response(status, json={"error": word})).refresh("old", "")


async def test_a_consent_is_revoked_by_its_refresh_token() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    await vendor(answer).revoke("old-refresh")
    (asked,) = seen
    assert str(asked.url) == "https://api.getbase.com/oauth2/revoke"
    assert asked.headers["authorization"] == BASIC
    assert parse_qs(asked.content.decode())["token"] == ["old-refresh"]
    with pytest.raises(VendorUnavailable):
        await vendor(lambda _: httpx.Response(404, json={})).revoke("old-refresh")
