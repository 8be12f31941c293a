"""Intercom's REST API as an adapter meets it."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl
from simulators.intercom.plaintext import as_plaintext

ADA, SAM = "67a0c0ffee00000000000001", "5001"
CUSTOMER, AGENT = {"type": "user", "id": ADA}, {"type": "admin", "id": SAM}


def test_me_tells_workspace_and_region(intercom: httpx.Client) -> None:
    body = intercom.get("/me").json()
    assert (body["type"], body["id"]) == ("admin", SAM)
    assert (body["app"]["id_code"], body["app"]["region"]) == ("wk9demo1", "US")


@pytest.mark.parametrize("path", ["/admins", f"/admins/{SAM}", "/teams", "/teams/77"])
def test_teammates_are_listed_and_found(intercom: httpx.Client, path: str) -> None:
    answer = intercom.get(path)
    assert answer.status_code == 200
    assert ("Sam Agent" in answer.text) or ("Billing" in answer.text)


def test_a_lead_may_have_neither_name_nor_address(intercom: httpx.Client) -> None:
    body = intercom.get("/contacts/67a0c0ffee00000000000002").json()
    assert (body["role"], body["email"], body["name"]) == ("lead", None, None)


def test_text_is_plain_only_when_asked_for(intercom: httpx.Client, conversation: str) -> None:
    path = f"/conversations/{conversation}"
    html = intercom.get(path).json()["source"]["body"]
    plain = intercom.get(path, params={"display_as": "plaintext"}).json()["source"]["body"]
    assert html.startswith("<p>")
    assert plain == "Hello, is order 42 (https://example.com/42) ready?"


def test_the_date_header_follows_the_clock(
    intercom: httpx.Client, control: SimulatorControl
) -> None:
    control.advance_clock(3600)
    said = parsedate_to_datetime(intercom.get("/me").headers["date"]).timestamp()
    assert said == pytest.approx(time.time() + 3600, abs=5)


def test_only_the_newest_500_parts_come_back_and_the_count_is_true(
    intercom: httpx.Client, control: SimulatorControl, workspace: str, conversation: str
) -> None:
    for number in range(502):
        control.reply(workspace, conversation, CUSTOMER, f"<p>{number}</p>", notify=False)
    parts = intercom.get(f"/conversations/{conversation}").json()["conversation_parts"]
    assert parts["total_count"] == 502
    bodies = [p["body"] for p in parts["conversation_parts"]]
    assert (len(bodies), bodies[0], bodies[-1]) == (500, "<p>2</p>", "<p>501</p>")


def test_assignment_and_state_show_in_the_conversation(
    intercom: httpx.Client, control: SimulatorControl, workspace: str, conversation: str
) -> None:
    control.assign(workspace, conversation, AGENT, admin=SAM)
    control.close_conversation(workspace, conversation, AGENT)
    body = intercom.get(f"/conversations/{conversation}").json()
    assert (body["admin_assignee_id"], body["team_assignee_id"]) == (5001, None)
    assert (body["state"], body["open"]) == ("closed", False)
    control.add_part(
        workspace,
        conversation,
        AGENT,
        part_type="assignment",
        assign={"admin": None, "team": "77"},
    )
    control.reply(workspace, conversation, CUSTOMER, "<p>Once more</p>")
    body = intercom.get(f"/conversations/{conversation}").json()
    assert (body["admin_assignee_id"], body["team_assignee_id"]) == (None, 77)
    assert body["state"] == "open"


def test_lists_are_paged_and_searched_by_update(
    intercom: httpx.Client, control: SimulatorControl, workspace: str
) -> None:
    ids = [
        control.create_conversation(
            workspace, contacts=[ADA], author=CUSTOMER, body="a", created_at=1_700_000_000 + n
        )["conversation"]
        for n in range(3)
    ]
    first = intercom.get("/conversations", params={"per_page": 2}).json()
    after = first["pages"]["next"]["starting_after"]
    second = intercom.get("/conversations", params={"per_page": 2, "starting_after": after}).json()
    listed = [c["id"] for page in (first, second) for c in page["conversations"]]
    assert listed == ids[::-1]
    assert second["pages"]["next"] is None
    query = {"field": "updated_at", "operator": ">", "value": 1_700_000_001}
    body = {"query": {"operator": "AND", "value": [query]}, "pagination": {"per_page": 150}}
    found = intercom.post("/conversations/search", json=body).json()
    assert {c["id"] for c in found["conversations"]} == set(ids[1:])  # ">" includes the day


def test_a_workspace_is_served_by_its_own_region_and_by_the_us_host(
    control: SimulatorControl, intercom: httpx.Client
) -> None:
    admins = [{"id": "6001", "name": "Eva", "email": "eva@example.org"}]
    control.create_workspace("wk9eu", region="EU", admins=admins)
    bearer = {"Authorization": f"Bearer {control.intercom_token('wk9eu')}"}
    statuses = {
        region: httpx.get(f"{control.base_url}/intercom/{region}/me", headers=bearer).status_code
        for region in ("us", "eu", "au")
    }
    assert statuses == {"us": 200, "eu": 200, "au": 401}


def test_errors_have_intercoms_shape(intercom: httpx.Client, control: SimulatorControl) -> None:
    missing = intercom.get("/conversations/1")
    assert missing.status_code == 404
    assert missing.json()["type"] == "error.list"
    assert missing.json()["errors"][0]["code"] == "not_found"
    wrong = intercom.get("/me", headers={"Intercom-Version": "9.9"})
    assert (wrong.status_code, _code(wrong)) == (400, "intercom_version_invalid")
    nobody = httpx.get(f"{control.base_url}/intercom/us/me")
    assert (nobody.status_code, _code(nobody)) == (401, "unauthorized")
    assert "x-ratelimit-limit" not in nobody.headers
    control.revoke_intercom_tokens("wk9demo1")
    dead = intercom.get("/me")
    assert (dead.status_code, _code(dead)) == (401, "token_revoked")


def test_contacts_that_were_merged_or_deleted_answer_404(
    intercom: httpx.Client, control: SimulatorControl, workspace: str, conversation: str
) -> None:
    control.merge_contact(workspace, ADA, into="67a0c0ffee00000000000002")
    assert intercom.get(f"/contacts/{ADA}").status_code == 404
    contacts = intercom.get(f"/conversations/{conversation}").json()["contacts"]["contacts"]
    assert [c["id"] for c in contacts] == ["67a0c0ffee00000000000002"]


def test_the_rate_limit_is_told_in_headers(intercom: httpx.Client) -> None:
    headers = intercom.get("/me").headers
    assert headers["x-ratelimit-limit"] == "1666"
    assert int(headers["x-ratelimit-remaining"]) < 1666
    assert time.time() <= int(headers["x-ratelimit-reset"]) <= time.time() + 11


@pytest.mark.parametrize(
    ("html", "plain"),
    [
        ("<p>a</p><p>b</p>", "a\nb"),
        ("a<br>b &amp; c", "a\nb & c"),
        ('<a href="https://x.org">x</a>', "x (https://x.org)"),
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("", ""),
    ],
)
def test_html_as_plain_text(html: str, plain: str) -> None:
    assert as_plaintext(html) == plain


def _code(answer: httpx.Response) -> Any:
    return answer.json()["errors"][0]["code"]
