"""An app of the catalog has all its parts, and they say the same of it."""

import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from common.catalog import APPS, CRMS, apps_of
from common.clock import FakeClock
from common.health import Need
from delivery.adapters.crm import adapter_of
from delivery.ports import CrmAccess
from settings.adapters.vendors import OFFERS
from settings.adapters.vendors.base import Client
from simulators.crms import CRMS as SIMULATED
from simulators.crms import variables

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)


def test_an_apps_key_is_the_one_it_is_listed_under() -> None:
    assert all(key == app.key for key, app in APPS.items())
    assert all(app.limits for app in APPS.values())


@pytest.mark.parametrize("crm", CRMS)
def test_the_adapter_is_the_one_that_the_catalog_means(crm: str) -> None:
    adapter = adapter_of(crm)
    assert adapter.name == crm
    assert {app.activity for app in apps_of(crm)} == {adapter.has_activity}


@pytest.mark.parametrize("crm", CRMS)
def test_every_crm_can_be_connected_and_is_simulated(crm: str) -> None:
    [offer] = [offer for offer in OFFERS if offer.name == crm]
    assert SIMULATED[crm].name == crm
    given = variables("http://127.0.0.1:8090")
    known = {f"LULL_{name.upper()}" for name in offer.variables.model_fields}
    prefix = f"LULL_{crm.upper()}_"
    assert {name for name in given if name.startswith(prefix)} <= known
    assert {f"{prefix}CLIENT_ID", f"{prefix}CLIENT_SECRET"} <= known & given.keys()


@pytest.mark.parametrize("crm", CRMS)
def test_the_console_and_the_inbox_lead_to_the_same_page_of_a_person_and_of_a_note(
    crm: str,
) -> None:
    [offer] = [offer for offer in OFFERS if offer.name == crm]
    client = Client(
        id="",
        secret="",
        http=httpx.AsyncClient(),
        clock=FakeClock(NOW),
        deadline=timedelta(seconds=1),
        peer=Need(crm),
    )
    vendor, api_base = offer.new(client, offer.variables()), "https://acme.example"
    links = []
    for account, person in (("ab123", "501"), ("42001", "501"), ("42001", "lead.501")):
        link = vendor.person_url(api_base, account, person)
        access = CrmAccess("", api_base, account, None, NOW)
        adapter = adapter_of(crm)()
        assert link == adapter.person_url(access, person)
        note = vendor.note_url(api_base, account, person, "77")
        assert note == adapter.note_url(access, person, "77")
        assert (note is None) is (link is None)
        links.append(link)
    assert links[0] is not None


@pytest.mark.parametrize("crm", CRMS)
def test_a_page_says_how_each_crm_is_set_up(crm: str) -> None:
    page = ROOT / "docs" / "setup" / f"{crm.replace('_', '-')}.md"
    said = page.read_text(encoding="utf-8")
    assert f"/oauth/callback/{crm}" in said
    assert "lull doctor --live" in said


def test_no_file_of_an_adapter_is_longer_than_two_hundred_lines() -> None:
    folders = {crm: Path(inspect.getfile(adapter_of(crm))).parent for crm in CRMS}
    assert all(folder.name == crm for crm, folder in folders.items())
    files = [file for folder in folders.values() for file in folder.glob("*.py")]
    long = [file for file in files if len(file.read_text().splitlines()) > 200]
    assert long == []


def test_apps_of_one_crm_are_told_apart_by_key() -> None:
    assert sorted(key for crm in CRMS for key in (app.key for app in apps_of(crm))) == sorted(APPS)
