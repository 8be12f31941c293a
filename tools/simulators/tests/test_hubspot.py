"""HubSpot's API as an adapter meets it."""

from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl

OBJECTS = "/crm/objects/2026-09"
OF_CONTACT = "/crm/associations/2026-09/contacts/notes/batch/read"


def _note(body: str, contact: str = "501", type_id: int = 202) -> dict[str, Any]:
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]
    return {
        "properties": {"hs_timestamp": "2026-11-22T10:15:00Z", "hs_note_body": body},
        "associations": [{"to": {"id": contact}, "types": types}],
    }


def _notes_of(hubspot: httpx.Client, contact: str = "501") -> list[str]:
    results = hubspot.post(OF_CONTACT, json={"inputs": [{"id": contact}]}).json()["results"]
    return [to["toObjectId"] for result in results for to in result["to"]]


def test_a_note_is_created_read_changed_and_archived(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    created = hubspot.post(f"{OBJECTS}/notes", json=_note("<p>one</p>"))
    assert created.status_code == 201
    note = created.json()["id"]
    assert _notes_of(hubspot) == [note]
    changed = {"properties": {"hs_note_body": "<p>two</p>"}}
    assert hubspot.patch(f"{OBJECTS}/notes/{note}", json=changed).status_code == 200
    params = {"properties": "hs_note_body", "associations": "contacts"}
    read = hubspot.get(f"{OBJECTS}/notes/{note}", params=params).json()
    assert read["properties"]["hs_note_body"] == "<p>two</p>"
    assert read["associations"]["contacts"]["results"][0]["id"] == "501"
    assert hubspot.delete(f"{OBJECTS}/notes/{note}").status_code == 204
    assert hubspot.get(f"{OBJECTS}/notes/{note}").status_code == 404
    archived = hubspot.get(f"{OBJECTS}/notes/{note}", params={"archived": "true"})
    assert archived.json()["archived"] is True
    assert _notes_of(hubspot) == []
    calls = control.account("hubspot", "42001")["calls"]
    assert calls == {"note.create": 1, "note.update": 1, "note.delete": 1}


def test_the_store_shows_what_was_sent_and_what_was_kept(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    sent = '<p onclick="x()">Hi <a href="javascript:x">you</a><script>bad()</script></p>'
    hubspot.post(f"{OBJECTS}/notes", json=_note(sent))
    (note,) = control.notes("hubspot", "42001")
    assert note["body_sent"] == sent
    assert "script" not in note["body"]
    assert "onclick" not in note["body"]
    assert (note["person_ids"], note["created_by"], note["user_id"]) == (["501"], "api", "9")


def test_a_wrong_association_type_makes_a_note_that_the_contact_does_not_show(
    hubspot: httpx.Client,
) -> None:
    assert hubspot.post(f"{OBJECTS}/notes", json=_note("x", type_id=2)).status_code == 201
    assert _notes_of(hubspot) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (_note("x" * 65_537), "INVALID_LENGTH"),
        ({"properties": {"hs_note_body": "x"}, "associations": []}, "MISSING_REQUIRED_PROPERTY"),
    ],
)
def test_notes_that_hubspot_refuses(hubspot: httpx.Client, body: dict[str, Any], code: str) -> None:
    refused = hubspot.post(f"{OBJECTS}/notes", json=body)
    assert refused.status_code == 400
    assert refused.json()["category"] == "VALIDATION_ERROR"
    assert refused.json()["errors"][0]["code"] == code


def test_a_note_as_long_as_the_limit_is_taken(hubspot: httpx.Client) -> None:
    assert hubspot.post(f"{OBJECTS}/notes", json=_note("x" * 65_536)).status_code == 201


