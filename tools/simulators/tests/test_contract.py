"""The check against the vendors' descriptions finds what is wrong: its silence means something."""

import json
from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl
from simulators.contract import Exchange, VendorContract
from simulators.contract_descriptions import contract_of
from simulators.crms import CRMS
from simulators.testing import RunningSimulators

NOTE: dict[str, Any] = {
    "properties": {"hs_timestamp": "2026-11-22T10:15:00Z", "hs_note_body": "x"},
    "associations": [],
}


def _request(path: str, body: object, method: str = "POST", **query: str) -> Exchange:
    raw = b"" if body is None else json.dumps(body).encode()
    return Exchange(method, path, list(query.items()), "application/json" if raw else "", raw)


@pytest.mark.parametrize(
    ("vendor", "exchange"),
    [
        ("hubspot", _request("/crm/objects/2026-09/notes", NOTE)),
        ("hubspot", _request("/crm/objects/2026-09/notes/7", None, "GET", properties="a,b")),
        ("pipedrive", _request("/acme/api/v1/notes", {"content": "x", "person_id": 1})),
        ("pipedrive", _request("/acme/api/v2/persons/search", None, "GET", term="a", limit="5")),
        ("intercom", _request("/us/conversations/1", None, "GET", display_as="plaintext")),
    ],
)
def test_right_requests_pass(vendor: str, exchange: Exchange) -> None:
    assert VendorContract(vendor).check(exchange) == []


@pytest.mark.parametrize(
    ("vendor", "exchange", "finding"),
    [
        ("hubspot", _request("/crm/objects/2026-09/notes", {"associations": []}), "'properties'"),
        ("hubspot", _request("/crm/objects/2026-09/notes", {**NOTE, "typo": 1}), "'typo'"),
        (
            "hubspot",
            _request("/crm/objects/2026-09/notes/7", {"properties": {"a": 1}}, "PATCH"),
            "string",
        ),
        (
            "hubspot",
            _request("/crm/objects/2026-09/notes/7", None, "GET", propertys="a"),
            "propertys",
        ),
        ("hubspot", _request("/crm/v3/objects/notes", NOTE), "no such operation"),
        ("pipedrive", _request("/acme/api/v1/notes", {"person_id": 1}), "'content'"),
        (
            "pipedrive",
            _request("/acme/api/v1/notes", {"content": "x", "person_id": "1"}),
            "integer",
        ),
        ("pipedrive", _request("/acme/api/v2/persons/search", None, "GET", fields="email"), "term"),
        ("pipedrive", _request("/acme/api/v1/activities", {}), "no such operation"),
        ("intercom", _request("/us/conversations/1", None, "GET", as_text="yes"), "as_text"),
        ("intercom", _request("/us/conversations/search", {"pagination": {}}), "'query'"),
    ],
)
def test_wrong_requests_are_found(vendor: str, exchange: Exchange, finding: str) -> None:
    assert finding in " ".join(VendorContract(vendor).check(exchange))


@pytest.mark.parametrize(
    ("status", "body", "finding"),
    [
        (200, {"id": "7"}, "is a required property"),
        (200, {"id": 7, "properties": {}, "createdAt": "x", "updatedAt": "y"}, "not of type"),
        (202, {}, "202 is not declared"),
        (404, {"status": "error"}, "is a required property"),
    ],
)
def test_wrong_answers_are_found(status: int, body: object, finding: str) -> None:
    asked = _request("/crm/objects/2026-09/notes/7", None, "GET")
    answered = Exchange(
        asked.method, asked.path, [], "", b"", status, "application/json", json.dumps(body).encode()
    )
    assert finding in " ".join(VendorContract("hubspot").check(answered))


@pytest.mark.parametrize(
    ("vendor", "request_", "root"),
    [
        ("hubspot", httpx.Request("GET", "https://api.hubapi.com/crm/objects/2026-09/notes/7"), ""),
        ("intercom", httpx.Request("GET", "https://api.intercom.io/conversations/1"), ""),
        ("intercom", httpx.Request("GET", "http://x/intercom/eu/me"), "/intercom"),
        ("pipedrive", httpx.Request("GET", "https://acme.pipedrive.com/api/v2/persons/7"), ""),
        (
            "pipedrive",
            httpx.Request("GET", "http://x/pipedrive/acme/api/v1/users/me"),
            "/pipedrive",
        ),
    ],
)
def test_what_an_httpx_client_sends_can_be_checked(
    vendor: str, request_: httpx.Request, root: str
) -> None:
    assert VendorContract(vendor).check(Exchange.of(request_, root=root)) == []


def test_a_wrong_webhook_is_found() -> None:
    envelope = {"type": "notification_event", "topic": "conversation.user.replied"}
    findings = VendorContract("intercom").check_webhook(
        "conversation.user.replied", json.dumps(envelope).encode()
    )
    assert any("app_id" in f for f in findings)


def test_the_running_simulators_report_what_callers_send_wrong(
    running: RunningSimulators,
) -> None:
    control: SimulatorControl = running.control
    control.reset()
    account = control.create_account("hubspot", "42001")
    bearer = {"Authorization": f"Bearer {account['access_token']}"}
    url = f"{account['api_base']}/crm/objects/2026-09/notes"
    httpx.post(url, json={**NOTE, "typo": 1}, headers=bearer)
    (violation,) = control.violations()
    assert (violation["vendor"], violation["status"]) == ("hubspot", 201)
    assert "'typo'" in violation["message"]
    control.reset()
    assert control.violations() == []


def test_every_exception_says_why() -> None:
    reasons: list[str] = []
    for contract in (contract_of(vendor) for vendor in ("intercom", *CRMS)):
        reasons += [contract.nullable.reason] if contract.nullable else []
        reasons += [extra.reason for extra in contract.undeclared]
        reasons += [exemption.reason for exemption in contract.exemptions]
    assert len(reasons) > 4
    assert all(len(reason) > 10 for reason in reasons)
