"""Pipedrive's API as an adapter meets it."""

from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl
from simulators.clock import iso_seconds

NOTES, PERSONS, ACTIVITIES = "/api/v1/notes", "/api/v2/persons", "/api/v2/activities"
ACTIVITY = {
    "subject": "Intercom conversation 123",
    "type": "task",
    "done": True,
    "due_date": "2026-11-22",
    "due_time": "10:15",
    "duration": "00:12",
    "participants": [{"person_id": 17, "primary": True}],
    "note": "<p>text</p>",
}


def test_a_note_is_created_listed_changed_and_deleted(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    sent = {"content": "<p>one<script>x</script></p>", "person_id": 17}
    created = pipedrive.post(NOTES, json={**sent, "add_time": "2026-11-22 10:15:00"})
    assert created.status_code == 200  # not 201
    note = created.json()["data"]
    assert (note["add_time"], note["person"]["name"]) == ("2026-11-22 10:15:00", "Ada Example")
    params = {"person_id": "17", "sort": "add_time DESC", "start": "0", "limit": "100"}
    listed = pipedrive.get(NOTES, params=params).json()
    assert [n["id"] for n in listed["data"]] == [note["id"]]
    assert listed["additional_data"]["pagination"]["more_items_in_collection"] is False
    path = f"{NOTES}/{note['id']}"
    assert (
        pipedrive.put(path, json={"content": "<p>two</p>"}).json()["data"]["content"]
        == "<p>two</p>"
    )
    assert pipedrive.delete(path).json() == {"success": True, "data": True}
    assert pipedrive.get(path).json()["data"]["active_flag"] is False
    assert pipedrive.get(NOTES, params=params).json()["data"] == []
    (kept,) = control.notes("pipedrive", "acme", deleted=True)
    assert (kept["body_sent"], kept["revision"], kept["deleted_by"]) == ("<p>two</p>", 2, "api")


def test_what_is_one_deleted_persons_alone_goes_with_them(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    note = pipedrive.post(NOTES, json={"content": "hers", "person_id": 17}).json()["data"]
    control.add_person("pipedrive", "acme", id="18", name="Bob")
    both = [{"person_id": 17, "primary": True}, {"person_id": 18}]
    hers, shared = (
        pipedrive.post(ACTIVITIES, json={**ACTIVITY, "participants": who}).json()["data"]["id"]
        for who in (both[:1], both)
    )
    control.delete_person("pipedrive", "acme", "17")
    assert control.notes("pipedrive", "acme") == []
    assert [a["id"] for a in control.activities("pipedrive", "acme")] == [str(shared)]
    assert pipedrive.get(f"{NOTES}/{note['id']}").json()["data"]["active_flag"] is False
    assert pipedrive.get(f"{ACTIVITIES}/{hers}").status_code == 404


def test_lists_of_notes_are_paged_by_offset(pipedrive: httpx.Client) -> None:
    ids = [
        pipedrive.post(NOTES, json={"content": str(n), "person_id": 17}).json()["data"]["id"]
        for n in range(3)
    ]
    params = {"person_id": "17", "sort": "id ASC", "limit": "2"}
    first = pipedrive.get(NOTES, params=params).json()
    after = first["additional_data"]["pagination"]["next_start"]
    second = pipedrive.get(NOTES, params={**params, "start": str(after)}).json()
    assert [n["id"] for n in first["data"] + second["data"]] == ids


def test_lists_of_notes_know_updated_since(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    pipedrive.post(NOTES, json={"content": "old", "person_id": 17})
    now = control.advance_clock(100)
    pipedrive.post(NOTES, json={"content": "new", "person_id": 17})
    since = httpx.QueryParams(person_id="17", updated_since=iso_seconds(now - 50))
    assert [n["content"] for n in pipedrive.get(NOTES, params=since).json()["data"]] == ["new"]


@pytest.mark.parametrize(
    "body",
    [
        {"content": "<p>x</p>"},
        {"person_id": 17},
        {"content": "<p>x</p>", "person_id": 99},
        {"content": "é" * 50_001, "person_id": 17},
    ],
)
def test_notes_that_pipedrive_refuses(pipedrive: httpx.Client, body: dict[str, Any]) -> None:
    refused = pipedrive.post(NOTES, json=body)
    assert (refused.status_code, refused.json()["success"]) == (400, False)


def test_an_activity_goes_to_its_primary_participant(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    created = pipedrive.post(ACTIVITIES, json=ACTIVITY).json()["data"]
    assert (created["person_id"], created["done"]) == (17, True)
    listed = pipedrive.get(ACTIVITIES, params={"person_id": "17", "sort_by": "id"}).json()
    assert [a["id"] for a in listed["data"]] == [created["id"]]
    path = f"{ACTIVITIES}/{created['id']}"
    assert pipedrive.patch(path, json={"subject": "new"}).json()["data"]["subject"] == "new"
    assert pipedrive.get(path).json()["data"]["note"] == "<p>text</p>"
    assert pipedrive.delete(path).status_code == 200
    assert pipedrive.get(path).status_code == 404
    calls = control.account("pipedrive", "acme")["calls"]
    assert calls == {"activity.create": 1, "activity.update": 1, "activity.delete": 1}


@pytest.mark.parametrize("change", [{"person_id": 17}, {"type": "no_such_type"}])
def test_activities_that_pipedrive_refuses(pipedrive: httpx.Client, change: dict[str, Any]) -> None:
    refused = pipedrive.post(ACTIVITIES, json={**ACTIVITY, **change})
    assert refused.status_code == 400
    assert refused.json()["code"] == "ERR_BAD_REQUEST"
    if "person_id" in change:
        assert refused.json()["error"].startswith("'person_id' is a read-only field.")


def test_persons_are_searched_created_and_changed(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    params = {"term": "ADA@example.com", "fields": "email", "exact_match": "true"}
    (item,) = pipedrive.get(f"{PERSONS}/search", params=params).json()["data"]["items"]
    assert (item["item"]["id"], item["item"]["emails"]) == (17, ["ada@example.com"])
    new = {"name": "Bo", "emails": [{"value": "bo@example.com", "primary": True, "label": "work"}]}
    person = pipedrive.post(PERSONS, json=new).json()["data"]
    assert person["emails"][0]["value"] == "bo@example.com"
    path = f"{PERSONS}/{person['id']}"
    assert pipedrive.patch(path, json={"name": "Bo Lind"}).json()["data"]["last_name"] == "Lind"
    assert len(pipedrive.get(PERSONS, params={"limit": 10}).json()["data"]) == 2
    assert pipedrive.post(PERSONS, json={"name": "C", "job_title": "x"}).status_code == 403


def test_a_new_person_is_not_searchable_within_the_lag(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    control.knobs(search_lag_s={"pipedrive": 20})
    pipedrive.post(PERSONS, json={"name": "Bo", "emails": [{"value": "bo@example.com"}]})
    params = {"term": "bo@example.com", "fields": "email", "exact_match": "true"}
    assert pipedrive.get(f"{PERSONS}/search", params=params).json()["data"]["items"] == []
    control.advance_clock(20)
    assert len(pipedrive.get(f"{PERSONS}/search", params=params).json()["data"]["items"]) == 1


def test_a_merged_person_leaves_no_trace_and_its_records_move(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    control.add_person("pipedrive", "acme", id="18", name="Ada E.", email="ada@work.example")
    pipedrive.post(NOTES, json={"content": "x", "person_id": 18})
    pipedrive.post(ACTIVITIES, json={**ACTIVITY, "participants": [{"person_id": 18}]})
    control.merge_persons("pipedrive", "acme", "18", into="17")
    assert pipedrive.get(f"{PERSONS}/18").status_code == 404
    assert len(pipedrive.get(NOTES, params={"person_id": "17"}).json()["data"]) == 1
    assert len(pipedrive.get(ACTIVITIES, params={"person_id": "17"}).json()["data"]) == 1


def test_who_am_i_types_and_deals(pipedrive: httpx.Client) -> None:
    me = pipedrive.get("/api/v1/users/me").json()["data"]
    assert (me["id"], me["company_domain"]) == (3, "acme")
    types = pipedrive.get("/api/v1/activityTypes").json()["data"]
    assert "task" in [t["key_string"] for t in types]
    deal = pipedrive.post("/api/v2/deals", json={"title": "Bike", "person_id": 17}).json()["data"]
    assert pipedrive.get(f"/api/v2/deals/{deal['id']}").json()["data"]["person_id"] == 17
    assert pipedrive.get("/api/v2/deals", params={"person_id": "17"}).json()["data"][0] == deal


def test_the_daily_budget_counts_tokens_and_stays_spent(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    control.change_account("pipedrive", "acme", limits={"daily_tokens": 25})
    first = pipedrive.get(NOTES, params={"person_id": "17"})
    assert first.headers["x-daily-ratelimit-token-remaining"] == "5"
    refused = pipedrive.post(NOTES, json={"content": "x", "person_id": 17})
    assert (refused.status_code, refused.json()["success"]) == (429, False)
    assert refused.headers["x-daily-ratelimit-token-remaining"] == "0"
    assert pipedrive.get(f"{PERSONS}/17").status_code == 429  # though it costs 1 only
    control.advance_clock(86_400)
    fresh = control.crm_tokens("pipedrive", "acme")["access_token"]
    pipedrive.headers["Authorization"] = f"Bearer {fresh}"
    assert pipedrive.get(f"{PERSONS}/17").status_code == 200


def test_bursts_are_limited_per_token(pipedrive: httpx.Client, control: SimulatorControl) -> None:
    control.change_account("pipedrive", "acme", limits={"requests_per_2s": 2})
    statuses = [pipedrive.get(f"{PERSONS}/17") for _ in range(5)]
    assert 429 in [a.status_code for a in statuses]
    refused = next(a for a in statuses if a.status_code == 429)
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-ratelimit-reset"] in ("1", "2")
    control.advance_clock(2)
    assert pipedrive.get(f"{PERSONS}/17").status_code == 200


def test_a_token_opens_its_own_company_only(
    pipedrive: httpx.Client, control: SimulatorControl
) -> None:
    control.create_account("pipedrive", "other")
    answer = pipedrive.get(f"{control.base_url}/pipedrive/other/api/v1/users/me")
    assert (answer.status_code, answer.json()["errorCode"]) == (401, 401)
