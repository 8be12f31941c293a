"""Who takes part: our service as shipped, and the same debounce on Kafka Streams and quixstreams.

What a peer needs is fetched and built when it is first asked for, into the user's cache: jars
pinned by hash, classes compiled by the machine's javac, and a virtual environment of its own.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.debounce.load import Load
from devstack.cache import cache_dir
from devstack.jars import ensure_jars, jars_dir, parse_pins

BENCH = Path(__file__).resolve().parents[1]
REPOSITORY = BENCH.parent
PEERS = BENCH / "peers"
# Of Kafka's own 46 jars, Streams needs these; no logging binding, so nothing is logged.
SHARED = ("kafka-clients", "jackson-", "slf4j-api", "zstd-jni", "lz4-java", "snappy-java")


class PeerMissing(Exception):
    """It cannot take part on this machine, and why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    ready: bytes  # in the line that says: partitions assigned, reading begins
    command: Callable[[], list[str]]
    environment: Callable[[Load, str, Path], dict[str, str]]
    ours: bool = False
    commits_each_s: float = 1.0  # by default


def _ours(load: Load, run: str, folder: Path) -> dict[str, str]:
    return {
        "LULL_KAFKA_BOOTSTRAP_SERVERS": load.bootstrap,
        "LULL_KAFKA_TOPIC_PREFIX": load.prefix,
        "LULL_QUIET_PERIOD_S": str(load.quiet_ms / 1000),
        "LULL_DEBOUNCE_HEALTH_PORT": "0",
        "LULL_DEBOUNCE_PORT": "0",
        "LULL_DEBOUNCE_INSTANCE_ID": "bench",
        "PYTHONPATH": ":".join(
            str(REPOSITORY / part / "src") for part in ("libs/common", "services/debounce")
        ),
    }


def _peer(load: Load, run: str, folder: Path) -> dict[str, str]:
    return {
        "PEER_BOOTSTRAP": load.bootstrap,
        "PEER_UPDATED": load.updated,
        "PEER_SETTLED": load.settled,
        "PEER_QUIET_MS": str(load.quiet_ms),
        "PEER_GROUP": f"{load.prefix}{run}",
        "PEER_STATE_DIR": str(folder / run),
    }


def _static(load: Load, run: str, folder: Path) -> dict[str, str]:
    return {**_peer(load, run, folder), "PEER_MEMBER": "bench"}


def _streams(*arguments: str, java: tuple[str, ...] = ()) -> Callable[[], list[str]]:
    return lambda: [*_java(), *java, "-cp", _streams_class_path(), "Peer", *arguments]


def _quix(closing: str) -> Callable[[], list[str]]:
    return lambda: [str(venv() / "bin" / "python"), str(PEERS / "quix.py"), closing]


def _shipped() -> list[str]:
    """With what its image installs and nothing else: libraries import what they happen to find."""
    shipped = venv(REPOSITORY / "requirements" / "debounce.txt")
    return [str(shipped / "bin" / "python"), "-m", "debounce"]


OURS = Contender("lull", b"partitions.assigned", _shipped, _ours, ours=True)
STREAMS_SESSION = Contender(
    "streams-session", b"ready", _streams("session", "rocksdb"), _peer, commits_each_s=30
)
STREAMS_TIMERS = Contender(
    "streams-processor", b"ready", _streams("timers", "rocksdb"), _peer, commits_each_s=30
)
STREAMS_STATIC = Contender(
    "streams-processor-static", b"ready", _streams("timers", "rocksdb"), _static, commits_each_s=30
)
STREAMS_MEMORY = Contender(
    "streams-processor-memory", b"ready", _streams("timers", "memory"), _peer, commits_each_s=30
)
STREAMS_SESSION_MEMORY = Contender(
    "streams-session-memory", b"ready", _streams("session", "memory"), _peer, commits_each_s=30
)
STREAMS_SMALL = Contender(
    "streams-processor-small",
    b"ready",
    _streams("timers", "rocksdb", java=("-Xmx256m", "-XX:+UseSerialGC")),
    _peer,
    commits_each_s=30,
)
QUIX_KEY = Contender("quix-key", b"now processing incoming", _quix("key"), _peer, commits_each_s=5)
QUIX_PARTITION = Contender(
    "quix-partition", b"now processing incoming", _quix("partition"), _peer, commits_each_s=5
)
ALL = {
    contender.name: contender
    for contender in (
        OURS,
        STREAMS_TIMERS,
        STREAMS_MEMORY,
        STREAMS_SMALL,
        STREAMS_STATIC,
        STREAMS_SESSION,
        STREAMS_SESSION_MEMORY,
        QUIX_KEY,
        QUIX_PARTITION,
    )
}


def _tool(name: str) -> str:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(name, path=f"{home}/bin") if home else None
    found = found or shutil.which(name)
    if found is None:
        raise PeerMissing(f"Kafka Streams needs a JDK 17 or newer: no {name} on PATH or JAVA_HOME.")
    return found


def _java() -> list[str]:
    _tool("javac")
    return [_tool("java")]


def _streams_class_path() -> str:
    sources = sorted((PEERS / "kafka-streams").glob("*.java"))
    ensure_jars(print)
    own = ensure_jars(print, jars=list(parse_pins((PEERS / "streams-jars.txt").read_text())))
    jars = own + [jar for jar in jars_dir().glob("*.jar") if jar.name.startswith(SHARED)]
    class_path = ":".join(map(str, jars))
    built_from = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    classes = cache_dir() / "bench" / f"classes-{built_from[:16]}"
    if not classes.is_dir():
        building = classes.with_suffix(f".{os.getpid()}")
        javac = [_tool("javac"), "--release", "17", "-cp", class_path, "-d", str(building)]
        subprocess.run([*javac, *map(str, sources)], check=True)
        building.rename(classes)
    return f"{classes}:{class_path}"


def venv(requirements: Path = BENCH / "requirements.txt") -> Path:
    """An environment made from hash-pinned requirements: quixstreams' and matplotlib's, or ours."""
    pinned = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder = cache_dir() / "bench" / f"venv-{pinned[:16]}"
    if not (folder / ".installed").exists():
        print(f"Installing {requirements.name} into {folder}")
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--require-hashes", "-r", str(requirements)], check=True)
        (folder / ".installed").touch()
    return folder
