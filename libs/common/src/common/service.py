"""Running a service: listeners and loops, a clean end on SIGTERM, a loud one when a loop dies."""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from common import log, tracing
from common.health import Health

_log = log.get(__name__)

GRACE_S = 15.0  # what loops may take to finish after SIGTERM; pods allow more than this


@dataclass(frozen=True, slots=True)
class Listener:
    name: str
    app: ASGIApp
    host: str
    port: int  # 0: any free one


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the service decides when to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class LoopDiedError(RuntimeError):
    """A loop ended that should run as long as the service does."""


async def serve(
    health: Health,
    listeners: list[Listener],
    loops: dict[str, Callable[[asyncio.Event], Coroutine[Any, Any, None]]],
    closing: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run until SIGTERM or SIGINT; listeners stop taking requests first, then loops end.

    Args:
        loops: each is given the event that asks it to end, and returns after it.
        closing: last of all, to close pools and clients.

    Raises:
        LoopDiedError: a loop raised, or returned unasked. The process should end so that
            whoever supervises it starts it afresh: half a service is worse than none.

    """
    _look_for_garbage_less_often()
    stop = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(log.log_lost_error)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    servers = [_server(listener) for listener in listeners]
    serving = [asyncio.create_task(server.serve([sock])) for server, sock in servers]
    running = {asyncio.create_task(loop(stop), name=name): name for name, loop in loops.items()}
    stopping = asyncio.create_task(stop.wait())
    _log.info(
        "service.started",
        **{
            listener.name: f"http://{listener.host}:{sock.getsockname()[1]}"
            for listener, (_, sock) in zip(listeners, servers, strict=True)
        },
    )
    try:
        await asyncio.wait([stopping, *running, *serving], return_when=asyncio.FIRST_COMPLETED)
        fallen = None if stop.is_set() else _first_fallen(running, health)
        stop.set()
        _log.info("service.stopping")
        for server, _ in servers:
            server.should_exit = True
        if running:
            _, late = await asyncio.wait(running, timeout=GRACE_S)
            for task in late:
                _log.error("service.loop_cut_off", loop=running[task])
                task.cancel()
        await asyncio.gather(*running, *serving, return_exceptions=True)
        if fallen is not None:
            raise fallen
    finally:
        stopping.cancel()
        if closing is not None:
            await closing()
        await asyncio.to_thread(tracing.close)
    _log.info("service.stopped")


def _look_for_garbage_less_often() -> None:
    """A request or a batch makes many objects that live until it is done, in no cycles.

    At the default (700) they are looked through again and again, and each full look, over all that
    is there, holds everything up.
    """
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


def _server(listener: Listener) -> tuple[_Server, socket.socket]:
    config = uvicorn.Config(
        listener.app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # whom to believe is the service's own business
        limit_concurrency=2_000,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=65,
    )
    sock = socket.socket(socket.AF_INET6 if ":" in listener.host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((listener.host, listener.port))
    except OSError as error:
        raise SystemExit(
            f"{listener.name}: cannot listen on {listener.host}:{listener.port} "
            f"({error.strerror}); set another port"
        ) from None
    # From here on callers wait instead of being refused: `service.started` may be believed.
    sock.listen(2_048)
    return _Server(config), sock


def _first_fallen(running: dict[asyncio.Task[None], str], health: Health) -> LoopDiedError:
    for task, name in running.items():
        if task.done():
            error = task.exception()
            health.loop(name).died("ended")
            _log.critical("service.loop_died", loop=name, exc_info=error)
            fallen = LoopDiedError(f"the loop {name!r} ended")
            fallen.__cause__ = error
            return fallen
    return LoopDiedError("a listener ended")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a service's main coroutine on uvloop where there is one."""
    # A core file would hold whatever conversation was in memory when the process was shot.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        import uvloop
    except ImportError:  # not built for this platform
        asyncio.run(main)
    else:
        uvloop.run(main)
