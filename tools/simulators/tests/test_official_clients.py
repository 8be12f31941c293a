"""The vendors' own clients understand the simulators, and are understood: we wrote neither of them.

HubSpot's still speaks the older paths, of the same fields; they are led to the dated ones that the
simulator serves. Pipedrive has official clients for other languages only.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import intercom
import pytest
import urllib3
from hubspot import HubSpot
from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest
from hubspot.crm.contacts import ApiException, Filter, FilterGroup, PublicObjectSearchRequest
from hubspot.crm.contacts import SimplePublicObjectInputForCreate as NewContact
from hubspot.crm.objects.notes import SimplePublicObjectInput
from hubspot.crm.objects.notes import SimplePublicObjectInputForCreate as NewNote
from intercom.core.api_error import ApiError
from simulators.client import SimulatorControl

DATED = {
    "/crm/v3/objects/": "/crm/objects/2026-09/",
    "/crm/v4/associations/": "/crm/associations/2026-09/",
    "/crm/v3/owners/": "/crm/owners/2026-09",
    "/oauth/v1/token": "/oauth/2026-09/token",
}
NOTE_TO_CONTACT = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}
ADA = "67a0c0ffee00000000000001"


@pytest.fixture
def hubspot_api(control: SimulatorControl, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSpot]:
    account = control.create_account(
        "hubspot",
        "42001",
        users=[{"id": "9", "email": "sam@example.org", "name": "Sam Agent"}],
        persons=[{"id": "501", "name": "Ada Example", "email": "ada@example.com"}],
    )
    sent = urllib3.PoolManager.request
    pools: list[urllib3.PoolManager] = []  # the client never closes its own

    def request(self: Any, method: str, url: str, *rest: Any, **how: Any) -> Any:
        url = url.replace("https://api.hubapi.com", account["api_base"])
        for older, dated in DATED.items():
            url = url.replace(older, dated)
        pools.append(self)
        return sent(self, method, url, *rest, **how)

    monkeypatch.setattr(urllib3.PoolManager, "request", request)
    yield HubSpot(access_token=account["access_token"])
    for pool in pools:
        pool.clear()


def test_hubspots_client_makes_reads_changes_and_archives_a_note(hubspot_api: HubSpot) -> None:
    notes = hubspot_api.crm.objects.notes.basic_api
    given = {"hs_timestamp": "2026-11-22T10:15:00Z", "hs_note_body": "<p>Hello</p>"}
    linked = [{"to": {"id": "501"}, "types": [NOTE_TO_CONTACT]}]
    made = notes.create(NewNote(properties=given, associations=linked))
    read = notes.get_by_id(made.id, properties=["hs_note_body"], associations=["contacts"])
    assert read.properties["hs_note_body"] == "<p>Hello</p>"
    assert [one.id for one in read.associations["contacts"].results] == ["501"]
    notes.update(made.id, SimplePublicObjectInput(properties={"hs_note_body": "<p>Bye</p>"}))
    assert (
        notes.get_by_id(made.id, properties=["hs_note_body"]).properties["hs_note_body"]
        == "<p>Bye</p>"
    )
    notes.archive(made.id)
    assert notes.get_by_id(made.id, archived=True).archived is True


def test_hubspots_client_finds_contacts_and_their_notes(hubspot_api: HubSpot) -> None:
    wanted = Filter(property_name="email", operator="EQ", value="ada@example.com")
    groups = [FilterGroup(filters=[wanted])]
    contacts = hubspot_api.crm.contacts
    found = contacts.search_api.do_search(PublicObjectSearchRequest(filter_groups=groups))
    assert [(one.id, one.properties["email"]) for one in found.results] == [
        ("501", "ada@example.com")
    ]
    inputs = BatchInputPublicFetchAssociationsBatchRequest(inputs=[{"id": "501"}])
    linked = hubspot_api.crm.associations.v4.batch_api.get_page("contacts", "notes", inputs)
    assert linked.results == []


def test_hubspots_client_reads_a_refusal_and_who_is_there_already(hubspot_api: HubSpot) -> None:
    double = NewContact(properties={"email": "ada@example.com"}, associations=[])
    with pytest.raises(ApiException) as refused:
        hubspot_api.crm.contacts.basic_api.create(double)
    assert refused.value.status == 409
    assert "Existing ID: 501" in refused.value.body


def test_hubspots_client_reads_owners_and_refreshes_a_token(
    hubspot_api: HubSpot, control: SimulatorControl
) -> None:
    [owner] = hubspot_api.crm.owners.owners_api.get_page(email="sam@example.org").results
    assert (owner.email, owner.user_id, owner.first_name) == ("sam@example.org", 9, "Sam")
    tokens = control.crm_tokens("hubspot", "42001")
    refreshed = hubspot_api.oauth.tokens_api.create(
        grant_type="refresh_token",
        refresh_token=tokens["refresh_token"],
        client_id="hubspot-client",
        client_secret="hubspot-secret",
    )
    assert refreshed.expires_in == 1800


@pytest.fixture
def intercom_api(control: SimulatorControl, workspace: str) -> Iterator[intercom.Intercom]:
    base = f"{control.base_url}/intercom/us"
    with httpx.Client(trust_env=False) as client:
        token = control.intercom_token(workspace)
        yield intercom.Intercom(base_url=base, token=token, httpx_client=client)


def test_intercoms_client_reads_who_we_are_and_its_teammates(
    intercom_api: intercom.Intercom, workspace: str
) -> None:
    me = intercom_api.admins.identify()
    assert me is not None
    assert me.app is not None
    assert (me.app.id_code, me.email) == (workspace, "sam@example.org")
    teammate = intercom_api.admins.find(5001)
    assert teammate is not None
    assert teammate.name == "Sam Agent"


def test_intercoms_client_reads_a_conversation_with_its_parts(
    intercom_api: intercom.Intercom, control: SimulatorControl, workspace: str, conversation: str
) -> None:
    sam = {"type": "admin", "id": "5001"}
    control.reply(workspace, conversation, sam, "<p>It is ready.</p>", notify=False)
    read = intercom_api.conversations.find(conversation, display_as="plaintext")
    assert read.source.body is not None
    assert "order 42" in read.source.body
    assert read.conversation_parts is not None
    [part] = read.conversation_parts.conversation_parts
    assert (part.body, part.author.type) == ("It is ready.", "admin")
    contact = intercom_api.contacts.find(ADA)
    assert contact.email == "ada@example.com"


def test_intercoms_client_is_told_that_consent_is_gone(
    intercom_api: intercom.Intercom, control: SimulatorControl, workspace: str
) -> None:
    control.revoke_intercom_tokens(workspace)
    with pytest.raises(ApiError) as refused:
        intercom_api.admins.identify()
    assert refused.value.status_code == 401
    assert refused.value.body["errors"][0]["code"] == "token_revoked"
