"""Zendesk Sell as an adapter meets it."""

from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl

NOTES = "/v2/notes"


def note(**data: Any) -> dict[str, Any]:
    return {"data": {"resource_type": "contact", "resource_id": 17, "content": "x", **data}}


def items(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [item["data"] for item in answer.json()["items"]]


def test_a_note_is_created_listed_changed_and_deleted(
    sell: httpx.Client, control: SimulatorControl
) -> None:
    made = sell.post(NOTES, json=note(content="<b>one</b>\r\ntwo")).json()
    assert made["meta"] == {"type": "note"}
    assert (made["data"]["content"], made["data"]["creator_id"]) == ("<b>one</b>\ntwo", 3)
    path = f"{NOTES}/{made['data']['id']}"
    assert sell.put(path, json={"data": {"content": "new"}}).json()["data"]["content"] == "new"
    found = items(sell, NOTES, resource_type="contact", resource_id="17")
    assert [one["content"] for one in found] == ["new"]
    assert items(sell, NOTES, resource_type="lead", resource_id="17") == []
    assert sell.delete(path).status_code == 204
    assert [sell.get(path).status_code, sell.delete(path).status_code] == [404, 404]
    assert control.notes("zendesk_sell", "42001") == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"content": ""}, "missing"),
        ({"content": "x" * 65_536}, "too_long"),
        ({"resource_type": "deal"}, "invalid_type"),
        ({"resource_type": "lead"}, "unknown"),
        ({"resource_id": 99}, "unknown"),
    ],
)
def test_notes_that_sell_refuses(sell: httpx.Client, change: dict[str, Any], code: str) -> None:
    refused = sell.post(NOTES, json=note(**change))
    body = refused.json()
    assert (refused.status_code, body["errors"][0]["error"]["code"]) == (422, code)
    assert body["meta"]["logref"] == refused.headers["x-request-id"]


def test_lists_come_newest_first_in_pages(sell: httpx.Client) -> None:
    made = [sell.post(NOTES, json=note(content=str(n))).json()["data"]["id"] for n in range(3)]
    query = {"sort_by": "created_at:desc", "per_page": "2"}
    pages = [items(sell, NOTES, page=str(n), **query) for n in (1, 2)]
    assert [[one["id"] for one in page] for page in pages] == [made[:0:-1], made[:1]]
    links = sell.get(NOTES, params=query).json()["meta"]["links"]
    assert "next_page" in links
    for bad in ({"per_page": "101"}, {"page": "0"}, {"sort_by": "x"}):
        assert sell.get(NOTES, params=bad).status_code == 400


def test_contacts_and_leads_are_found_apart_by_address_and_phone(
    sell: httpx.Client, control: SimulatorControl
) -> None:
    lead = {"name": "Lea Lead", "email": "lea@example.com", "phone": "+4930123", "lead": True}
    made = control.add_person("zendesk_sell", "42001", **lead)
    assert items(sell, "/v2/contacts", email="lea@example.com") == []
    [found] = items(sell, "/v2/leads", email="LEA@example.com")
    assert (found["id"], found["last_name"]) == (int(made["id"]), "Lead")
    assert items(sell, "/v2/leads", phone="+4930123") == [found]
    assert sell.get(f"/v2/leads/{made['id']}").json()["data"] == found
    assert sell.get(f"/v2/contacts/{made['id']}").status_code == 404
    [ada] = items(sell, "/v2/contacts", email="ada@example.com")
    assert ada["is_organization"] is False


def test_people_are_created_and_changed(sell: httpx.Client) -> None:
    made = sell.post("/v2/contacts", json={"data": {"first_name": "Bo", "last_name": "Lind"}})
    path = f"/v2/contacts/{made.json()['data']['id']}"
    changed = sell.put(path, json={"data": {"email": "bo@example.com"}}).json()["data"]
    assert (changed["name"], changed["email"]) == ("Bo Lind", "bo@example.com")
    assert sell.post("/v2/leads", json={"data": {"first_name": "Bo"}}).status_code == 422
    assert sell.post("/v2/leads", json={"data": {"organization_name": "A"}}).status_code == 200


def test_a_merged_contact_leaves_no_trace_and_its_notes_move(
    sell: httpx.Client, control: SimulatorControl
) -> None:
    left = control.add_person("zendesk_sell", "42001", name="Ada E.", email="a@x.io")["id"]
    sell.post(NOTES, json=note())
    control.merge_persons("zendesk_sell", "42001", "17", into=left)
    assert sell.get("/v2/contacts/17").status_code == 404
    assert len(items(sell, NOTES, resource_type="contact", resource_id=left)) == 1


def test_who_am_i_users_deals_and_tasks(sell: httpx.Client) -> None:
    assert sell.get("/v2/users/self").json()["data"]["id"] == 3
    assert sell.get("/v2/accounts/self").json()["data"]["id"] == 42001
    assert [one["id"] for one in items(sell, "/v2/users", email="sam@example.org")] == [3]
    deal = sell.post("/v2/deals", json={"data": {"name": "Bike", "contact_id": 17}}).json()["data"]
    assert items(sell, "/v2/deals", contact_id="17") == [deal]
    place = {"resource_type": "contact", "resource_id": 17}
    task = sell.post("/v2/tasks", json={"data": {"content": "Call", **place}}).json()["data"]
    assert items(sell, "/v2/tasks", **{k: str(v) for k, v in place.items()}) == [task]


def test_ten_calls_a_second_and_a_body_that_is_no_usual_one(
    sell: httpx.Client, control: SimulatorControl
) -> None:
    limits = {"requests_per_second": 10_000, "requests_per_hour": 2}
    control.change_account("zendesk_sell", "42001", limits=limits)
    statuses = [sell.get("/v2/users/self").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = sell.get("/v2/users/self")
    assert isinstance(refused.json()["errors"], str)
    assert "retry-after" not in refused.headers
    control.advance_clock(3601)
    fresh = control.crm_tokens("zendesk_sell", "42001")["access_token"]
    assert sell.get("/v2/users/self", headers={"Authorization": f"Bearer {fresh}"}).is_success


def test_a_call_without_a_user_agent_is_refused(sell: httpx.Client) -> None:
    refused = sell.get("/v2/users/self", headers={"User-Agent": ""})
    assert refused.json()["errors"][0]["error"]["code"] == "invalid_header"
