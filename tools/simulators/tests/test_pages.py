"""The pages: a person can read every store and play both sides of a conversation."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from devstack.waiting import wait_until
from simulators.client import SimulatorControl
from simulators.pages.typed import as_html

ADA, SAM = "67a0c0ffee00000000000001", "5001"


@pytest.fixture
def browser(control: SimulatorControl) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=control.base_url, follow_redirects=True) as client:
        yield client


def test_the_index_leads_to_everything(
    browser: httpx.Client, hubspot: httpx.Client, workspace: str
) -> None:
    hubspot.get("/account-info/2026-09/details")
    page = browser.get("/").text
    assert 'href="/inbox/wk9demo1"' in page
    assert 'href="/crm/hubspot/42001"' in page
    assert "/account-info/2026-09/details" in page


def test_a_person_writes_as_customer_and_as_teammate(
    browser: httpx.Client,
    control: SimulatorControl,
    workspace: str,
    endpoint: Any,
) -> None:
    form = {"contact": ADA, "body": "Hello <b>there</b>", "assignee": ""}
    page = browser.post(f"/inbox/{workspace}", data=form)
    path = page.url.path
    assert "Hello &lt;b&gt;there&lt;/b&gt;" in page.text
    browser.post(path, data={"as": "customer", "body": "Anybody?", "action": "reply"})
    page = browser.post(path, data={"as": SAM, "assignee": f"admin:{SAM}", "action": "assign"})
    assert "assigned to Sam Agent" in page.text
    browser.post(path, data={"as": SAM, "body": "psst", "action": "note"})
    page = browser.post(path, data={"as": SAM, "body": "Bye", "action": "close"})
    assert f'<option value="{SAM}" selected>' in page.text
    expected = [
        "user.created", "user.replied", "admin.assigned", "admin.noted", "admin.replied",
        "admin.closed",
    ]  # fmt: skip
    wait_until(lambda: len(endpoint.received) == len(expected))
    assert sorted(endpoint.topics()) == sorted(f"conversation.{t}" for t in expected)
    (shown,) = control.conversations(workspace)
    assert (shown["state"], shown["admin_assignee_id"]) == ("closed", 5001)
    assert browser.post(path, data={"as": SAM, "action": "reply"}).status_code == 400


def test_html_of_customers_is_shown_clean(
    browser: httpx.Client, control: SimulatorControl, workspace: str, conversation: str
) -> None:
    author = {"type": "user", "id": ADA}
    control.reply(workspace, conversation, author, "<b>Hi</b><img src=x onerror=y>")
    page = browser.get(f"/inbox/{workspace}/{conversation}").text
    assert "<b>Hi</b>" in page
    assert "onerror" not in page


def test_records_of_a_crm_are_shown_clean(browser: httpx.Client, control: SimulatorControl) -> None:
    control.create_account("pipedrive", "acme", persons=[{"id": "17", "name": "<i>Ada</i>"}])
    control.write_note("pipedrive", "acme", "17", "<p>Hi <b>you</b></p><img src=x onerror=y>")
    page = browser.get("/crm/pipedrive/acme").text
    assert "&lt;i&gt;Ada&lt;/i&gt;" in page
    assert "Hi <b>you</b>" in page
    assert "onerror" not in page


def test_a_plain_text_crm_shows_tags_as_the_letters_they_are(
    browser: httpx.Client, control: SimulatorControl
) -> None:
    control.create_account("keap", "ab123", persons=[{"id": "17", "name": "Ada"}])
    control.write_note("keap", "ab123", "17", "<b>Hi</b>\nsee https://x.example/1")
    page = browser.get("/crm/keap/ab123").text
    assert "&lt;b&gt;Hi&lt;/b&gt;\nsee" in page
    assert 'href="https://x.example/1"' in page


def test_a_person_deletes_a_note(browser: httpx.Client, control: SimulatorControl) -> None:
    control.create_account("hubspot", "1", persons=[{"id": "5", "name": "Ada"}])
    note = control.write_note("hubspot", "1", "5", "<p>x</p>")["id"]
    browser.post(f"/crm/hubspot/1/notes/{note}/delete")
    assert control.notes("hubspot", "1") == []


def test_the_link_of_a_note_leads_to_the_conversation(
    browser: httpx.Client, workspace: str, conversation: str
) -> None:
    link = f"/intercom/us/app/a/inbox/{workspace}/inbox/conversation/{conversation}"
    assert browser.get(link).url.path == f"/inbox/{workspace}/{conversation}"


@pytest.mark.parametrize("path", ["/crm/hubspot/9", "/crm/x/9", "/inbox/9", "/inbox/9/9"])
def test_what_is_not_there_is_404(browser: httpx.Client, path: str) -> None:
    assert browser.get(path).status_code == 404


def test_pages_need_nothing_from_elsewhere(browser: httpx.Client) -> None:
    for path in ("/", "/static/style.css", "/static/refresh.js"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "//cdn" not in answer.text
    assert "default-src 'self'" in browser.get("/").headers["content-security-policy"]


def test_typed_text_becomes_paragraphs_breaks_and_links() -> None:
    typed = "a & b\nsecond\n\nsee https://x.org/?a=1&b=2"
    assert as_html(typed) == (
        "<p>a &amp; b<br>second</p>"
        '<p>see <a href="https://x.org/?a=1&amp;b=2">https://x.org/?a=1&amp;b=2</a></p>'
    )


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/hubspot/contacts/42001/record/0-1/501", "/crm/hubspot/42001"),
        ("/pipedrive/acme/person/501", "/crm/pipedrive/acme"),
    ],
)
def test_where_the_vendors_show_a_person_leads_to_our_page(
    browser: httpx.Client, path: str, page: str
) -> None:
    answer = browser.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, page)
