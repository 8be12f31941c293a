"""Keap's REST v2 as an adapter meets it."""

from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl

BASE = "/crm/rest/v2"
CONTACTS, NOTES = f"{BASE}/contacts", f"{BASE}/contacts/17/notes"
NOTE = {"user_id": "3", "title": "Intercom conversation 12", "text": "one <b>two</b>"}


def test_a_note_is_created_listed_changed_and_deleted_below_its_contact(
    keap: httpx.Client, control: SimulatorControl
) -> None:
    created = keap.post(NOTES, json=NOTE)
    assert created.status_code == 201
    note = created.json()
    assert (note["contact_id"], note["text"]) == ("17", NOTE["text"])
    assert note["assigned_to_user"]["id"] == "3"
    path = f"{NOTES}/{note['id']}"
    change = {"user_id": "3", "text": "new", "title": "other"}
    changed = keap.patch(path, json=change, params={"update_mask": "text"}).json()
    assert (changed["text"], changed["title"]) == ("new", NOTE["title"])
    found = keap.get(f"{BASE}/notes", params={"filter": f"ids=={note['id']}"}).json()["notes"]
    assert [n["text"] for n in found] == ["new"]
    assert keap.get(f"{CONTACTS}/18/notes/{note['id']}").status_code == 404
    assert keap.delete(path).status_code == 204
    assert keap.get(path).json()["status"] == "NOT_FOUND"
    (kept,) = control.notes("keap", "ab123", deleted=True)
    assert (kept["body_sent"], kept["revision"], kept["deleted_by"]) == ("new", 2, "api")


def test_lists_of_notes_are_ordered_filtered_and_paged(keap: httpx.Client) -> None:
    ids = [keap.post(NOTES, json=NOTE | {"title": f"No {n}"}).json()["id"] for n in range(3)]
    params = {"order_by": "create_time desc", "page_size": "2"}
    first = keap.get(NOTES, params=params).json()
    token = {"page_token": first["next_page_token"]}
    second = keap.get(NOTES, params=params | token).json()
    assert [n["id"] for n in first["notes"] + second["notes"]] == ids[::-1]
    assert "next_page_token" not in second
    for sought, count in (("title==o 1", 1), ("title==No*", 3), ("contact_id==18", 0)):
        found = keap.get(NOTES, params={"filter": sought}).json()["notes"]
        assert len(found) == (count if "contact" not in sought else 3)  # the path's contact wins
    assert len(keap.get(f"{BASE}/notes").json()["notes"]) == 3  # of the whole account


