"""`lull doctor`: every step at a simulated account, each fact with its constant, each fault."""

import importlib
import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from common.catalog import CRMS
from delivery.adapters.crm import crm_for
from delivery.adapters.crm.unconfirmed import PACKAGE, Fact, all_facts, facts_of
from delivery.ports import CrmAccess, ReconnectNeeded, SettingsAway
from lull.doctor.connections import connections
from lull.doctor.findings import Finding, State
from lull.doctor.live import Live, Step
from lull.main import app
from simulators.client import SimulatorControl
from simulators.crms import CRMS as SIMULATED
from simulators.testing import run_simulators
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def control() -> Iterator[SimulatorControl]:
    with run_simulators(validate=True) as running:
        running.control.knobs(rate_limits=False)
        yield running.control


@pytest.fixture
async def live(request: Any, control: SimulatorControl) -> AsyncIterator[Live]:
    control.reset()
    control.knobs(rate_limits=False)
    crm = request.param
    account = SIMULATED[crm].account_id(7)
    made = control.create_account(crm, account)
    expires_at = datetime(2027, 1, 1, tzinfo=UTC)
    user = made["users"][0]["id"]
    access = CrmAccess(made["access_token"], made["api_base"], account, user, expires_at)
    adapter = crm_for(crm)
    now = lambda: datetime.fromtimestamp(control.advance_clock(0), UTC)  # noqa: E731
    yield Live(adapter, access, now, within=timedelta(seconds=0))
    await adapter.aclose()
    assert control.violations() == []


async def tried(live: Live) -> list[Step]:
    return [step async for step in live.steps()]


@pytest.mark.parametrize("live", CRMS, indirect=True)
async def test_every_step_goes_well_at_a_simulated_account(
    live: Live, control: SimulatorControl
) -> None:
    steps = await tried(live)
    assert [f"{step.name}: {step.said}" for step in steps if not step.went_well] == []
    assert len(steps) >= 10
    account = live.access.account_id
    assert control.notes(live.crm.name, account) == []  # cleaned up
    named = {step.name for step in steps}
    assert {fact.step for fact in facts_of(live.crm.name) if fact.step} <= named


@pytest.mark.parametrize("live", ["hubspot"], indirect=True)
async def test_a_fact_that_is_not_so_is_told_and_the_note_is_deleted_all_the_same(
    live: Live, control: SimulatorControl
) -> None:
    control.add_fault("hubspot", "500_before", path="associations/2026-09/contacts/notes")
    steps = {step.name: step for step in await tried(live)}
    assert not steps["a new note is listed"].went_well
    assert steps["a new note is listed"].said == "http_500"
    assert steps["a deleted note is gone"].went_well
    assert control.notes("hubspot", live.access.account_id) == []


@pytest.mark.parametrize("live", ["pipedrive"], indirect=True)
async def test_a_search_that_lags_longer_than_we_wait_is_told(
    live: Live, control: SimulatorControl
) -> None:
    control.change_account("pipedrive", live.access.account_id, search_lag_s=60)
    steps = {step.name: step for step in await tried(live)}
    assert steps["a new person is found"].said == "not within 0 s"
    assert steps["a person is not made twice"].went_well  # the newest are listed as well


@pytest.mark.parametrize("live", ["pipedrive"], indirect=True)
async def test_nothing_more_is_tried_at_an_account_that_refuses_us(
    live: Live, control: SimulatorControl
) -> None:
    control.revoke_crm_tokens("pipedrive", live.access.account_id)
    steps = await tried(live)
    assert [(step.name, step.said) for step in steps if not step.went_well][-1] == (
        "a person is made",
        "TokenRejected",
    )


@pytest.mark.parametrize("fact", all_facts(), ids=lambda fact: f"{fact.crm}-{fact.key}")
def test_each_fact_says_what_stands_meanwhile(fact: Fact) -> None:
    assert fact.what.endswith(".")
    assert fact.meanwhile.endswith(".")
    assert fact.source
    if fact.constant is not None:
        module, *names = fact.constant.split(".")
        found: Any = importlib.import_module(f"{PACKAGE}.{fact.crm}.{module}")
        for name in names:
            found = inspect.getattr_static(found, name)


@pytest.mark.parametrize("crm", CRMS)
def test_facts_are_told_apart_by_their_keys(crm: str) -> None:
    keys = [fact.key for fact in facts_of(crm)]
    assert len(keys) == len(set(keys)) > 0


APPS = [
    {"app": "hubspot", "crm_account": "1", "transcript_sync": True, "warning": None},
    {"app": "pipedrive", "crm_account": "2", "transcript_sync": False, "warning": "No such type."},
    {"app": "keap", "crm_account": "3", "transcript_sync": True, "warning": None},
    {"app": "salesloft", "crm_account": "4", "transcript_sync": True, "warning": None},
]


class Settings:
    """settings' internal listener: two connections work, one is dead, one cannot be told."""

    async def crm_access(self, workspace: str, app: str) -> None:
        assert workspace == "wk1"
        if app == "keap":
            raise ReconnectNeeded("reconnect_needed")
        if app == "salesloft":
            raise SettingsAway("http_503")


def operator(answer: Any) -> httpx.AsyncClient:
    transport = httpx.MockTransport(answer)
    return httpx.AsyncClient(base_url="http://settings", transport=transport)


async def looked(answer: Any) -> list[Finding]:
    settings: Any = Settings()
    async with operator(answer) as client:
        return [finding async for finding in connections(client, settings)]


async def test_every_connection_is_tried_and_what_to_mend_is_said() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/workspaces":
            workspaces = [{"workspace_id": "wk1", "connection": "reconnect_needed"}]
            return httpx.Response(200, json={"workspaces": workspaces})
        return httpx.Response(200, json={"apps": APPS})

    found = await looked(answer)
    assert [finding.state for finding in found] == [
        State.MEND, State.GOOD, State.MEND, State.MEND, State.UNKNOWN,
    ]  # fmt: skip
    assert found[2].mend == "No such type."
    assert all(finding.mend for finding in found if finding.state is not State.GOOD)


async def test_settings_that_cannot_be_asked_is_said_and_no_crash() -> None:
    [found] = await looked(lambda _: httpx.Response(401, json={}))
    assert found.state is State.UNKNOWN


def test_the_command_says_what_is_missing_and_lists_what_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LULL_SETTINGS_OPERATOR_TOKEN", "canary")  # too short, and never shown
    monkeypatch.delenv("LULL_DELIVERY_SETTINGS_TOKEN", raising=False)
    run = CliRunner().invoke(app, ["doctor"])
    assert run.exit_code == 1
    assert "LULL_SETTINGS_DATABASE_URL" in run.output
    assert "canary" not in run.output
    assert "connections are not looked at" in run.output
    assert all(fact.what in run.output for fact in all_facts())


def test_an_app_that_is_not_in_the_catalog_cannot_be_tried() -> None:
    assert CliRunner().invoke(app, ["doctor", "--live", "nobody"]).exit_code == 2
