"""Is the service alive, and can it do its own work? `/healthz`, `/readyz` and `/metrics`.

`/healthz` judges loops: each beats while it makes progress, and a loop that has not beaten for its
longest allowed pause is stalled. `/readyz` is red only for needs, what the service cannot do its
own work without; peers are shown in the body and never count.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass(slots=True)
class Loop:
    """Something that must keep moving: `beat()` each time round, also with nothing to do."""

    name: str
    longest_pause_s: float
    _now: Callable[[], float]
    _beaten_at: float
    _dead: str | None = None

    def beat(self) -> None:
        self._beaten_at = self._now()

    def died(self, why: str) -> None:
        """It will never beat again; red at once."""
        self._dead = why

    def stalled(self) -> str | None:
        if self._dead:
            return self._dead
        pause = self._now() - self._beaten_at
        return f"no progress for {pause:.0f} s" if pause > self.longest_pause_s else None


@dataclass(slots=True)
class Need:
    """Something the service cannot work without, or (as a peer) merely would like to have."""

    name: str
    fault: str | None = "not connected yet"

    def met(self) -> None:
        self.fault = None

    def missing(self, why: str) -> None:
        self.fault = why


@dataclass(slots=True)
class Health:
    service: str
    now: Callable[[], float] = time.monotonic
    loops: list[Loop] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    peers: list[Need] = field(default_factory=list)

    def loop(self, name: str, longest_pause_s: float = 60.0) -> Loop:
        loop = Loop(name, longest_pause_s, self.now, self.now())
        self.loops.append(loop)
        return loop

    def need(self, name: str) -> Need:
        need = Need(name)
        self.needs.append(need)
        return need

    def peer(self, name: str) -> Need:
        peer = Need(name)
        self.peers.append(peer)
        return peer

    def healthz(self) -> tuple[bool, dict[str, object]]:
        loops = {loop.name: loop.stalled() or "ok" for loop in self.loops}
        return all(state == "ok" for state in loops.values()), {"loops": loops}

    def readyz(self) -> tuple[bool, dict[str, object]]:
        needs = {need.name: need.fault or "ok" for need in self.needs}
        peers = {peer.name: peer.fault or "ok" for peer in self.peers}
        return all(state == "ok" for state in needs.values()), {"needs": needs, "peers": peers}

    def app(self) -> Starlette:
        """The internal listener's application."""

        async def healthz(_: Request) -> Response:
            return self._answer(*self.healthz())

        async def readyz(_: Request) -> Response:
            return self._answer(*self.readyz())

        async def metrics(_: Request) -> Response:
            return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

        return Starlette(
            routes=[
                Route("/healthz", healthz),
                Route("/readyz", readyz),
                Route("/metrics", metrics),
            ]
        )

    def _answer(self, well: bool, details: dict[str, object]) -> Response:
        body = {"service": self.service, "status": "ok" if well else "failing", **details}
        return JSONResponse(body, status_code=200 if well else 503)
