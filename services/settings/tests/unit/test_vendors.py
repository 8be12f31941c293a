"""What only one vendor does, and how each answer is understood."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from common.clock import FakeClock
from common.health import Need
from settings.adapters.vendors.base import Client, retry_after
from settings.adapters.vendors.hubspot import HubSpot
from settings.adapters.vendors.intercom import Intercom
from settings.adapters.vendors.pipedrive import Pipedrive
from settings.domain.hosts import HostNotAllowed
from settings.ports.faults import GrantRefused, VendorMisconfigured, VendorUnavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Answer = Callable[[httpx.Request], httpx.Response]
GRANT = {
    "access_token": "new-access",
    "refresh_token": "new-refresh",
    "expires_in": 1800,
    "hub_id": 42001,
    "user_id": 9,
    "api_domain": "https://acme.pipedrive.com",
}
TYPES = httpx.Response(
    200,
    json={"data": [{"key_string": name, "active_flag": True} for name in ("task", "call")]},
)


def common(answer: Answer) -> dict[str, Any]:
    return {
        "client": Client(
            id="our-id",
            secret="our-secret",
            http=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
            clock=FakeClock(NOW),
            deadline=timedelta(seconds=2),
            peer=Need("vendor"),
        )
    }


def hubspot(answer: Answer) -> HubSpot:
    return HubSpot(
        **common(answer),
        app_url="https://app.hubspot.com",
        api_url="https://api.hubapi.com",
        scopes=("oauth", "crm.objects.contacts.read"),
    )


def pipedrive(answer: Answer) -> Pipedrive:
    return Pipedrive(
        **common(answer),
        oauth_url="https://oauth.pipedrive.com",
        api_hosts=(".pipedrive.com",),
        activity_type="task",
    )


def intercom(answer: Answer) -> Intercom:
    return Intercom(
        **common(answer),
        app_url="https://app.intercom.com",
        api_urls={"US": "https://api.intercom.io", "EU": "https://api.eu.intercom.io"},
    )


def never(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"no call was expected: {request.url.host}")


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_hubspot_is_asked_for_consent_with_scopes_and_an_s256_challenge() -> None:
    url = hubspot(never).authorize_url("the-state", "https://x.example/cb", "the-challenge")
    assert url.startswith("https://app.hubspot.com/oauth/authorize?")
    assert query_of(url) == {
        "client_id": "our-id",
        "redirect_uri": "https://x.example/cb",
        "scope": "oauth crm.objects.contacts.read",
        "state": "the-state",
        "code_challenge": "the-challenge",
        "code_challenge_method": "S256",
    }


async def test_hubspots_secret_goes_in_the_body_and_a_kept_refresh_token_stays() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://api.hubapi.com/oauth/2026-09/token"
        form = parse_qs(request.content.decode())
        assert form["refresh_token"] == ["old-refresh"]
        assert form["client_secret"] == ["our-secret"]
        return httpx.Response(200, json={"access_token": "new-access", "expires_in": 1800})

    tokens = await hubspot(answer).refresh("old-refresh", "")
    assert (tokens.access_token, tokens.refresh_token) == ("new-access", "old-refresh")
    assert tokens.expires_at == NOW + timedelta(seconds=1800)


@pytest.mark.parametrize(
    ("types", "warned"),
    [
        (TYPES, False),
        (httpx.Response(200, json={"data": TYPES.json()["data"][1:]}), True),
        (httpx.Response(200, json={"data": [{"key_string": "task", "active_flag": False}]}), True),
    ],
)
async def test_pipedrive_names_our_client_by_basic_and_the_company_by_users_me(
    types: httpx.Response, warned: bool
) -> None:
    """An activity type that the company lacks is told."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "oauth.pipedrive.com":
            assert request.headers["authorization"] == "Basic b3VyLWlkOm91ci1zZWNyZXQ="
            assert b"client_secret" not in request.content
            return httpx.Response(200, json=GRANT)
        assert request.headers["authorization"] == "Bearer new-access"
        if request.url.path == "/api/v1/activityTypes":
            return types
        assert str(request.url) == "https://acme.pipedrive.com/api/v1/users/me"
        return httpx.Response(200, json={"success": True, "data": {"id": 7, "company_id": 99}})

    grant = await pipedrive(answer).exchange("code", "https://x.example/cb", None)
    assert (grant.account_id, grant.user_id) == ("99", "7")
    assert grant.api_base == "https://acme.pipedrive.com"
    asked = pipedrive(answer).activity_warning
    warning = await asked(grant.api_base, grant.tokens.access_token, None)
    assert (warning is not None) is warned
    assert not warned or "'task'" in str(warning)
    other = await asked(grant.api_base, grant.tokens.access_token, "nonsense")
    assert "no activity type 'nonsense'" in str(other)


