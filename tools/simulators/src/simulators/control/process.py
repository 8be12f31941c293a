"""Control of the process: reset, knobs, clock, journal, violations, faults."""

import json

from pydantic import ValidationError
from starlette.requests import Request
from starlette.routing import Route

from simulators.control.endpoint import ControlError, missing, read, route, said
from simulators.control.requests import AdvanceClock
from simulators.faults import FaultSpec
from simulators.intercom.webhooks import Webhooks
from simulators.world import World


def process_routes(world: World, webhooks: Webhooks) -> list[Route]:
    async def health(request: Request) -> object:
        return {"ok": True}

    async def reset(request: Request) -> object:
        webhooks.reset()
        world.reset()
        return {"ok": True}

    async def knobs(request: Request) -> object:
        return world.knobs.model_dump()

    async def turn(request: Request) -> object:
        try:
            world.knobs = world.knobs.patched(json.loads(await request.body()))
        except ValidationError as error:
            raise ControlError(400, said(error)) from error
        except (ValueError, AttributeError) as error:
            raise ControlError(400, "the body is not a JSON object") from error
        return world.knobs.model_dump()

    async def advance(request: Request) -> object:
        world.clock.advance((await read(request, AdvanceClock)).advance_s)
        return {"now": world.clock.now()}

    async def journal(request: Request) -> object:
        query = request.query_params
        since = query.get("since_seq", "0")
        if not since.isdigit():
            raise ControlError(400, "since_seq is not a number")
        entries = world.journal.select(
            vendor=query.get("vendor"), account=query.get("account"), since_seq=int(since)
        )
        return {"requests": entries}

    async def violations(request: Request) -> object:
        return {"validating": world.config.validate_traffic, "violations": world.violations}

    async def add_fault(request: Request) -> object:
        return world.faults.add(await read(request, FaultSpec)).view()

    async def faults(request: Request) -> object:
        return {"faults": [fault.view() for fault in world.faults.all()]}

    async def clear_faults(request: Request) -> object:
        return {"cleared": world.faults.clear()}

    async def clear_fault(request: Request) -> object:
        fault_id = request.path_params["id"]
        if not world.faults.clear(fault_id):
            raise missing("fault", fault_id)
        return {"cleared": 1}

    return [
        route("GET", "/health", health),
        route("POST", "/reset", reset),
        route("GET", "/knobs", knobs),
        route("PATCH", "/knobs", turn),
        route("POST", "/clock", advance),
        route("GET", "/journal", journal),
        route("GET", "/violations", violations),
        route("POST", "/faults", add_fault),
        route("GET", "/faults", faults),
        route("DELETE", "/faults", clear_faults),
        route("DELETE", "/faults/{id}", clear_fault),
    ]
