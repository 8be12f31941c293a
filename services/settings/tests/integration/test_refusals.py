"""Who is let in, what is refused, and what an error never shows."""

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration

DESCRIPTIONS = {"public": "/v1/openapi.json", "internal": "/internal/v1/openapi.json"}


async def operations(replica: Any, listener: str) -> list[tuple[str, str]]:
    base = getattr(replica, listener)
    described = (await replica.client.get(base + DESCRIPTIONS[listener])).json()
    return [
        (method.upper(), base + re.sub(r"\{\w+\}", "hubspot", path))
        for path, methods in described["paths"].items()
        for method in methods
        if not path.startswith("/oauth/callback/")
    ]


@pytest.mark.parametrize("listener", ["public", "internal"])
@pytest.mark.parametrize(
    "credential",
    [
        None,
        "Bearer",
        "Bearer wrong-token-of-the-tests",
        "Basic operator-token-of-the-tests",
        "other listener's",
    ],
)
async def test_every_described_operation_refuses_callers_without_its_credential(
    replicas: list[Any], listener: str, credential: str | None, credentials: dict[str, str]
) -> None:
    if credential == "other listener's":
        other = "internal" if listener == "public" else "public"
        credential = f"Bearer {credentials[other]}"
    headers = {} if credential is None else {"Authorization": credential}
    found = await operations(replicas[0], listener)
    assert len(found) >= 4
    for method, url in found:
        # The body is no JSON: it must not even be looked at.
        answer = await replicas[0].client.request(method, url, headers=headers, content=b"{")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), url
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_every_operation_that_takes_a_body_refuses_unknown_fields(
    replicas: list[Any], install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    app = f"/v1/workspaces/{made.workspace}/apps/hubspot"
    operator: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/v1/workspaces/authorize", {}),
        ("PUT", f"{app}/transcript-sync", {"on": True}),
        ("PUT", f"{app}/app-users", {"users": []}),
        ("PATCH", f"{app}/options", {"note_policy": "new"}),
        ("POST", f"/v1/workspaces/{made.workspace}/sync-now", {"conversation_id": "1"}),
    ]
    for method, path, body in operator:
        answer = await replicas[0].operator(method, path, body | {"version": 9, "x": "canary"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert "canary" not in answer.text
    services: list[tuple[str, dict[str, Any]]] = [
        (f"/crm-access/{made.workspace}/hubspot", {"rejected_token_hash": None}),
        (f"/intercom-access/{made.workspace}", {}),
        ("/eligibility", {"queries": []}),
        ("/installations", {"asked": []}),
    ]
    for path, body in services:
        answer = await replicas[0].ask("POST", path, body | {"workspace_id": "canary"})
        assert (answer.status_code, "canary" in answer.text) == (422, False)
    found = (await replicas[0].ask("GET", f"/installations/{made.workspace}/hubspot")).json()
    assert found["version"] == 1


async def test_what_is_too_large_is_refused_unread(replicas: list[Any]) -> None:
    big = {"queries": "x" * 300_000}
    answer = await replicas[0].ask("POST", "/eligibility", big)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_an_unknown_workspace_looks_the_same_as_an_app_that_is_not_installed(
    replicas: list[Any], install: Callable[..., Any]
) -> None:
    made = await install("hubspot")
    for workspace in (made.workspace, "nobody"):
        answer = await replicas[0].ask("GET", f"/installations/{workspace}/pipedrive")
        assert answer.status_code == 404
        assert answer.json() == {
            "type": "urn:lull:problem:not_installed",
            "title": "not installed",
            "status": 404,
            "code": "not_installed",
        }


async def test_every_answer_carries_the_hardening_headers(replicas: list[Any]) -> None:
    replica = replicas[0]
    for url in (
        f"{replica.public}/v1/workspaces",
        f"{replica.public}/oauth/callback/hubspot?state=x&code=y",
        f"{replica.public}/v1/nowhere",
        f"{replica.internal}/internal/v1/installations/a/hubspot",
    ):
        answer = await replica.client.get(url)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


async def test_no_secret_of_any_kind_was_ever_logged_or_stored_in_clear(
    replicas: list[Any],
    install: Callable[..., Any],
    service_env: dict[str, str],
    database: Any,
    credentials: dict[str, str],
) -> None:
    made = await install("pipedrive")
    access = (await replicas[0].crm_access(made.workspace, "pipedrive")).json()
    intercom = (await replicas[0].ask("POST", f"/intercom-access/{made.workspace}", {})).json()
    tokens = [access["access_token"], intercom["access_token"]]
    secrets = [
        *tokens,
        *credentials.values(),
        service_env["LULL_PIPEDRIVE_CLIENT_SECRET"],
        service_env["LULL_HUBSPOT_CLIENT_SECRET"],
        *re.split("[:,]", service_env["LULL_SETTINGS_TOKEN_KEYS"])[1::2],
    ]
    logs = "".join(replica.log.read_text() for replica in replicas)
    assert "app.connected" in logs
    tables = await database.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    stored = ""
    for row in tables:
        stored += str(await database.fetch(f"SELECT * FROM {row['table_name']}"))  # noqa: S608
    assert made.workspace in stored
    for secret in secrets:
        assert secret not in logs
        assert secret not in stored
    for name in ("Sam Agent", "sam@example.org"):
        assert name not in logs + stored
