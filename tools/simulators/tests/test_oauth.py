"""OAuth at each vendor: the way in, the way back, and every way it ends."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from simulators.client import SimulatorControl

CALLBACK = "http://127.0.0.1:9/callback?from=vendor"
HUBSPOT_CLIENT = {"client_id": "hubspot-client", "client_secret": "hubspot-secret"}
PIPEDRIVE_AUTH = ("pipedrive-client", "pipedrive-secret")


def _authorized(url: str, **query: str) -> dict[str, str]:
    answer = httpx.get(url, params={"redirect_uri": CALLBACK, "state": "s 1", **query})
    assert answer.status_code == 302
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == "http://127.0.0.1:9/callback"
    return {k: v[0] for k, v in parse_qs(target.query).items()}


@pytest.fixture
def hubspot_url(control: SimulatorControl, hubspot: httpx.Client) -> str:
    return f"{control.base_url}/hubspot/oauth"


@pytest.fixture
def pipedrive_url(control: SimulatorControl, pipedrive: httpx.Client) -> str:
    return f"{control.base_url}/pipedrive/oauth"


def _hubspot_token(url: str, **form: str) -> httpx.Response:
    return httpx.post(f"{url}/2026-09/token", data={**HUBSPOT_CLIENT, **form})


def _pipedrive_token(url: str, **form: str) -> httpx.Response:
    return httpx.post(f"{url}/token", data=form, auth=PIPEDRIVE_AUTH)


def test_intercom_hands_out_a_token_for_a_code_once(
    control: SimulatorControl, workspace: str
) -> None:
    base = f"{control.base_url}/intercom/us"
    back = _authorized(f"{base}/app/oauth", client_id="intercom-client", user="5002")
    assert (back["state"], back["from"]) == ("s 1", "vendor")
    form = {
        "code": back["code"],
        "client_id": "intercom-client",
        "client_secret": "intercom-secret",
    }
    answer = httpx.post(f"{base}/auth/eagle/token", data=form).json()
    assert (answer["token_type"], answer["token"]) == ("Bearer", answer["access_token"])
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    assert httpx.get(f"{base}/me", headers=bearer).json()["id"] == "5002"
    again = httpx.post(f"{base}/auth/eagle/token", json=form)
    assert (again.status_code, again.json()["errors"][0]["message"]) == (401, "Unauthorized Code")
    assert httpx.post(f"{base}/auth/uninstall", headers=bearer).status_code == 200
    assert httpx.get(f"{base}/me", headers=bearer).status_code == 401


def test_with_several_accounts_a_person_chooses(control: SimulatorControl) -> None:
    control.create_account("hubspot", "1", name="One & Co")
    control.create_account("hubspot", "2", name="Two")
    url = f"{control.base_url}/hubspot/oauth/authorize"
    query = {"client_id": "hubspot-client", "redirect_uri": CALLBACK, "state": '"><script>'}
    page = httpx.get(url, params=query)
    assert (page.status_code, "One &amp; Co" in page.text) == (200, True)
    assert "<script>" not in page.text.replace('<script src="/static', "")
    assert "code" in _authorized(url, client_id="hubspot-client", account="2")
    assert httpx.get(url, params={**query, "account": "3"}).status_code == 404


def test_hubspot_tokens_expire_and_are_refreshed(
    control: SimulatorControl, hubspot: httpx.Client, hubspot_url: str
) -> None:
    back = _authorized(f"{hubspot_url}/authorize", client_id="hubspot-client")
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK}
    token = _hubspot_token(hubspot_url, **form).json()
    assert (token["expires_in"], token["hub_id"], token["token_type"]) == (1800, 42001, "bearer")
    hubspot.headers["Authorization"] = f"Bearer {token['access_token']}"
    control.advance_clock(1801)
    stale = hubspot.get("/account-info/2026-09/details")
    assert (stale.status_code, stale.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    fresh = _hubspot_token(hubspot_url, **form).json()
    assert fresh["refresh_token"] == token["refresh_token"]
    hubspot.headers["Authorization"] = f"Bearer {fresh['access_token']}"
    assert hubspot.get("/account-info/2026-09/details").status_code == 200
    body = {**HUBSPOT_CLIENT, "token": fresh["access_token"]}
    known = httpx.post(f"{hubspot_url}/2026-09/token/introspect", data=body).json()
    assert (known["active"], known["hub_id"]) == (True, 42001)


def test_hubspot_checks_the_verifier_of_a_challenge(hubspot_url: str) -> None:
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    for given, status in (("w" * 43, 400), (verifier, 200)):
        back = _authorized(
            f"{hubspot_url}/authorize",
            client_id="hubspot-client",
            code_challenge=challenge,
            code_challenge_method="S256",
        )
        answer = _hubspot_token(
            hubspot_url,
            grant_type="authorization_code",
            code=back["code"],
            redirect_uri=CALLBACK,
            code_verifier=given,
        )
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("form", "status", "word"),
    [
        (
            {"grant_type": "refresh_token", "refresh_token": "x"},
            "BAD_REFRESH_TOKEN",
            "invalid_grant",
        ),
        ({"client_id": "x"}, "BAD_CLIENT_ID", "invalid_client"),
        ({"client_secret": "x"}, "BAD_CLIENT_SECRET", "invalid_client"),
        ({"grant_type": "authorization_code", "code": "x"}, "BAD_AUTH_CODE", "invalid_grant"),
    ],
)
def test_hubspot_names_the_reason_of_a_refusal(
    hubspot_url: str, form: dict[str, Any], status: str, word: str
) -> None:
    answer = _hubspot_token(hubspot_url, **form)
    body = answer.json()
    assert (answer.status_code, body["status"], body["error"]) == (400, status, word)


def test_a_revoked_hubspot_grant_ends_refresh_token_and_access_token(
    control: SimulatorControl, hubspot: httpx.Client, hubspot_url: str
) -> None:
    refresh = control.crm_tokens("hubspot", "42001")["refresh_token"]
    assert control.revoke_crm_tokens("hubspot", "42001") == 2
    answer = _hubspot_token(hubspot_url, grant_type="refresh_token", refresh_token=refresh)
    assert (answer.status_code, answer.json()["status"]) == (400, "BAD_REFRESH_TOKEN")
    assert hubspot.get("/account-info/2026-09/details").status_code == 401


def test_hubspots_own_revoke_lets_issued_access_tokens_live(
    control: SimulatorControl, hubspot: httpx.Client, hubspot_url: str
) -> None:
    tokens = control.crm_tokens("hubspot", "42001")
    form = {**HUBSPOT_CLIENT, "token": tokens["refresh_token"]}
    assert httpx.post(f"{hubspot_url}/2026-09/token/revoke", data=form).status_code == 200
    hubspot.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    assert hubspot.get("/account-info/2026-09/details").status_code == 200


def test_pipedrive_rotates_the_refresh_token(
    control: SimulatorControl, pipedrive: httpx.Client, pipedrive_url: str
) -> None:
    back = _authorized(f"{pipedrive_url}/authorize", client_id="pipedrive-client")
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK}
    token = _pipedrive_token(pipedrive_url, **form).json()
    assert token["api_domain"] == f"{control.base_url}/pipedrive/acme"
    assert (token["expires_in"], token["token_type"]) == (3599, "Bearer")
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    fresh = _pipedrive_token(pipedrive_url, **form).json()
    assert fresh["refresh_token"] != token["refresh_token"]
    again = _pipedrive_token(pipedrive_url, **form)
    assert again.json() == {
        "success": False,
        "message": "Invalid grant: refresh_token is invalid",
        "error": "invalid_grant",
    }
    pipedrive.headers["Authorization"] = f"Bearer {fresh['access_token']}"
    assert pipedrive.get("/api/v1/users/me").status_code == 200
    revoked = httpx.post(
        f"{pipedrive_url}/revoke", data={"token": fresh["refresh_token"]}, auth=PIPEDRIVE_AUTH
    )
    assert revoked.status_code == 200
    assert pipedrive.get("/api/v1/users/me").status_code == 401


def test_a_pipedrive_code_lives_five_minutes_and_once(
    control: SimulatorControl, pipedrive_url: str
) -> None:
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK}
    code = _authorized(f"{pipedrive_url}/authorize", client_id="pipedrive-client")["code"]
    assert _pipedrive_token(pipedrive_url, code=code, **form).status_code == 200
    assert _pipedrive_token(pipedrive_url, code=code, **form).status_code == 400
    code = _authorized(f"{pipedrive_url}/authorize", client_id="pipedrive-client")["code"]
    control.advance_clock(301)
    late = _pipedrive_token(pipedrive_url, code=code, **form)
    assert late.json()["message"] == "Invalid grant: authorization_code has expired"


def test_pipedrive_wants_the_clients_credentials_and_the_same_redirect(pipedrive_url: str) -> None:
    wrong = httpx.post(f"{pipedrive_url}/token", data={"grant_type": "x"}, auth=("a", "b"))
    assert wrong.json()["message"] == "Invalid client: client is invalid"
    code = _authorized(f"{pipedrive_url}/authorize", client_id="pipedrive-client")["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "http://other/"}
    other = _pipedrive_token(pipedrive_url, **form)
    assert other.json()["message"] == "Invalid request: redirect_uri is invalid"


def test_keap_takes_a_code_with_a_form_and_a_refresh_with_basic_and_each_token_once(
    control: SimulatorControl, keap: httpx.Client
) -> None:
    base = f"{control.base_url}/keap"
    asked = {"client_id": "keap-client", "response_type": "code", "scope": "full"}
    back = _authorized(f"{base}/app/oauth/authorize", **asked)
    ours = {"client_id": "keap-client", "client_secret": "keap-secret"}
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK}
    assert httpx.post(f"{base}/token", data=form | {"client_id": "x"}).status_code == 400
    token = httpx.post(f"{base}/token", data=form | ours).json()
    assert (token["expires_in"], token["scope"]) == (86_400, "full|ab123.infusionsoft.com")
    assert httpx.post(f"{base}/token", data=form | ours).json()["error"] == "invalid_grant"
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    in_the_form = httpx.post(f"{base}/token", data=form | ours)
    assert in_the_form.json()["error"] == "invalid_client"
    auth = ("keap-client", "keap-secret")
    fresh = httpx.post(f"{base}/token", data=form, auth=auth).json()
    keap.headers["Authorization"] = f"Bearer {fresh['access_token']}"
    assert keap.get("/crm/rest/v2/users").status_code == 200
    again = httpx.post(f"{base}/token", data=form, auth=auth)
    assert (again.status_code, again.json()) == (
        400,
        {"error": "invalid_request", "error_description": "Invalid Refresh Token"},
    )


def test_salesloft_takes_json_and_each_refresh_token_once(
    control: SimulatorControl, salesloft: httpx.Client
) -> None:
    base = f"{control.base_url}/salesloft"
    asked = {"client_id": "salesloft-client", "response_type": "code"}
    back = _authorized(f"{base}/oauth/authorize", **asked)
    ours = {"client_id": "salesloft-client", "client_secret": "salesloft-secret"}
    given = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK}
    token = httpx.post(f"{base}/oauth/token", json=given | ours).json()
    assert (token["expires_in"], token["token_type"]) == (7200, "bearer")
    given = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    wrong = httpx.post(f"{base}/oauth/token", json=given | {"client_id": "x"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    fresh = httpx.post(f"{base}/oauth/token", json=given | ours).json()
    salesloft.headers["Authorization"] = f"Bearer {fresh['access_token']}"
    assert salesloft.get("/v2/me.json").status_code == 200
    again = httpx.post(f"{base}/oauth/token", json=given | ours)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_grant")


def test_lifetimes_can_be_shortened_for_one_account(control: SimulatorControl) -> None:
    account = control.create_account("pipedrive", "brief", token_lifetime_s=5)
    bearer = {"Authorization": f"Bearer {account['access_token']}"}
    url = f"{account['api_base']}/api/v1/users/me"
    assert httpx.get(url, headers=bearer).status_code == 200
    control.advance_clock(6)
    assert httpx.get(url, headers=bearer).status_code == 401
