"""The process: everything is put together here and served on one port."""

import argparse
import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from simulators.config import SimulatorsConfig
from simulators.control.crm import CrmControl
from simulators.control.intercom import IntercomControl
from simulators.control.process import ProcessControl
from simulators.crms import CRMS
from simulators.gate import Gate
from simulators.intercom.api import Intercom
from simulators.intercom.canvas import CanvasKit
from simulators.intercom.stage import Stage
from simulators.intercom.webhooks import Webhooks
from simulators.pages.routes import Pages
from simulators.transport import CuttableProtocol
from simulators.world import World


def create_app(config: SimulatorsConfig) -> Starlette:
    world = World(config, CRMS.values())
    webhooks = Webhooks(world)
    stage = Stage(world, webhooks)
    canvas_kit = CanvasKit(world)
    control = [
        *ProcessControl(world, webhooks).routes(),
        *IntercomControl(world, webhooks, stage, canvas_kit).routes(),
        *CrmControl(world).routes(),
    ]
    vendors = [Intercom(world), *(crm.vendor(world) for crm in CRMS.values())]

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await webhooks.close()
        await canvas_kit.close()

    return Starlette(
        routes=[
            Mount("/_control", routes=control),
            *Pages.of_vendors(),
            *(Mount(f"/{vendor.name}", app=Gate(world, vendor)) for vendor in vendors),
            *Pages(world, webhooks, stage, canvas_kit).routes(),
        ],
        lifespan=lifespan,
    )


def listen(config: SimulatorsConfig) -> socket.socket:
    """The listening socket; opened before serving, so that the address is known at once."""
    return socket.create_server((config.host, config.port), backlog=512)


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def server(config: SimulatorsConfig) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            create_app(config),
            http=CuttableProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,  # the gate sends one that follows the simulators' clock
            timeout_graceful_shutdown=1,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Intercom and the CRMs in one process.")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one")
    parser.add_argument("--validate", action="store_true", help="check all traffic")
    arguments = parser.parse_args()
    config = SimulatorsConfig()
    given = {
        "host": arguments.host or config.host,
        "port": config.port if arguments.port is None else arguments.port,
        "validate_traffic": arguments.validate or config.validate_traffic,
    }
    config = config.model_copy(update=given)
    logging.basicConfig(level=logging.WARNING)
    try:
        listener = listen(config)
    except OSError as error:
        raise SystemExit(f"cannot listen on {config.host}:{config.port}: {error}") from error
    with listener:
        asyncio.run(_serve(config, listener))


async def _serve(config: SimulatorsConfig, listener: socket.socket) -> None:
    running = server(config)
    # the socket listens already: whoever connects on reading this line waits in its backlog
    print(f"simulators ready at {address_of(listener)}", flush=True)
    await running.serve(sockets=[listener])


if __name__ == "__main__":
    main()
