"""The two servers together: chosen, started, killed and started again, stopped."""

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from filelock import FileLock, Timeout

from devstack.choice import KAFKA_ADDRESS, POSTGRES_ADDRESS, Choice, choose
from devstack.errors import DevStackError, Progress, disk_sentence
from devstack.images import NO_ENGINE, POSTGRES_IMAGE, kafka_image, may_be_there
from devstack.security import Security

if TYPE_CHECKING:
    from devstack.engine import Engine

LOCK_SECONDS = 15  # a stack that is just being stopped may still hold the folder


@dataclass(frozen=True, slots=True)
class Stack:
    kafka_bootstrap: str  # "127.0.0.1:PORT"; empty where Kafka was not asked for
    postgres_dsn: str  # of the superuser, database postgres; empty where it was not asked for
    kafka_source: str  # "environment" | "docker" | "packages"
    postgres_source: str
    kafka_pid: int | None  # only from packages
    postgres_pid: int | None
    data_dir: Path | None  # Kafka's segments, PostgreSQL's files, both logs (packages)


class Part(Protocol):
    """One server, wherever it comes from."""

    @property
    def address(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    def start(self, on_progress: Progress) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A server that others run: never started, never stopped by us."""

    address: str
    pid: None = None

    def start(self, on_progress: Progress) -> None:
        on_progress(f"Using {self.address.rpartition('@')[2]}")

    def kill(self) -> None: ...
    def stop(self) -> None: ...


class DevStack:
    """Supervises both servers; `stop` (or leaving the `with` block, or dying) ends them."""

    def __init__(
        self,
        data_dir: Path,
        *,
        kafka: bool = True,
        postgres: bool = True,
        on_progress: Callable[[str], None] = lambda line: None,
        kafka_port: int | None = None,
        postgres_port: int | None = None,
        durable: bool = True,
        security: Security | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            data_dir: Per project; what a start finds there is used again.
            kafka: Whether Kafka is wanted.
            postgres: Whether PostgreSQL is wanted.
            on_progress: Gets a line now and then.
            kafka_port: A fixed one; a free one otherwise.
            postgres_port: Likewise.
            durable: False lets PostgreSQL skip fsync: right for tests, and only there.
            security: TLS, users and ACLs for Kafka, which then comes from packages.

        """
        self.data_dir = data_dir.resolve()
        self._wanted = (kafka, postgres)
        self._ports = (kafka_port, postgres_port)
        self._durable = durable
        self._security = security
        self._say = on_progress
        self._kafka: Part | None = None
        self._postgres: Part | None = None
        self._sources = ("", "")
        self._lock = FileLock(self.data_dir / ".lock", thread_local=False)

    def start(self) -> Stack:
        """Both at once; when one can't be started, neither is left running."""
        self.stop()
        try:
            self._choose()
            atexit.register(self.stop)
            self._start_all([part for part in (self._kafka, self._postgres) if part])
        except OSError as error:
            self.stop()
            raise disk_sentence(error, self.data_dir) from error
        except BaseException:
            self.stop()
            raise
        return self._stack()

    def kill_kafka(self) -> None:
        """As kill -9 does, also where it is a container."""
        self._kill(self._kafka, "Kafka")

    def kill_postgres(self) -> None:
        """As kill -9 does, also where it is a container."""
        self._kill(self._postgres, "PostgreSQL")

    def restart_kafka(self) -> Stack:
        """Same port, same data, whether it was killed or still runs."""
        return self._restart(self._kafka, "Kafka")

    def restart_postgres(self) -> Stack:
        """Same port, same data, whether it was killed or still runs."""
        return self._restart(self._postgres, "PostgreSQL")

    def stop(self) -> None:
        """End what was started; answers when it is gone. May be repeated."""
        atexit.unregister(self.stop)
        # One after the other: at the interpreter's exit no thread can be started any more.
        with ExitStack() as each:
            for part in (self._kafka, self._postgres):
                if part:
                    each.callback(part.stop)
        self._kafka = self._postgres = None
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def stack(self) -> Stack:
        """What `start` answered, with the pids of now."""
        return self._stack()

    def _restart(self, part: Part | None, name: str) -> Stack:
        self._ours(part, name).start(self._say)
        return self._stack()

    def _kill(self, part: Part | None, name: str) -> None:
        self._ours(part, name).kill()

    def _ours(self, part: Part | None, name: str) -> Part:
        if part is None:
            raise DevStackError(f"{name} was not started by this stack: call start() first.")
        if isinstance(part, Elsewhere):
            raise DevStackError(
                f"{name} is run by others: only they can stop it and start it again."
            )
        return part

    def _start_all(self, parts: list[Part]) -> None:
        cancelled = threading.Event()

        def say(line: str) -> None:
            """Called before every longer step, so it also is where a start can be given up."""
            if cancelled.is_set():
                raise DevStackError("The start was given up.")
            self._say(line)

        with ThreadPoolExecutor(max(len(parts), 1)) as pool:
            jobs = [pool.submit(part.start, say) for part in parts]
            try:
                done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
                for job in done:
                    job.result()
            except BaseException:
                cancelled.set()
                raise

    def _choose(self) -> None:
        kafka, postgres = choices(*self._wanted, self._say)
        if kafka and self._security:
            kafka = Choice("packages", "Kafka: from packages, since ACLs are asked for")
        if any(choice and choice.source != "environment" for choice in (kafka, postgres)):
            self._own_folder()
        if kafka:
            self._say(kafka.why)
            self._kafka = self._kafka_from(kafka)
        if postgres:
            self._say(postgres.why)
            self._postgres = self._postgres_from(postgres)
        self._sources = (kafka.source if kafka else "", postgres.source if postgres else "")

    def _own_folder(self) -> None:
        """One stack per folder: whatever else its pid files name is a leftover."""
        (self.data_dir / "logs").mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise DevStackError(
                f"Another stack runs in {self.data_dir}: stop it first, or choose another folder."
            ) from None

    def _kafka_from(self, choice: Choice) -> Part:
        if choice.source == "environment":
            return Elsewhere(os.environ[KAFKA_ADDRESS])
        if choice.source == "docker":
            from devstack.containers import kafka_container

            return kafka_container(self.data_dir, self._ports[0])
        from devstack.kafka import Kafka

        return Kafka(
            self.data_dir / "kafka",
            self.data_dir / "logs" / "kafka.log",
            self.data_dir / "kafka.pid",
            self._ports[0],
            self._security,
        )

    def _postgres_from(self, choice: Choice) -> Part:
        if choice.source == "environment":
            return Elsewhere(os.environ[POSTGRES_ADDRESS])
        if choice.source == "docker":
            from devstack.containers import postgres_container

            return postgres_container(self.data_dir, self._ports[1], durable=self._durable)
        from devstack.postgres import Postgres

        return Postgres(
            self.data_dir / "postgres",
            self.data_dir / "logs" / "postgres.log",
            self.data_dir / "postgres.pid",
            self._ports[1],
            durable=self._durable,
        )

    def _stack(self) -> Stack:
        kafka, postgres = self._kafka, self._postgres
        if kafka is None and postgres is None:
            raise DevStackError("The stack is not running: call start() first.")
        return Stack(
            kafka_bootstrap=kafka.address if kafka else "",
            postgres_dsn=postgres.address if postgres else "",
            kafka_source=self._sources[0],
            postgres_source=self._sources[1],
            kafka_pid=kafka.pid if kafka else None,
            postgres_pid=postgres.pid if postgres else None,
            data_dir=self.data_dir if "packages" in self._sources else None,
        )


def choices(kafka: bool, postgres: bool, say: Progress) -> tuple[Choice | None, Choice | None]:
    """For each wanted server, where it would come from and why; may pull images."""
    engines: list[Engine] = []  # none is looked for unless it matters

    def lacks(image: str) -> str | None:
        if not may_be_there(os.environ):
            return NO_ENGINE
        from devstack.engine import Engine

        if not engines:
            engines.append(Engine(say))
        return engines[0].lacks(image)

    try:
        return (
            choose("Kafka", KAFKA_ADDRESS, os.environ, lambda: lacks(kafka_image()))
            if kafka
            else None,
            choose("PostgreSQL", POSTGRES_ADDRESS, os.environ, lambda: lacks(POSTGRES_IMAGE))
            if postgres
            else None,
        )
    finally:
        for engine in engines:
            engine.close()
