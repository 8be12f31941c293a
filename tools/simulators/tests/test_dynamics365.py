"""Dynamics 365 as an adapter meets it."""

import uuid
from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl

NOTE = str(uuid.UUID(int=7))
CREATE, CHANGE = {"If-None-Match": "*"}, {"If-Match": "*"}
ROW = {"Prefer": "return=representation"}


@pytest.fixture
def ada(control: SimulatorControl, dynamics: httpx.Client) -> str:
    return str(control.account("dynamics365", "contoso")["persons"][0]["id"])


def on(person: str, table: str = "contact") -> dict[str, str]:
    return {f"objectid_{table}@odata.bind": f"/{table}s({person})"}


def found(client: httpx.Client, table: str, condition: str, **query: str) -> list[dict[str, Any]]:
    answer = client.get(f"/{table}", params={"$filter": condition, **query})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["value"]
    return rows


def test_a_note_is_created_at_an_id_of_ours_exactly_once(
    dynamics: httpx.Client, control: SimulatorControl, ada: str
) -> None:
    path = f"/annotations({NOTE})"
    body = {"subject": "s", "notetext": "<p>one<script>x</script></p>", **on(ada)}
    made = dynamics.patch(path, json=body, headers=CREATE)
    assert (made.status_code, made.content) == (204, b"")
    assert made.headers["OData-EntityId"].endswith(path)
    again = dynamics.patch(path, json=body, headers=CREATE)
    assert again.status_code == 412
    assert "already exists" in again.json()["error"]["message"]
    [note] = control.notes("dynamics365", "contoso")
    assert (note["id"], note["body"], note["person_ids"]) == (NOTE, "<p>one</p>", [ada])


def test_a_note_is_changed_only_where_it_is(dynamics: httpx.Client, ada: str) -> None:
    path = f"/annotations({NOTE})"
    assert dynamics.patch(path, json={"notetext": "x"}, headers=CHANGE).status_code == 404
    dynamics.patch(path, json={"notetext": "one", **on(ada)}, headers=CREATE)
    changed = dynamics.patch(
        path, json={"notetext": "two"}, headers=CHANGE | ROW, params={"$select": "annotationid"}
    )
    assert (changed.status_code, changed.json()["annotationid"]) == (200, NOTE)
    read = dynamics.get(path, params={"$select": "notetext,_objectid_value"}).json()
    assert (read["notetext"], read["_objectid_value"]) == ("two", ada)
    stale = dynamics.patch(path, json={"notetext": "x"}, headers={"If-Match": 'W/"1"'})
    assert stale.status_code == 412


def test_a_plain_patch_brings_a_deleted_note_back(
    dynamics: httpx.Client, control: SimulatorControl, ada: str
) -> None:
    path = f"/annotations({NOTE})"
    dynamics.patch(path, json={"notetext": "one", **on(ada)})
    assert dynamics.delete(path).status_code == 204
    assert dynamics.get(path).status_code == 404
    dynamics.patch(path, json={"notetext": "two", **on(ada)})
    assert dynamics.get(path).json()["notetext"] == "two"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"notetext": "x" * 100_001}, 400),
        ({"notetext": "x", "objectid_contact@odata.bind": f"/contacts({NOTE})"}, 404),
        ({"notetext": "x", "objectid_contact@odata.bind": "/contacts(7)"}, 400),
        ({"notetext": "x", "ownerid@odata.bind": f"/systemusers({NOTE})"}, 404),
    ],
)
def test_notes_that_dataverse_refuses(
    dynamics: httpx.Client, body: dict[str, str], status: int
) -> None:
    refused = dynamics.patch(f"/annotations({NOTE})", json=body, headers=CREATE)
    assert refused.status_code == status
    assert set(refused.json()["error"]) == {"code", "message"}


def test_length_is_counted_in_utf_16(dynamics: httpx.Client) -> None:
    path = f"/annotations({NOTE})"
    assert dynamics.patch(path, json={"notetext": "\U0001f600" * 50_001}).status_code == 400
    assert dynamics.patch(path, json={"notetext": "\U0001f600" * 50_000}).status_code == 204


