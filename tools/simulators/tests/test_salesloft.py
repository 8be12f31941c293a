"""Salesloft's API as an adapter meets it."""

from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl

NOTES, PEOPLE, TASKS = "/v2/notes.json", "/v2/people.json", "/v2/tasks.json"
NOTE = {"content": "one <b>two</b>", "associated_with_type": "person", "associated_with_id": 17}
TASK = {
    "subject": "Call",
    "person_id": "17",
    "user_id": 3,
    "task_type": "general",
    "due_date": "2026-11-23",
    "current_state": "scheduled",
    "idempotency_key": "k1",
}


def test_a_note_is_created_listed_changed_and_deleted(
    salesloft: httpx.Client, control: SimulatorControl
) -> None:
    created = salesloft.post(NOTES, json=NOTE | {"skip_crm_sync": True})
    assert created.status_code == 200  # not 201
    note = created.json()["data"]
    assert (note["associated_with"]["id"], note["user"]["id"]) == (17, 3)
    path = f"/v2/notes/{note['id']}.json"
    assert salesloft.put(path, json={"content": "new"}).json()["data"]["content"] == "new"
    params = {"associated_with_type": "person", "associated_with_id": "17"}
    assert len(salesloft.get(NOTES, params=params).json()["data"]) == 1
    assert salesloft.get(path).json()["data"]["content"] == "new"
    assert salesloft.delete(path).status_code == 204
    assert salesloft.put(path, json={"content": "x"}).status_code == 404
    (kept,) = control.notes("salesloft", "42001", deleted=True)
    assert (kept["body_sent"], kept["revision"], kept["deleted_by"]) == ("new", 2, "api")


def test_lists_are_ordered_and_paged_by_number(salesloft: httpx.Client) -> None:
    ids = [salesloft.post(NOTES, json=NOTE).json()["data"]["id"] for _ in range(3)]
    params = {"sort_by": "created_at", "sort_direction": "DESC", "per_page": "2"}
    first = salesloft.get(NOTES, params=params).json()
    page = str(first["metadata"]["paging"]["next_page"])
    second = salesloft.get(NOTES, params=params | {"page": page}).json()
    assert [n["id"] for n in first["data"] + second["data"]] == ids[::-1]
    assert second["metadata"]["paging"]["next_page"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"content": ""},
        {"associated_with_type": "deal"},
        {"associated_with_id": 99},
        {"content": "x" * 65_536},
        {"user_guid": "nobody"},
    ],
)
def test_notes_that_salesloft_refuses(salesloft: httpx.Client, change: dict[str, Any]) -> None:
    refused = salesloft.post(NOTES, json=NOTE | change)
    assert (refused.status_code, list(refused.json())) == (422, ["errors"])


def test_only_a_team_admin_writes_as_somebody_else(
    salesloft: httpx.Client, control: SimulatorControl
) -> None:
    kim = salesloft.get("/v2/users.json", params={"search": "KIM@example"}).json()["data"][0]
    as_kim = NOTE | {"user_guid": kim["guid"]}
    assert salesloft.post(NOTES, json=as_kim).json()["data"]["user"]["id"] == 4
    token = control.crm_tokens("salesloft", "42001", user_id="4")["access_token"]
    salesloft.headers["Authorization"] = f"Bearer {token}"
    me = salesloft.get("/v2/me.json").json()["data"]
    assert (me["id"], me["team"]["id"], me["team_admin"]) == (4, 42001, False)
    assert salesloft.post(NOTES, json=as_kim).status_code == 403


def test_people_are_found_created_once_and_changed(salesloft: httpx.Client) -> None:
    params = {"email_addresses[]": "ADA@example.com"}
    (found,) = salesloft.get(PEOPLE, params=params).json()["data"]
    assert (found["id"], found["first_name"]) == (17, "Ada")
    again = salesloft.post(PEOPLE, json={"email_address": "ada@example.com"})
    assert again.json() == {"errors": {"email_address": ["is already taken"]}}
    assert salesloft.post(PEOPLE, json={"phone": "+4930123456"}).status_code == 422
    made = salesloft.post(PEOPLE, json={"phone": "+49", "first_name": "Bo", "last_name": "Lind"})
    path = f"/v2/people/{made.json()['data']['id']}.json"
    changed = salesloft.put(path, json={"email_address": "bo@example.com"}).json()["data"]
    assert (changed["email_address"], changed["last_name"]) == ("bo@example.com", "Lind")
    assert salesloft.get("/v2/people/99.json").json() == {"error": "Not Found"}


def test_a_new_person_is_not_listed_within_the_lag(
    salesloft: httpx.Client, control: SimulatorControl
) -> None:
    control.knobs(search_lag_s={"salesloft": 20})
    salesloft.post(PEOPLE, json={"email_address": "bo@example.com"})
    params = {"email_addresses[]": "bo@example.com"}
    assert salesloft.get(PEOPLE, params=params).json()["data"] == []
    control.advance_clock(20)
    assert len(salesloft.get(PEOPLE, params=params).json()["data"]) == 1


def test_a_task_with_a_key_is_made_once(salesloft: httpx.Client, control: SimulatorControl) -> None:
    ids = [salesloft.post(TASKS, json=TASK).json()["data"]["id"] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(control.activities("salesloft", "42001")) == 1
    found = salesloft.get(TASKS, params={"idempotency_key": "k1"}).json()["data"]
    assert [t["id"] for t in found] == ids[:1]
    assert salesloft.post(TASKS, json=TASK | {"person_id": "99"}).status_code == 422


def test_calls_cost_points_and_deep_pages_more(
    salesloft: httpx.Client, control: SimulatorControl
) -> None:
    control.change_account("salesloft", "42001", limits={"points_per_minute": 5})
    deep = salesloft.get(NOTES, params={"page": "101"})
    assert deep.headers["x-ratelimit-endpoint-cost"] == "3"
    statuses = [salesloft.get("/v2/me.json").status_code for _ in range(9)]
    assert 429 in statuses
    refused = salesloft.get(NOTES, params={"page": "501"})
    assert (refused.status_code, refused.content) == (429, b"")
    assert refused.headers["x-ratelimit-remaining-minute"] == "0"
    control.advance_clock(60)
    assert salesloft.get("/v2/me.json").status_code == 200


def test_without_a_good_token_there_is_no_answer(
    salesloft: httpx.Client, control: SimulatorControl
) -> None:
    for headers in ({"Authorization": "Basic x"}, {"Authorization": "Bearer x"}):
        assert salesloft.get("/v2/me.json", headers=headers).status_code == 401
    control.advance_clock(7201)
    assert salesloft.get("/v2/me.json").status_code == 401
