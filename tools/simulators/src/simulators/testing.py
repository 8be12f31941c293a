"""For tests and the demo: the simulators on a free port, in a thread of this process."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from simulators.app import address_of, listen, server
from simulators.client import SimulatorControl
from simulators.config import SimulatorsConfig

START_WITHIN_S = 10


@dataclass(frozen=True, slots=True)
class RunningSimulators:
    base_url: str
    control: SimulatorControl


@contextlib.contextmanager
def run_simulators(*, validate: bool = True, port: int = 0) -> Iterator[RunningSimulators]:
    """Serve until the block ends.

    The control client is synchronous: in async tests call it through `asyncio.to_thread`
    whenever it waits for a webhook that the same event loop has to answer.
    """
    config = SimulatorsConfig().model_copy(update={"port": port, "validate_traffic": validate})
    with listen(config) as listener:
        running = server(config)
        thread = threading.Thread(
            target=running.run, kwargs={"sockets": [listener]}, name="simulators", daemon=True
        )
        thread.start()
        deadline = time.monotonic() + START_WITHIN_S
        while not running.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                message = "the simulators did not start"
                raise RuntimeError(message)
            time.sleep(0.005)
        base_url = address_of(listener)
        try:
            with SimulatorControl(base_url) as control:
                yield RunningSimulators(base_url, control)
        finally:
            running.should_exit = True
            thread.join(START_WITHIN_S)