def test_a_filter_finds_by_text_whatever_its_case_and_by_any_of_three_addresses(
    dynamics: httpx.Client, control: SimulatorControl, ada: str
) -> None:
    bo = control.add_person("dynamics365", "contoso", name="Bo", emails=["b@x.io", "o'n@x.io"])
    select = {"$select": "contactid,emailaddress2"}
    [row] = found(dynamics, "contacts", "emailaddress1 eq 'ADA@example.com' and statecode eq 0")
    assert (row["contactid"], row["fullname"]) == (ada, "Ada Example")
    either = "(emailaddress1 eq 'o''n@x.io' or emailaddress2 eq 'o''n@x.io') and statecode eq 0"
    [row] = found(dynamics, "contacts", either, **select)
    assert row == {"@odata.etag": row["@odata.etag"], "contactid": bo["id"]} | {
        "emailaddress2": "o'n@x.io"
    }
    assert len(found(dynamics, "contacts", "contains(fullname,'a') or statecode ne 0")) == 1


@pytest.mark.parametrize(
    "condition",
    [
        "emailaddress1 eq 'a' or 1 eq 1",
        "emailaddress1 eq 'a' b'",
        "emailaddress1 eq 'a",
        "emailadress eq 'a'",
        "emailaddress1 eq a b",
        "emailaddress1 is 'a'",
        "(emailaddress1 eq 'a'",
        "emailaddress1 eq",
        "",
    ],
)
def test_a_filter_that_does_not_parse_is_refused_whole(
    dynamics: httpx.Client, condition: str
) -> None:
    refused = dynamics.get("/contacts", params={"$filter": condition})
    assert refused.status_code == 400


def test_a_list_comes_in_pages_that_lead_on(dynamics: httpx.Client) -> None:
    for number in range(4):
        dynamics.post("/contacts", json={"lastname": f"P{number}"})
    seen: list[str] = []
    url = "/contacts?$select=lastname&$orderby=lastname"
    while url:
        page = dynamics.get(url, headers={"Prefer": "odata.maxpagesize=2"}).json()
        assert len(page["value"]) <= 2
        seen += [row["lastname"] for row in page["value"]]
        url = page.get("@odata.nextLink", "")
    assert seen == ["Example", "P0", "P1", "P2", "P3"]


def test_a_merged_contact_leads_to_the_one_that_is_left_with_its_notes(
    dynamics: httpx.Client, control: SimulatorControl, ada: str
) -> None:
    left = control.add_person("dynamics365", "contoso", name="Ada E.", email="a@x.io")["id"]
    dynamics.patch(f"/annotations({NOTE})", json={"notetext": "x", **on(ada)}, headers=CREATE)
    control.merge_persons("dynamics365", "contoso", ada, into=left)
    old = dynamics.get(f"/contacts({ada})").json()
    assert (old["merged"], old["_masterid_value"], old["statecode"]) == (True, left, 1)
    assert dynamics.get(f"/annotations({NOTE})").json()["_objectid_value"] == left
    assert (
        found(dynamics, "contacts", "emailaddress1 eq 'ada@example.com' and statecode eq 0") == []
    )


def test_a_deleted_contact_takes_its_notes_along(
    dynamics: httpx.Client, control: SimulatorControl, ada: str
) -> None:
    dynamics.patch(f"/annotations({NOTE})", json={"notetext": "x", **on(ada)}, headers=CREATE)
    control.delete_person("dynamics365", "contoso", ada)
    assert dynamics.get(f"/contacts({ada})").status_code == 404
    assert dynamics.get(f"/annotations({NOTE})").status_code == 404


def test_leads_are_a_table_of_their_own(dynamics: httpx.Client, control: SimulatorControl) -> None:
    lead = control.add_person(
        "dynamics365", "contoso", name="Lea", email="lea@example.com", lead=True
    )["id"]
    assert found(dynamics, "contacts", "emailaddress1 eq 'lea@example.com'") == []
    [row] = found(dynamics, "leads", "emailaddress1 eq 'lea@example.com' and statecode eq 0")
    assert row["leadid"] == lead
    note = {"notetext": "x", **on(lead, "lead")}
    assert dynamics.patch(f"/annotations({NOTE})", json=note).status_code == 204
    assert dynamics.get(f"/annotations({NOTE})").json()["objecttypecode"] == "lead"
    assert dynamics.post("/annotations", json={"notetext": "x", **on(lead)}).status_code == 404