@pytest.mark.parametrize("filtered", ["nonsense", "no_such_field==1", "email>x"])
def test_filters_that_keap_refuses(keap: httpx.Client, filtered: str) -> None:
    refused = keap.get(CONTACTS, params={"filter": filtered})
    assert (refused.status_code, refused.json()["status"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "body",
    [
        {"title": "x", "text": "x"},
        {"user_id": "77", "title": "x"},
        {"user_id": "770003", "title": "x"},  # the global id is not the one that is meant
        {"user_id": "3", "text": "x"},
        {"user_id": "3", "title": "x", "text": "é" * 33_000},
    ],
)
def test_notes_that_keap_refuses(keap: httpx.Client, body: dict[str, Any]) -> None:
    assert keap.post(NOTES, json=body).status_code == 400


def test_contacts_are_found_by_address_and_phone_and_created(
    keap: httpx.Client, control: SimulatorControl
) -> None:
    found = keap.get(CONTACTS, params={"filter": "email==ADA@example.com", "fields": "id"})
    assert found.json()["contacts"] == [{"id": "17"}]
    new = {"given_name": "Bo", "family_name": "Lind", "email_addresses": [{"email": "bo@x.org"}]}
    new |= {"phone_numbers": [{"number": "+4930123456", "field": "PHONE1"}]}
    created = keap.post(CONTACTS, json=new)
    assert created.status_code == 201
    sought = "phone_number==+4930123456;phone_fields==PHONE1,PHONE2"
    found = keap.get(CONTACTS, params={"filter": sought}).json()["contacts"]
    assert [c["id"] for c in found] == [created.json()["id"]]
    assert keap.get(CONTACTS, params={"filter": "phone_number==+49"}).status_code == 400
    # Without a check for duplicates there are two now; with one, the lists are replaced whole.
    assert keap.post(CONTACTS, json=new).status_code == 201
    one = {"given_name": "Ada", "email_addresses": [{"email": "ada@example.com"}]}
    merged = keap.post(CONTACTS, json=one, params={"duplicate_option": "Email"})
    assert (merged.status_code, merged.json()["id"]) == (200, "17")
    assert len(control.persons("keap", "ab123")) == 3
    assert keap.post(CONTACTS, json={"given_name": "C"}).status_code == 400


def test_a_patch_replaces_only_what_its_mask_names(
    keap: httpx.Client, control: SimulatorControl
) -> None:
    body = {"given_name": "Ida", "email_addresses": []}
    keap.patch(f"{CONTACTS}/17", json=body, params={"update_mask": "given_name"})
    (ada,) = control.persons("keap", "ab123")
    assert (ada["name"], ada["emails"]) == ("Ida Example", ["ada@example.com"])
    keap.patch(f"{CONTACTS}/17", json=body)
    assert control.persons("keap", "ab123")[0]["emails"] == []


def test_a_new_contact_is_not_listed_within_the_lag(
    keap: httpx.Client, control: SimulatorControl
) -> None:
    control.knobs(search_lag_s={"keap": 20})
    keap.post(CONTACTS, json={"email_addresses": [{"email": "bo@example.com"}]})
    params = {"filter": "email==bo@example.com"}
    assert keap.get(CONTACTS, params=params).json()["contacts"] == []
    control.advance_clock(20)
    assert len(keap.get(CONTACTS, params=params).json()["contacts"]) == 1


def test_users_tasks_and_opportunities(keap: httpx.Client, control: SimulatorControl) -> None:
    me = keap.get(f"{BASE}/oauth/connect/userinfo").json()
    assert (me["tenant_id"], me["id"]) == ("ab123", "77000003")
    (user,) = keap.get(f"{BASE}/users", params={"filter": "email==sam@example.org"}).json()["users"]
    assert (user["id"], user["global_user_id"]) == ("3", me["id"])
    task = {"assigned_to_user_id": "3", "contact_id": "17", "title": "Call"}
    task |= {"due_time": "2026-11-23T10:00:00Z"}
    assert keap.post(f"{BASE}/tasks", json=task).status_code == 201
    assert keap.post(f"{BASE}/tasks", json={"title": "Call"}).status_code == 400
    (listed,) = keap.get(f"{BASE}/tasks", params={"filter": "contact_id==17"}).json()["tasks"]
    assert (listed["title"], listed["due_time"]) == ("Call", task["due_time"])
    stage = keap.get(f"{BASE}/opportunities/stages").json()["stages"][0]["id"]
    deal = {"contact_id": "17", "opportunity_title": "Bike", "stage_id": stage}
    made = keap.post(f"{BASE}/opportunities", json=deal).json()
    assert (made["opportunity_title"], made["contact"]["id"]) == ("Bike", "17")
    assert keap.post(f"{BASE}/opportunities", json=deal | {"stage_id": "9"}).status_code == 400
    params = {"filter": "contact_id==17", "order_by": "created_time desc"}
    found = keap.get(f"{BASE}/opportunities", params=params).json()["opportunities"]
    assert [one["id"] for one in found] == [made["id"]]
    assert control.account("keap", "ab123")["calls"] == {"activity.create": 1, "deal.create": 1}


def test_the_quota_counts_over_all_accounts_together(
    keap: httpx.Client, control: SimulatorControl
) -> None:
    control.change_account("keap", "ab123", limits={"product_per_minute": 3})
    other = control.create_account("keap", "cd456")
    bearer = {"Authorization": f"Bearer {other['access_token']}"}
    for _ in range(3):
        answer = keap.get(f"{BASE}/users", headers=bearer)
        assert answer.headers["x-keap-tenant-id"] == "cd456"
    refused = keap.get(f"{BASE}/users")
    assert refused.status_code == 429
    assert refused.json()["fault"]["detail"]["errorcode"].endswith("QuotaViolation")
    assert refused.headers["x-keap-product-throttle-available"] == "0"
    assert refused.headers["x-keap-tenant-throttle-available"].count("|") == 1
    control.advance_clock(60)
    assert keap.get(f"{BASE}/users").status_code == 200


def test_a_spike_and_a_spent_day_are_refused_each_in_its_own_words(
    keap: httpx.Client, control: SimulatorControl
) -> None:
    control.change_account("keap", "ab123", limits={"product_per_second": 1})
    refused = [keap.get(f"{BASE}/users") for _ in range(3)][-1]
    assert refused.json()["fault"]["detail"]["errorcode"].endswith("SpikeArrestViolation")
    assert "x-keap-product-quota-available" not in refused.headers
    control.change_account("keap", "ab123", limits={"product_per_second": 99, "product_per_day": 1})
    control.advance_clock(2)
    refused = [keap.get(f"{BASE}/users") for _ in range(2)][-1]
    assert (refused.json()["code"], refused.json()["message"]) == ("429", "Quota Exceeded")
    assert refused.headers["x-keap-product-quota-available"] == "0"


def test_a_token_is_asked_for_before_the_path(
    keap: httpx.Client, control: SimulatorControl
) -> None:
    wrong = keap.get("/crm/rest/v2/nonsense", headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401
    assert wrong.json()["fault"]["detail"]["errorcode"].endswith("invalid_access_token")
    assert keap.get("/crm/rest/v2/nonsense").status_code == 404
    control.advance_clock(86_401)
    stale = keap.get(f"{BASE}/users")
    assert stale.json()["fault"]["detail"]["errorcode"].endswith("access_token_expired")
