"""Zendesk's and Microsoft's own clients drive the simulators: we wrote neither of them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
from azure.core.credentials import AccessToken
from basecrm import Client, RateLimitError, RequestError, ResourceError
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.config import DataverseConfig
from PowerPlatform.Dataverse.core.errors import HttpError
from simulators.client import SimulatorControl


def bearer(client: httpx.Client) -> str:
    return str(client.headers["authorization"]).removeprefix("Bearer ")


@pytest.fixture
def zendesk(sell: httpx.Client) -> Client:
    client = Client(access_token="x" * 64, base_url=str(sell.base_url).rstrip("/"))
    client.config.access_token = bearer(sell)  # ours has another length than it checks
    return client


def test_zendesks_client_makes_reads_changes_and_deletes_a_note(zendesk: Client) -> None:
    given = {"resource_type": "contact", "resource_id": 17, "content": "one\ntwo"}
    made = zendesk.notes.create(given)
    assert {name: made[name] for name in given} == given
    assert made["creator_id"] == zendesk.users.self()["id"] == 3
    made["content"] = "three"
    assert zendesk.notes.update(made.id, made)["content"] == "three"
    assert zendesk.notes.retrieve(made.id)["content"] == "three"
    [listed] = zendesk.notes.list(resource_type="contact", resource_id=17, page=1, per_page=25)
    assert listed.id == made.id
    assert zendesk.notes.destroy(made.id)
    with pytest.raises(RequestError) as gone:
        zendesk.notes.retrieve(made.id)
    assert gone.value.http_status == 404


def test_zendesks_client_finds_and_makes_people(zendesk: Client) -> None:
    [ada] = zendesk.contacts.list(email="ada@example.com")
    assert (ada.id, ada.last_name) == (17, "Example")
    lead = zendesk.leads.create({"first_name": "Bo", "last_name": "New", "email": "bo@example.com"})
    assert zendesk.leads.retrieve(lead.id).email == "bo@example.com"
    deal = zendesk.deals.create({"name": "Bikes", "contact_id": 17, "currency": "EUR"})
    assert [one.id for one in zendesk.deals.list(contact_id=17)] == [deal.id]
    due = "2026-11-30T10:00:00Z"
    task = {"content": "Call", "resource_type": "contact", "resource_id": 17, "due_date": due}
    assert zendesk.tasks.create(task).content == "Call"


def test_zendesks_client_reads_refusals(zendesk: Client, control: SimulatorControl) -> None:
    with pytest.raises(ResourceError) as refused:
        zendesk.notes.create({"resource_type": "contact", "resource_id": 99, "content": "x"})
    assert [error.resource for error in refused.value.errors] == ["note"]
    control.add_fault("zendesk_sell", "429", account="42001")
    with pytest.raises(RateLimitError):
        zendesk.notes.list()
    control.revoke_crm_tokens("zendesk_sell", "42001")
    with pytest.raises(RequestError) as dead:
        zendesk.users.self()
    assert dead.value.http_status == 401


HTTPS = "https://contoso.crm.example"  # it takes no other address
TABLES = {
    "annotation": {"EntitySetName": "annotations", "PrimaryIdAttribute": "annotationid"},
    "contact": {"EntitySetName": "contacts", "PrimaryIdAttribute": "contactid"},
}


def answered(*rows: dict[str, str]) -> requests.Response:
    answer = requests.Response()
    answer.status_code = 200
    answer._content = json.dumps({"value": rows}).encode()
    return answer


@pytest.fixture
def dataverse(dynamics: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataverseClient]:
    """Led to the simulator, which knows no metadata: how tables are named is said here."""
    sent = requests.Session.request

    def request(self: requests.Session, method: str, url: str, **how: Any) -> requests.Response:
        if url.endswith("/EntityDefinitions"):
            return answered(TABLES[str(how["params"]["$filter"]).split("'")[1]])
        if "/Attributes" in url:  # which columns are choices: none that is written here
            return answered()
        base = str(dynamics.base_url).removesuffix("/api/data/v9.2/")
        return sent(self, method, url.replace(HTTPS, base), **how)

    class Credential:
        def get_token(self, *_: str, **__: Any) -> AccessToken:
            return AccessToken(bearer(dynamics), 2**31)

    monkeypatch.setattr(requests.Session, "request", request)
    with DataverseClient(HTTPS, Credential(), DataverseConfig(http_retries=1)) as client:
        yield client


@pytest.fixture
def ada(control: SimulatorControl, dynamics: httpx.Client) -> str:
    return str(control.account("dynamics365", "contoso")["persons"][0]["id"])


def test_microsofts_client_makes_reads_changes_and_deletes_a_note(
    dataverse: DataverseClient, ada: str
) -> None:
    notes, bound = dataverse.records, {"objectid_contact@odata.bind": f"/contacts({ada})"}
    made = notes.create("annotation", {"subject": "s", "notetext": "<p>one</p>", **bound})
    notes.update("annotation", made, {"notetext": "<p>two</p>"})
    read = notes.retrieve("annotation", made, select=["notetext", "_objectid_value"])
    assert read is not None
    assert (read["notetext"], read["_objectid_value"]) == ("<p>two</p>", ada)
    theirs = notes.list("annotation", filter=f"_objectid_value eq {ada}", select=["subject"])
    assert [one["subject"] for one in theirs] == ["s"]
    notes.delete("annotation", made)
    assert notes.retrieve("annotation", made) is None


def test_microsofts_client_finds_contacts_page_by_page(dataverse: DataverseClient) -> None:
    contacts = dataverse.records
    for number in range(3):
        new = {"lastname": f"New {number}", "emailaddress1": f"{number}@example.org"}
        contacts.create("contact", new)
    pages = contacts.list_pages(
        "contact",
        filter="contains(emailaddress1,'example.org')",
        page_size=2,
        select=["lastname"],
        orderby=["createdon asc"],
    )
    assert [[one["lastname"] for one in page] for page in pages] == [["New 0", "New 1"], ["New 2"]]


def test_microsofts_client_reads_refusals(
    dataverse: DataverseClient, control: SimulatorControl, ada: str
) -> None:
    with pytest.raises(HttpError) as refused:
        dataverse.records.create("annotation", {"notetext": "x" * 100_001})
    assert (refused.value.status_code, refused.value.is_transient) == (400, False)
    assert refused.value.details["service_error_code"].startswith("0x")
    control.add_fault("dynamics365", "429", account="contoso")
    with pytest.raises(HttpError) as busy:
        dataverse.records.retrieve("contact", ada)
    assert (busy.value.status_code, busy.value.is_transient) == (429, True)
    assert busy.value.details["retry_after"] >= 1
    control.revoke_crm_tokens("dynamics365", "contoso")
    with pytest.raises(HttpError) as dead:
        dataverse.records.retrieve("contact", ada)
    assert dead.value.status_code == 401
