"""Keap's own Python client drives the simulator: held to something that we did not write."""

from collections.abc import Iterator

import httpx
import pytest
from keap_core_v2_client.api.contact_api import ContactApi
from keap_core_v2_client.api.note_api import NoteApi
from keap_core_v2_client.api.opportunity_api import OpportunityApi
from keap_core_v2_client.api.task_api import TaskApi
from keap_core_v2_client.api.users_api import UsersApi
from keap_core_v2_client.api_client import ApiClient
from keap_core_v2_client.configuration import Configuration
from keap_core_v2_client.exceptions import ApiException, NotFoundException
from keap_core_v2_client.models.create_note_request import CreateNoteRequest
from keap_core_v2_client.models.create_opportunity_request import CreateOpportunityRequest
from keap_core_v2_client.models.create_task_request import CreateTaskRequest
from keap_core_v2_client.models.create_update_contact_request import CreateUpdateContactRequest
from keap_core_v2_client.models.email_address_request import EmailAddressRequest
from keap_core_v2_client.models.update_note_request import UpdateNoteRequest
from simulators.client import SimulatorControl

NOTE = CreateNoteRequest(user_id="3", title="Intercom conversation 12", text="one <b>two</b>")


@pytest.fixture
def client(keap: httpx.Client) -> Iterator[ApiClient]:
    """Of account ab123, which has Ada as contact 17 and Sam as user 3."""
    token = keap.headers["authorization"].removeprefix("Bearer ")
    host = f"{str(keap.base_url).rstrip('/')}/crm"
    with ApiClient(Configuration(host=host, access_token=token)) as made:
        yield made


def test_a_note_is_created_found_changed_and_deleted(client: ApiClient) -> None:
    notes = NoteApi(client)
    note = notes.create_note("17", NOTE)
    assert (note.text, note.contact_id) == (NOTE.text, "17")
    [found] = notes.list_notes("17", order_by="create_time desc", page_size=100).notes or []
    assert found == note
    [found] = notes.list_all_notes(filter=f"ids=={note.id}").notes or []
    assert found.contact_id == "17"
    change = UpdateNoteRequest(user_id="3", text="new", title="other")
    changed = notes.update_note("17", str(note.id), change, update_mask=["text"])
    assert (changed.text, changed.title) == ("new", NOTE.title)
    notes.delete_note("17", str(note.id))
    with pytest.raises(NotFoundException):
        notes.get_note("17", str(note.id))


def test_lists_are_paged_by_token(client: ApiClient) -> None:
    notes = NoteApi(client)
    made = [notes.create_note("17", NOTE).id for _ in range(3)]
    first = notes.list_notes("17", order_by="create_time desc", page_size=2)
    token = first.next_page_token
    second = notes.list_notes("17", order_by="create_time desc", page_size=2, page_token=token)
    assert [n.id for n in [*(first.notes or []), *(second.notes or [])]] == made[::-1]
    assert second.next_page_token is None


def test_contacts_are_found_by_filter_and_created(client: ApiClient) -> None:
    contacts = ContactApi(client)
    fields = ["id", "email_addresses", "phone_numbers"]
    [ada] = contacts.list_contacts(filter="email==ada@example.com", fields=fields).contacts or []
    assert ada.id == "17"
    new = CreateUpdateContactRequest(
        given_name="Bo",
        family_name="Lind",
        email_addresses=[EmailAddressRequest(email="bo@example.com", field="EMAIL1")],
    )
    made = contacts.create_contact(new)
    assert contacts.get_contact(str(made.id)).family_name == "Lind"


def test_users_tasks_and_opportunities(client: ApiClient) -> None:
    [sam] = UsersApi(client).list_paginated_users(filter="email==sam@example.org").users or []
    assert (sam.id, sam.status) == ("3", "ACTIVE")
    assert UsersApi(client).get_user_info().id == sam.global_user_id
    asked = CreateTaskRequest(assigned_to_user_id="3", contact_id="17", title="Call")
    task = TaskApi(client).create_task(asked)
    assert [t.id for t in TaskApi(client).list_tasks(filter="contact_id==17").tasks or []] == [
        task.id
    ]
    opportunities = OpportunityApi(client)
    stage = (opportunities.list_opportunity_stages().stages or [])[0]
    deal = CreateOpportunityRequest(
        contact_id="17", opportunity_title="Bike", stage_id=str(stage.id), opportunity_notes="n"
    )
    made = opportunities.create_opportunity(deal)
    [listed] = opportunities.list_opportunities(filter="contact_id==17").opportunities or []
    assert (listed.id, listed.opportunity_notes) == (made.id, "n")


def test_who_calls_too_often_is_told_so(client: ApiClient, control: SimulatorControl) -> None:
    control.change_account("keap", "ab123", limits={"product_per_minute": 0})
    with pytest.raises(ApiException) as refused:
        UsersApi(client).list_paginated_users()
    assert refused.value.status == 429
