"""Topics of a test's own, and a broker that it may kill."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from devstack import DevStack
from devstack.ports import free_port

if (_HARNESS := str(Path(__file__).parent / "harness")) not in sys.path:
    sys.path.append(_HARNESS)

from settling.log import Log

NewLog = Callable[..., Awaitable[Log]]


class OwnKafka:
    """A broker that a test may kill, freeze and bring back."""

    def __init__(self, stack: DevStack) -> None:
        self._stack = stack
        self.bootstrap = stack.stack.kafka_bootstrap

    def send(self, what: signal.Signals) -> None:
        pid = self._stack.stack.kafka_pid
        assert pid is not None
        os.kill(pid, what)

    async def restart(self) -> None:
        await asyncio.to_thread(self._stack.restart_kafka)

    def stop(self) -> None:
        self._stack.stop()

    async def start(self) -> None:
        await asyncio.to_thread(self._stack.start)


@pytest.fixture(scope="session")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnKafka]:
    with DevStack(tmp_path_factory.mktemp("own"), postgres=False, kafka_port=free_port()) as stack:
        yield OwnKafka(stack)


@pytest.fixture
async def new_log(kafka_bootstrap: str) -> AsyncIterator[NewLog]:
    """Topics of one's own: `await new_log(quiet_s=1.0, partitions=2)`."""
    async with _logs(kafka_bootstrap) as new:
        yield new


@pytest.fixture(scope="module")
async def new_log_of_module(kafka_bootstrap: str) -> AsyncIterator[NewLog]:
    """The same, for the tests of a whole file."""
    async with _logs(kafka_bootstrap) as new:
        yield new


@contextlib.asynccontextmanager
async def _logs(kafka_bootstrap: str) -> AsyncIterator[NewLog]:
    logs: list[Log] = []

    async def new(
        quiet_s: float = 1.0,
        partitions: int = 2,
        *,
        bootstrap: str = kafka_bootstrap,
        create: bool = True,
    ) -> Log:
        log = Log(bootstrap, quiet_s, partitions)
        logs.append(log)
        if create:
            await log.create()
        return log

    try:
        yield new
    finally:
        for log in logs:
            await log.close()