async def test_no_token_is_sent_to_a_host_that_pipedrive_may_not_name() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "oauth.pipedrive.com"
        return httpx.Response(200, json=GRANT | {"api_domain": "https://169.254.169.254"})

    with pytest.raises(HostNotAllowed):
        await pipedrive(answer).exchange("code", "https://x.example/cb", None)


async def test_intercoms_code_keeps_its_trailing_equals_sign_and_goes_without_grant_type() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://api.intercom.io/auth/eagle/token"
        form = parse_qs(request.content.decode())
        assert form == {
            "code": ["abc="],
            "client_id": ["our-id"],
            "client_secret": ["our-secret"],
        }
        return httpx.Response(200, json={"token_type": "Bearer", "token": "dG9rOjE="})

    assert await intercom(answer).exchange("abc=") == "dG9rOjE="


async def test_a_secret_that_intercom_does_not_know_yet_or_any_more_is_passed_over() -> None:
    tried = []

    def answer(request: httpx.Request) -> httpx.Response:
        tried.extend(parse_qs(request.content.decode())["client_secret"])
        known = tried[-1] == "the-old-one"
        return httpx.Response(200, json={"token": "tok"}) if known else httpx.Response(401)

    both = replace(intercom(answer), older_secrets=["the-old-one"])
    assert await both.exchange("abc") == "tok"
    assert tried == ["our-secret", "the-old-one"]
    with pytest.raises(GrantRefused):
        await replace(both, older_secrets=["another"]).exchange("abc")


async def test_intercoms_token_is_asked_about_in_its_own_region() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "api.eu.intercom.io"
        assert request.headers["intercom-version"] == "2.14"
        return httpx.Response(401, json={"type": "error.list", "errors": []})

    with pytest.raises(GrantRefused):
        await intercom(answer).me("token", "EU")


@pytest.mark.parametrize(
    ("status", "body", "raised"),
    [
        (400, {"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN"}, GrantRefused),
        (400, {"status": "BAD_HUB", "error": "access_denied"}, GrantRefused),
        (400, {"error": "invalid_client", "status": "BAD_CLIENT_SECRET"}, VendorMisconfigured),
        (400, {"status": "BAD_REDIRECT_URI"}, VendorMisconfigured),
        (401, {"error": "invalid_client"}, VendorMisconfigured),
        (400, {"message": "?"}, VendorMisconfigured),
        (403, {}, VendorMisconfigured),
        (404, {}, VendorMisconfigured),
        (302, {}, VendorUnavailable),
        (429, {}, VendorUnavailable),
        (477, {}, VendorUnavailable),
        (500, {"error": "invalid_grant"}, VendorUnavailable),  # a broken server's word ends nothing
        (503, {}, VendorUnavailable),
        (200, {}, VendorUnavailable),
        (200, {"access_token": "a b", "expires_in": 1800}, VendorUnavailable),
        (200, {"access_token": "a\nb", "expires_in": 1800}, VendorUnavailable),
        (200, {"access_token": "a", "expires_in": -1}, VendorUnavailable),
        (200, {"access_token": "a", "expires_in": "1800"}, VendorUnavailable),
        (200, [], VendorUnavailable),
    ],
)
async def test_only_a_dead_grant_ends_a_customers_connection(
    status: int, body: Any, raised: type[Exception]
) -> None:
    vendor = hubspot(lambda _: httpx.Response(status, json=body))
    with pytest.raises(raised) as error:
        await vendor.refresh("old-refresh", "")
    assert type(error.value) is raised
    assert "old-refresh" not in str(error.value)


async def test_a_page_instead_of_json_is_a_vendor_that_cannot_answer_now() -> None:
    vendor = pipedrive(lambda _: httpx.Response(200, text="<html>"))
    with pytest.raises(VendorUnavailable):
        await vendor.refresh("old-refresh", "")


async def test_retry_after_is_passed_on() -> None:
    vendor = hubspot(lambda _: httpx.Response(429, headers={"Retry-After": "7"}))
    with pytest.raises(VendorUnavailable) as error:
        await vendor.refresh("old-refresh", "")
    assert error.value.retry_after == timedelta(seconds=7)
    for nonsense in (None, "", "-1", "x", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 40, "٣"):
        assert retry_after(nonsense) is None
    assert retry_after("999999") == timedelta(hours=1)
