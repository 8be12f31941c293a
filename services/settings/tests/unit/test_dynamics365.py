"""Dynamics 365's consent: from sign-in through discovery to one environment's token."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from common.clock import FakeClock
from common.health import Need
from settings.adapters.vendors.base import Client
from settings.adapters.vendors.dynamics365 import Dynamics365
from settings.domain.hosts import HostNotAllowed
from settings.ports.faults import (
    AccountChoice,
    GrantRefused,
    SeveralAccounts,
    VendorMisconfigured,
    VendorUnavailable,
)

NOW = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
CONTOSO = "https://contoso.crm4.dynamics.com"
ORGANIZATION, USER = "0a000000-0000-4000-8000-000000000001", "0a000000-0000-4000-8000-000000000002"


def vendor(answer: Callable[[httpx.Request], httpx.Response], *hosts: str) -> Dynamics365:
    return Dynamics365(
        client=Client(
            id="our-id",
            secret="our-secret",
            http=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
            clock=FakeClock(NOW),
            deadline=timedelta(seconds=2),
            peer=Need("vendor"),
        ),
        login_url="https://login.microsoftonline.com/organizations",
        discovery_url="https://globaldisco.crm.dynamics.com",
        api_hosts=hosts or (".dynamics.com",),
    )


class Microsoft:
    """Answers as Entra ID, the discovery service and the environments do; keeps what was asked."""

    def __init__(self, *environments: Any, who: Any = None) -> None:
        self.environments = environments
        self.who = who or {"OrganizationId": ORGANIZATION, "UserId": USER}
        self.forms: list[dict[str, str]] = []
        self.hosts: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.hosts.append(request.url.host)
        if request.url.host == "login.microsoftonline.com":
            assert request.url.path == "/organizations/oauth2/v2.0/token"
            form = {name: one[0] for name, one in parse_qs(request.content.decode()).items()}
            self.forms.append(form)
            number = len(self.forms)
            pair = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}"}
            return httpx.Response(200, json={**pair, "expires_in": 3599})
        if request.url.host == "globaldisco.crm.dynamics.com":
            assert request.headers["authorization"] == "Bearer access-1"
            return httpx.Response(200, json={"value": list(self.environments)})
        assert request.url.path == "/api/data/v9.2/WhoAmI"
        assert request.headers["authorization"] == "Bearer access-2"
        return httpx.Response(200, json=self.who)


def test_consent_is_asked_for_the_discovery_service_with_an_s256_challenge() -> None:
    url = vendor(lambda _: httpx.Response(500)).authorize_url("s", "https://x.example/cb", "c")
    assert url.startswith("https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize?")
    assert {name: one[0] for name, one in parse_qs(urlsplit(url).query).items()} == {
        "client_id": "our-id",
        "response_type": "code",
        "redirect_uri": "https://x.example/cb",
        "scope": "https://globaldisco.crm.dynamics.com/.default offline_access",
        "state": "s",
        "prompt": "select_account",
        "code_challenge": "c",
        "code_challenge_method": "S256",
    }


async def test_the_code_leads_to_the_one_environment_and_a_token_for_it() -> None:
    microsoft = Microsoft({"Url": f"{CONTOSO}/"})
    grant = await vendor(microsoft).exchange("the-code", "https://x.example/cb", "the-verifier")
    assert (grant.account_id, grant.user_id, grant.api_base) == (ORGANIZATION, USER, CONTOSO)
    assert (grant.tokens.access_token, grant.tokens.refresh_token) == ("access-2", "refresh-2")
    first, second = microsoft.forms
    assert first["code"] == "the-code"
    assert first["code_verifier"] == "the-verifier"
    assert first["scope"] == "https://globaldisco.crm.dynamics.com/.default offline_access"
    assert second["grant_type"] == "refresh_token"
    assert second["refresh_token"] == "refresh-1"
    assert second["scope"] == f"{CONTOSO}/.default offline_access"


async def test_of_several_environments_none_is_guessed() -> None:
    other = {"Url": "https://fabrikam.crm.dynamics.com", "FriendlyName": "Fabrikam"}
    evil = {"Url": "https://evil.example", "FriendlyName": "Contoso"}
    for chosen in (None, "https://evil.example", "https://elsewhere.crm.dynamics.com"):
        microsoft = Microsoft({"Url": CONTOSO}, other, evil)
        with pytest.raises(SeveralAccounts) as several:
            await vendor(microsoft).exchange("c", "https://x.example/cb", None, chosen)
        assert several.value.choices == [
            AccountChoice(CONTOSO, CONTOSO),
            AccountChoice("https://fabrikam.crm.dynamics.com", "Fabrikam"),
        ]
        assert len(microsoft.forms) == 1  # no token of any environment was asked for
    one = vendor(Microsoft({"Url": CONTOSO}, other), "contoso.crm4.dynamics.com")
    assert (await one.exchange("c", "https://x.example/cb", None)).api_base == CONTOSO


async def test_the_environment_that_was_chosen_is_connected() -> None:
    several = Microsoft({"Url": f"{CONTOSO}/"}, {"Url": "https://fabrikam.crm.dynamics.com"})
    grant = await vendor(several).exchange("c", "https://x.example/cb", None, CONTOSO)
    assert grant.api_base == CONTOSO
    assert several.forms[1]["scope"] == f"{CONTOSO}/.default offline_access"


@pytest.mark.parametrize(
    "listed",
    [
        {"Url": "https://169.254.169.254"},
        {"Url": "https://contoso.crm4.dynamics.com.evil.example"},
        {"Url": "http://contoso.crm4.dynamics.com"},
        {"Url": "https://contoso.crm4.dynamics.com@evil.example"},
        {"Url": "https://evil.example/.dynamics.com"},
        {"Url": None},
        {},
        "https://contoso.crm4.dynamics.com",
        None,
    ],
)
async def test_no_token_is_asked_for_or_sent_to_a_host_that_may_not_be_named(listed: Any) -> None:
    microsoft = Microsoft(listed)
    with pytest.raises(HostNotAllowed):
        await vendor(microsoft).exchange("c", "https://x.example/cb", None)
    assert len(microsoft.forms) == 1
    assert set(microsoft.hosts) == {"login.microsoftonline.com", "globaldisco.crm.dynamics.com"}


async def test_a_person_without_an_environment_connects_nothing() -> None:
    with pytest.raises(HostNotAllowed):
        await vendor(Microsoft()).exchange("c", "https://x.example/cb", None)


@pytest.mark.parametrize("who", [{"OrganizationId": "1"}, {"UserId": USER}, {"a": 1}])
async def test_an_environment_that_does_not_say_who_it_is_is_not_connected(who: Any) -> None:
    with pytest.raises(VendorUnavailable):
        await vendor(Microsoft({"Url": CONTOSO}, who=who)).exchange("c", "https://x/cb", None)


async def test_a_refresh_names_the_environment_and_keeps_the_newest_token() -> None:
    microsoft = Microsoft()
    tokens = await vendor(microsoft).refresh("old-refresh", CONTOSO)
    assert microsoft.forms == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "old-refresh",
            "client_id": "our-id",
            "client_secret": "our-secret",
            "scope": f"{CONTOSO}/.default offline_access",
        }
    ]
    assert tokens.refresh_token == "refresh-1"
    assert tokens.expires_at == NOW + timedelta(seconds=3599)


@pytest.mark.parametrize(
    ("word", "raised"),
    [
        ("invalid_grant", GrantRefused),
        ("interaction_required", GrantRefused),
        ("invalid_client", VendorMisconfigured),
        ("invalid_resource", VendorMisconfigured),
        ("unauthorized_client", VendorMisconfigured),
    ],
)
async def test_only_what_the_person_has_to_mend_ends_a_connection(
    word: str, raised: type[Exception]
) -> None:
    body = {"error": word, "error_description": "AADSTS: ...", "error_codes": [1]}
    with pytest.raises(raised) as failed:
        await vendor(lambda _: httpx.Response(400, json=body)).refresh("old-refresh", CONTOSO)
    assert type(failed.value) is raised
    assert "old-refresh" not in str(failed.value)
