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


class ProcessControl:
    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self._world = world
        self._webhooks = webhooks

    def routes(self) -> list[Route]:
        return [
            route("GET", "/health", self.health),
            route("POST", "/reset", self.reset),
            route("GET", "/knobs", self.knobs),
            route("PATCH", "/knobs", self.turn),
            route("POST", "/clock", self.advance),
            route("GET", "/journal", self.journal),
            route("GET", "/violations", self.violations),
            route("POST", "/faults", self.add_fault),
            route("GET", "/faults", self.faults),
            route("DELETE", "/faults", self.clear_faults),
            route("DELETE", "/faults/{id}", self.clear_fault),
        ]

    async def health(self, request: Request) -> object:
        return {"ok": True}

    async def reset(self, request: Request) -> object:
        self._webhooks.reset()
        self._world.reset()
        return {"ok": True}

    async def knobs(self, request: Request) -> object:
        return self._world.knobs.model_dump()

    async def turn(self, request: Request) -> object:
        try:
            self._world.knobs = self._world.knobs.patched(json.loads(await request.body()))
        except ValidationError as error:
            raise ControlError(400, said(error)) from error
        except (json.JSONDecodeError, AttributeError) as error:
            raise ControlError(400, "the body is not a JSON object") from error
        except ValueError as error:
            raise ControlError(400, str(error)) from error
        return self._world.knobs.model_dump()

    async def advance(self, request: Request) -> object:
        self._world.clock.advance((await read(request, AdvanceClock)).advance_s)
        return {"now": self._world.clock.now()}

    async def journal(self, request: Request) -> object:
        query = request.query_params
        since = query.get("since_seq", "0")
        if not since.isdigit():
            raise ControlError(400, "since_seq is not a number")
        entries = self._world.journal.select(
            vendor=query.get("vendor"), account=query.get("account"), since_seq=int(since)
        )
        return {"requests": entries}

    async def violations(self, request: Request) -> object:
        looked = self._world.config.validate_traffic
        return {"validating": looked, "violations": self._world.violations}

    async def add_fault(self, request: Request) -> object:
        spec = await read(request, FaultSpec)
        try:
            return self._world.faults.add(spec).view()
        except ValueError as error:
            raise ControlError(400, str(error)) from error

    async def faults(self, request: Request) -> object:
        return {"faults": [fault.view() for fault in self._world.faults.all()]}

    async def clear_faults(self, request: Request) -> object:
        return {"cleared": self._world.faults.clear()}

    async def clear_fault(self, request: Request) -> object:
        fault_id = request.path_params["id"]
        if not self._world.faults.clear(fault_id):
            raise missing("fault", fault_id)
        return {"cleared": 1}
