"""Keap and Salesloft: refresh tokens that work once, and who is behind a token."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from common.clock import FakeClock
from common.health import Need
from settings.adapters.vendors.base import Client
from settings.adapters.vendors.keap import Keap
from settings.adapters.vendors.salesloft import Salesloft
from settings.ports.faults import GrantRefused, VendorMisconfigured, VendorUnavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Answer = Callable[[httpx.Request], httpx.Response]
PAIR = {"access_token": "new-access", "refresh_token": "new-refresh", "expires_in": 7200}
BASIC = "Basic b3VyLWlkOm91ci1zZWNyZXQ="


def client(answer: Answer) -> Client:
    return Client(
        id="our-id",
        secret="our-secret",
        http=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
        clock=FakeClock(NOW),
        deadline=timedelta(seconds=2),
        peer=Need("vendor"),
    )


def keap(answer: Answer) -> Keap:
    return Keap(
        client=client(answer),
        accounts_url="https://accounts.example",
        api_url="https://api.example",
    )


def salesloft(answer: Answer) -> Salesloft:
    return Salesloft(
        client=client(answer),
        accounts_url="https://accounts.example",
        api_url="https://api.example",
    )


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def never(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"no call was expected: {request.url.host}")


def keap_account(users: Any) -> Answer:
    """A Keap that hands out the pair, and says who we are."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json=PAIR)
        assert request.headers["authorization"] == "Bearer new-access"
        if request.url.path.endswith("/userinfo"):
            me = {"id": "770009", "email": "sam@example.org", "tenant_id": "ab123"}
            return httpx.Response(200, json=me)
        assert request.url.path == "/crm/rest/v2/users"
        assert request.url.params["filter"] == "email==sam@example.org"
        return httpx.Response(200, json={"users": users})

    return answer


def test_keap_is_asked_for_its_one_scope() -> None:
    url = keap(never).authorize_url("the-state", "https://x.example/cb", None)
    assert url.startswith("https://accounts.example/app/oauth/authorize?")
    assert query_of(url) == {
        "client_id": "our-id",
        "redirect_uri": "https://x.example/cb",
        "response_type": "code",
        "scope": "full",
        "state": "the-state",
    }


def test_salesloft_is_asked_for_a_code() -> None:
    url = salesloft(never).authorize_url("the-state", "https://x.example/cb", None)
    assert url.startswith("https://accounts.example/oauth/authorize?")
    assert query_of(url)["response_type"] == "code"
    assert query_of(url)["state"] == "the-state"


async def test_keaps_code_goes_with_our_secret_in_the_form_and_a_refresh_with_basic() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={})
        form = parse_qs(request.content.decode())
        if form["grant_type"] == ["authorization_code"]:
            assert form["client_secret"] == ["our-secret"]
            assert "authorization" not in request.headers
        else:
            assert form == {"grant_type": ["refresh_token"], "refresh_token": ["old-refresh"]}
            assert request.headers["authorization"] == BASIC
        return httpx.Response(200, json=PAIR)

    with pytest.raises(VendorUnavailable, match="no_account"):  # this one does not say who we are
        await keap(answer).exchange("code", "https://x.example/cb", None)
    tokens = await keap(answer).refresh("old-refresh", "")
    assert (tokens.access_token, tokens.refresh_token) == ("new-access", "new-refresh")
    assert tokens.expires_at == NOW + timedelta(seconds=7200)


@pytest.mark.parametrize(
    "users",
    [
        [{"id": "9", "global_user_id": "770009"}],
        [{"id": "8", "global_user_id": "770008"}, {"id": "9", "global_user_id": "770009"}],
        [{"id": "9", "global_user_id": "usr_x"}],  # one user of that address is enough
    ],
)
async def test_keaps_notes_are_written_by_the_users_id_in_the_account(users: Any) -> None:
    grant = await keap(keap_account(users)).exchange("code", "https://x.example/cb", None)
    assert (grant.account_id, grant.user_id) == ("ab123", "9")
    assert grant.api_base == "https://api.example"


@pytest.mark.parametrize(
    "users",
    [
        [],
        None,
        ["9"],
        [{"id": 9, "global_user_id": "770009"}],
        [{"id": "7"}, {"id": "8"}],  # neither is known to be ours
    ],
)
async def test_keap_is_not_connected_without_a_user_to_write_as(users: Any) -> None:
    with pytest.raises(VendorUnavailable, match="no_user"):
        await keap(keap_account(users)).exchange("code", "https://x.example/cb", None)


@pytest.mark.parametrize(
    ("body", "raised"),
    [
        ({"error": "invalid_request", "error_description": "Invalid Refresh Token"}, GrantRefused),
        ({"error": "invalid_grant"}, GrantRefused),
        ({"error": "invalid_request"}, VendorMisconfigured),
        ({"error": "invalid_client"}, VendorMisconfigured),
        ({"fault": {"faultstring": "Invalid Access Token"}}, VendorMisconfigured),
    ],
)
async def test_keap_says_in_its_own_way_that_a_refresh_token_is_dead(
    body: Any, raised: type[Exception]
) -> None:
    with pytest.raises(raised) as error:
        await keap(lambda _: httpx.Response(400, json=body)).refresh("old-refresh", "")
    assert type(error.value) is raised


async def test_salesloft_takes_json_and_names_team_and_user() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "accounts.example":
            given = json.loads(request.content)
            assert (given["client_id"], given["client_secret"]) == ("our-id", "our-secret")
            return httpx.Response(200, json=PAIR)
        assert str(request.url) == "https://api.example/v2/me.json"
        return httpx.Response(200, json={"data": {"id": 9, "team": {"id": 42001}}})

    grant = await salesloft(answer).exchange("code", "https://x.example/cb", None)
    assert (grant.account_id, grant.user_id) == ("42001", "9")
    assert (await salesloft(answer).refresh("old-refresh", "")).refresh_token == "new-refresh"


@pytest.mark.parametrize("me", [{}, {"data": None}, {"data": {"id": 9, "team": None}}])
async def test_salesloft_is_not_connected_without_a_team(me: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=PAIR if request.method == "POST" else me)

    with pytest.raises(VendorUnavailable, match="no_account"):
        await salesloft(answer).exchange("code", "https://x.example/cb", None)


@pytest.mark.parametrize("status", [400, 401])
async def test_salesloft_may_refuse_a_dead_grant_with_either_status(status: int) -> None:
    vendor = salesloft(lambda _: httpx.Response(status, json={"error": "invalid_grant"}))
    with pytest.raises(GrantRefused):
        await vendor.refresh("old-refresh", "")
