"""Workspaces of either policy at HubSpot and Pipedrive, and a ledger that no service works on."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from delivery.simulation.many import be_silent

# The processes that are killed import the harness under its own name.
if (_HARNESS := str(Path(__file__).parent / "harness")) not in sys.path:
    sys.path.append(_HARNESS)

from crashing.replica import Place, Wiring, quick, replica
from crashing.stage import Policy, Stage
from crashing.victim import start_forking
from delivering.tables import database

APPS = ("hubspot", "pipedrive")
POLICIES: tuple[Policy, ...] = ("update", "new")
BESIDE_EACH_OTHER = {"quick": 1, "faults": 2, "long": 2}


@pytest.fixture(scope="session")
async def stages(world: Any, postgres_dsn: str, size: str) -> AsyncIterator[list[Stage]]:
    start_forking(_HARNESS)
    wiring = Wiring(
        await database(postgres_dsn),
        world.settings.addresses["internal"],
        world.delivery_env["LULL_DELIVERY_SETTINGS_TOKEN"],
    )
    kinds = [(app, policy) for app in APPS for policy in POLICIES] * BESIDE_EACH_OTHER[size]
    places = [(await world.install(app), policy) for app, policy in kinds]
    for installed, policy in places:
        await installed.operator("PATCH", "/options", {"note_policy": policy})
    workspaces = [installed.workspace for installed, _ in places]
    logging = structlog.get_config()
    be_silent()
    world.control.knobs(rate_limits=False)  # hours pass between the calls
    async with replica(wiring, APPS, connections=2 * len(places), pace=quick) as survivor:
        yield [
            Stage(
                installed,
                policy,
                Place(
                    installed.workspace,
                    installed.crm,
                    await survivor.account_of(installed.workspace, installed.app),
                    tuple(other for other in workspaces if other != installed.workspace),
                ),
                wiring,
                survivor,
            )
            for installed, policy in places
        ]
    world.control.knobs(rate_limits=True)
    structlog.configure(**logging)