def test_a_contact_is_found_by_address_at_once_and_by_search_later(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    control.change_account("hubspot", "42001", search_lag_s=30)
    new = {"properties": {"email": "Bo@example.com", "firstname": "Bo"}, "associations": []}
    contact = hubspot.post(f"{OBJECTS}/contacts", json=new).json()["id"]
    by_email = hubspot.get(
        f"{OBJECTS}/contacts/bo%40example.com", params={"idProperty": "email"}
    ).json()
    assert by_email["id"] == contact
    query = {"propertyName": "email", "operator": "EQ", "value": "bo@example.com"}
    body = {"filterGroups": [{"filters": [query]}], "properties": ["email"], "limit": 2}
    assert hubspot.post(f"{OBJECTS}/contacts/search", json=body).json()["total"] == 0
    control.advance_clock(30)
    assert hubspot.post(f"{OBJECTS}/contacts/search", json=body).json()["total"] == 1


def test_creating_a_contact_twice_names_the_one_that_is_there(hubspot: httpx.Client) -> None:
    body = {"properties": {"email": "ADA@example.com"}, "associations": []}
    refused = hubspot.post(f"{OBJECTS}/contacts", json=body)
    assert refused.status_code == 409
    assert refused.json()["message"] == "Contact already exists. Existing ID: 501"


def test_the_old_id_of_a_merged_contact_answers_with_the_survivor(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    control.add_person("hubspot", "42001", id="502", name="Ada E.", email="ada@work.example")
    note = hubspot.post(f"{OBJECTS}/notes", json=_note("x", contact="502")).json()["id"]
    control.merge_persons("hubspot", "42001", "502", into="501")
    params = {"properties": "hs_merged_object_ids,hs_additional_emails"}
    old = hubspot.get(f"{OBJECTS}/contacts/502", params=params)
    assert (old.status_code, old.json()["id"]) == (200, "501")
    assert old.json()["properties"]["hs_merged_object_ids"] == "502"
    assert old.json()["properties"]["hs_additional_emails"] == "ada@work.example"
    assert _notes_of(hubspot, "501") == [note]
    assert hubspot.post(f"{OBJECTS}/notes", json=_note("x", contact="502")).status_code == 400


def test_a_deleted_contact_is_gone(hubspot: httpx.Client, control: SimulatorControl) -> None:
    control.delete_person("hubspot", "42001", "501")
    assert hubspot.get(f"{OBJECTS}/contacts/501").status_code == 404
    assert hubspot.post(f"{OBJECTS}/notes", json=_note("x")).status_code == 400


def test_batches_answer_in_part(hubspot: httpx.Client) -> None:
    note = hubspot.post(f"{OBJECTS}/notes", json=_note("x")).json()["id"]
    body = {
        "inputs": [{"id": note}, {"id": "999"}],
        "properties": ["hs_note_body"],
        "propertiesWithHistory": [],
    }
    answer = hubspot.post(f"{OBJECTS}/notes/batch/read", json=body)
    assert answer.status_code == 207
    assert [r["id"] for r in answer.json()["results"]] == [note]
    assert answer.json()["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    upsert = {
        "inputs": [
            {"idProperty": "email", "id": e, "properties": {"firstname": "X"}}
            for e in ("ada@example.com", "new@example.com")
        ]
    }
    results = hubspot.post(f"{OBJECTS}/contacts/batch/upsert", json=upsert).json()["results"]
    assert [r["new"] for r in results] == [False, True]


def test_tasks_deals_and_later_associations(hubspot: httpx.Client) -> None:
    task = {"properties": {"hs_timestamp": "1795000000000", "hs_task_subject": "Call"}}
    made = hubspot.post(f"{OBJECTS}/tasks", json={**task, "associations": []}).json()["id"]
    path = f"{OBJECTS}/tasks/{made}/associations/default/contacts/501"
    assert hubspot.put(path).status_code == 200
    linked = hubspot.get("/crm/objects/2026-03/contacts/501/associations/tasks").json()
    assert [r["toObjectId"] for r in linked["results"]] == [made]
    named = {"dealname": "Bike", "dealstage": "qualifiedtobuy"}
    deal = {"properties": named, "associations": []}
    assert hubspot.post(f"{OBJECTS}/deals", json=deal).status_code == 201
    assert hubspot.get(f"{OBJECTS}/notes", params={"limit": 5}).json()["results"] == []
    assert hubspot.get("/account-info/2026-09/details").json()["portalId"] == 42001


def test_the_limit_of_ten_seconds_is_told_and_kept(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    control.change_account("hubspot", "42001", limits={"requests_per_10s": 2})
    path = f"{OBJECTS}/contacts/501"
    answers = [hubspot.get(path) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert [a.headers["x-hubspot-ratelimit-remaining"] for a in answers] == ["1", "0", "0"]
    assert answers[-1].json()["policyName"] == "TEN_SECONDLY_ROLLING"
    control.advance_clock(10)
    assert hubspot.get(path).status_code == 200


def test_searches_have_a_limit_of_their_own_and_no_headers(
    hubspot: httpx.Client, control: SimulatorControl
) -> None:
    control.change_account("hubspot", "42001", limits={"searches_per_s": 1})
    answers = [hubspot.post(f"{OBJECTS}/contacts/search", json={"limit": 1}) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 429]
    assert answers[1].json()["policyName"] == "SECONDLY"
    assert not [h for h in answers[0].headers if h.startswith("x-hubspot-ratelimit")]
