"""Each fault as a caller sees it, and what it leaves in the store."""

import time
from typing import Any

import httpx
import pytest
from simulators.client import ControlCallError, SimulatorControl

NOTES = "/crm/objects/2026-09/notes"
NOTE: dict[str, Any] = {
    "properties": {"hs_timestamp": "2026-11-22T10:15:00Z", "hs_note_body": "<p>a</p>"},
    "associations": [
        {
            "to": {"id": "501"},
            "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}],
        }
    ],
}


def _stored(control: SimulatorControl) -> int:
    return len(control.notes("hubspot", "42001"))


@pytest.mark.parametrize(
    ("kind", "status", "written"),
    [
        ("429", 429, 0),
        ("500_before", 500, 0),
        ("500_after", 500, 1),
        ("401", 401, 0),
        ("403", 403, 0),
        ("html_502", 502, 0),
        ("slow", 201, 1),
        ("late_body", 201, 1),
        ("trickle", 201, 1),
    ],
)
def test_faults_that_answer(
    hubspot: httpx.Client, control: SimulatorControl, kind: str, status: int, written: int
) -> None:
    headers = {"Retry-After": "7"}
    control.add_fault("hubspot", kind, method="POST", path="/notes$", ms=1, headers=headers)
    answer = hubspot.post(NOTES, json=NOTE)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert _stored(control) == written
    assert hubspot.post(NOTES, json=NOTE).status_code == 201  # it hits once


@pytest.mark.parametrize("status", [400, 422, 500])
def test_an_echo_repeats_what_it_was_given_and_writes_nothing(
    hubspot: httpx.Client, control: SimulatorControl, status: int
) -> None:
    control.add_fault("hubspot", "echo", path="/notes$|/contacts/", times=2, status=status)
    answer = hubspot.post(NOTES, json=NOTE)
    assert answer.status_code == status
    for said in (answer.json()["message"], answer.headers["x-request-id"]):
        assert "<p>a</p>" in said
    read = hubspot.get("/crm/objects/2026-09/contacts/501").json()
    assert '"id":"501"' in read["errors"][0]["message"]
    assert _stored(control) == 0


@pytest.mark.parametrize(
    ("kind", "error", "written"),
    [
        ("reset", httpx.ReadError, 0),
        ("reset_after", httpx.ReadError, 1),
        ("cut_body", httpx.RemoteProtocolError, 1),
        ("timeout", httpx.ReadTimeout, 0),
        ("timeout_after", httpx.ReadTimeout, 1),
    ],
)
def test_faults_that_end_the_connection(
    hubspot: httpx.Client,
    control: SimulatorControl,
    kind: str,
    error: type[Exception],
    written: int,
) -> None:
    control.add_fault("hubspot", kind, method="POST")
    with pytest.raises(error):
        hubspot.post(NOTES, json=NOTE, timeout=0.2)
    assert _stored(control) == written


def test_a_slow_answer_takes_as_long_as_asked(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    control.add_fault("hubspot", "slow", ms=150)
    started = time.monotonic()
    hubspot.get(NOTES)
    assert time.monotonic() - started >= 0.15


def test_a_revoked_account_stays_revoked(hubspot: httpx.Client, control: SimulatorControl) -> None:
    control.add_fault("hubspot", "revoked", account="42001")
    assert [hubspot.get(NOTES).status_code for _ in range(2)] == [401, 401]


def test_the_token_call_can_be_struck_too(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    refresh = control.crm_tokens("pipedrive", "acme")["refresh_token"]
    control.add_fault("pipedrive", "revoked", account="acme", path="/oauth/token")
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    url = f"{control.base_url}/pipedrive/oauth/token"
    answer = httpx.post(url, data=form, auth=("pipedrive-client", "pipedrive-secret"))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_faults_skip_count_and_are_cleared(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    control.add_fault("hubspot", "500_before", skip=1, times=2)
    statuses = [hubspot.get(NOTES).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    (fault,) = control.faults()
    assert fault["hits"] == 2
    control.add_fault("hubspot", "429", times=None)
    assert hubspot.get(NOTES).status_code == 429
    control.clear_faults()
    assert hubspot.get(NOTES).status_code == 200


@pytest.mark.parametrize("match", [{"account": "other"}, {"method": "PUT"}, {"path": "/contacts$"}])
def test_faults_hit_only_what_they_name(
    hubspot: httpx.Client, control: SimulatorControl, match: dict[str, str]
) -> None:
    control.add_fault("hubspot", "500_before", **match)  # type: ignore[arg-type]
    assert hubspot.get(NOTES).status_code == 200


def test_intercom_is_struck_by_workspace(intercom: httpx.Client, control: SimulatorControl) -> None:
    control.add_fault("intercom", "429", account="wk9demo1", path="^/us/me$")
    struck = intercom.get("/me")
    assert struck.json()["errors"][0]["code"] == "rate_limit_exceeded"


def test_a_fault_that_makes_no_sense_is_refused(control: SimulatorControl) -> None:
    for wrong in ({"path": "("}, {"kind": "rain"}, {"vendor": "acme"}, {"typo": 1}):
        with pytest.raises(ControlCallError, match="400"):
            control.call("POST", "/faults", {"vendor": "hubspot", "kind": "429", **wrong})


def test_the_journal_names_fault_and_outcome(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    control.add_fault("hubspot", "reset", method="POST")
    with pytest.raises(httpx.ReadError):
        hubspot.post(NOTES, json=NOTE)
    hubspot.get(NOTES, params={"limit": "1"})
    struck, good = control.journal("hubspot", account="42001")
    assert (struck["status"], struck["fault"], struck["path"]) == (0, "reset", NOTES)
    assert (good["status"], good["fault"], good["method"]) == (200, None, "GET")
    assert "limit" not in str(good)