def test_a_case_knows_its_contact_and_its_customers_kind(dynamics: httpx.Client, ada: str) -> None:
    body = {"title": "Broken", "primarycontactid@odata.bind": f"/contacts({ada})"}
    made = dynamics.post("/incidents", json=body, headers=ROW)
    assert made.status_code == 201
    [case] = found(dynamics, "incidents", f"_primarycontactid_value eq {ada} and statecode eq 0")
    path, lookup = f"/incidents({case['incidentid']})", "_customerid_value"
    annotated = {"Prefer": 'odata.include-annotations="*"'}
    read = dynamics.get(path, params={"$select": lookup}, headers=annotated).json()
    assert read[f"{lookup}@Microsoft.Dynamics.CRM.lookuplogicalname"] == "contact"


def test_opportunities_and_tasks_hang_on_their_contact(
    dynamics: httpx.Client, control: SimulatorControl, ada: str
) -> None:
    [user] = found(dynamics, "systemusers", "internalemailaddress eq 'sam@example.org'")
    owner = {"ownerid@odata.bind": f"/systemusers({user['systemuserid']})"}
    deal = {"name": "Bike", "parentcontactid@odata.bind": f"/contacts({ada})"}
    task = {"subject": "Call", "regardingobjectid_contact_task@odata.bind": f"/contacts({ada})"}
    assert dynamics.post("/opportunities", json=deal | owner).status_code == 204
    assert dynamics.post("/tasks", json=task | owner).status_code == 204
    stored = control.account("dynamics365", "contoso")
    assert [d["person_ids"] for d in stored["deals"]] == [[ada]]
    assert [a["subject"] for a in stored["activities"]] == ["Call"]


def test_requests_are_counted_per_user_in_five_minutes(
    dynamics: httpx.Client, control: SimulatorControl
) -> None:
    control.change_account("dynamics365", "contoso", limits={"requests_per_5min": 2})
    first = dynamics.get("/WhoAmI")
    assert first.headers["x-ms-ratelimit-burst-remaining-xrm-requests"] == "1"
    dynamics.get("/WhoAmI")
    refused = dynamics.get("/WhoAmI")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "300")
    assert refused.json()["error"]["code"] == "0x80072322"
    control.advance_clock(301)
    assert dynamics.get("/WhoAmI").status_code == 200


def test_a_token_opens_one_environment_and_another_is_had_for_each(
    dynamics: httpx.Client, control: SimulatorControl
) -> None:
    root = f"{control.base_url}/dynamics365"
    same = [{"id": "3", "email": "sam@example.org"}]
    control.create_account("dynamics365", "second", users=same)
    control.create_account("dynamics365", "strange")
    foreign = dynamics.get(f"{root}/second/api/data/v9.2/WhoAmI")
    assert foreign.status_code == 401
    with httpx.Client(trust_env=False) as client:
        consent = client.get(
            f"{root}/login/organizations/oauth2/v2.0/authorize",
            params={
                "client_id": "dynamics365-client",
                "redirect_uri": "https://lull.example/cb",
                "scope": f"{root}/globaldisco/.default offline_access",
                "account": "contoso",
            },
        )
        code = httpx.URL(consent.headers["location"]).params["code"]
        form = {
            "client_id": "dynamics365-client",
            "client_secret": "dynamics365-secret",
            "redirect_uri": "https://lull.example/cb",
        }

        def token(scope: str, **grant: str) -> httpx.Response:
            data = {**form, **grant, "scope": f"{scope}/.default offline_access"}
            return client.post(f"{root}/login/organizations/oauth2/v2.0/token", data=data)

        first = token(f"{root}/globaldisco", grant_type="authorization_code", code=code).json()
        bearer = {"Authorization": f"Bearer {first['access_token']}"}
        listed = client.get(f"{root}/globaldisco/api/discovery/v2.0/Instances", headers=bearer)
        assert sorted(one["UniqueName"] for one in listed.json()["value"]) == ["contoso", "second"]
        refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        second = token(f"{root}/second", **refresh).json()
        bearer = {"Authorization": f"Bearer {second['access_token']}"}
        assert client.get(f"{root}/second/api/data/v9.2/WhoAmI", headers=bearer).status_code == 200
        assert second["refresh_token"] != first["refresh_token"]
        assert token(f"{root}/second", **refresh).status_code == 200  # the old one lives on
        assert token(f"{root}/strange", **refresh).json()["error"] == "invalid_resource"
        control.revoke_crm_tokens("dynamics365", "contoso")
        assert token(f"{root}/second", **refresh).json()["error"] == "invalid_grant"
