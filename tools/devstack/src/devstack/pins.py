"""Writes the list of pinned jars anew: the run-time closure of Kafka's broker, with hashes.

The closure is Maven's own rule (breadth first, the nearest wins) over each POM's *own* dependency
management. jgo's resolver applies the managed versions of one POM to all others instead, and so
takes kafka-clients 3.8. Checked against `mvn dependency:list` for 4.1.2: the same 45.
"""

import hashlib
import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from devstack.errors import Progress
from devstack.jars import DOWNLOADS_AT_ONCE, PINS, Jar, maven

KAFKA = ("org.apache.kafka", "kafka_2.13")
LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl")  # slf4j 1.7's binding, same version as:
LOGGING_CORE = ("org.apache.logging.log4j", "log4j-core")

Name = tuple[str, str]  # group, artifact
Versions = dict[Name, str]


def closure(root: Name, version: str, context: Any) -> Versions:
    """Every jar that `root` needs at run time, itself included, by name."""
    from jgo.maven import Model

    chosen: Versions = {}
    queue: deque[tuple[Name, str, frozenset[Name]]] = deque([(root, version, frozenset())])
    while queue:
        name, version, excluded = queue.popleft()
        if name in chosen:
            continue
        chosen[name] = version
        pom = context.project(*name).at_version(version).pom()
        for dep in Model(pom, context).deps.values():
            wanted = dep.scope in ("compile", "runtime") and dep.type == "jar" and not dep.optional
            if wanted and not _is_excluded((dep.groupId, dep.artifactId), excluded):
                also = {(e.groupId, e.artifactId) for e in dep.exclusions}
                queue.append(((dep.groupId, dep.artifactId), dep.version, excluded | also))
    return chosen


def _is_excluded(name: Name, excluded: frozenset[Name]) -> bool:
    return any(g in ("*", name[0]) and a in ("*", name[1]) for g, a in excluded)


def pin(version: str, on_progress: Progress) -> Path:
    """Resolve, download and hash; answers the data file it wrote."""
    with tempfile.TemporaryDirectory(prefix="lull-pin-") as folder:
        context = maven(Path(folder))
        on_progress(f"Reading the POMs of {':'.join(KAFKA)}:{version}")
        chosen = closure(KAFKA, version, context)
        chosen |= closure(LOGGING, chosen[LOGGING_CORE], context) | chosen
        coordinates = sorted(f"{g}:{a}:{v}" for (g, a), v in chosen.items())
        on_progress(f"Hashing {len(coordinates)} jars")
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            jars = list(pool.map(lambda c: _hash(c, context), coordinates))
    target = Path(__file__).with_name(PINS)
    target.write_text(render(version, jars), encoding="utf-8")
    return target


def _hash(coordinate: str, context: Any) -> Jar:
    content = context.create_dependency(coordinate).artifact.resolve().read_bytes()
    return Jar(coordinate, hashlib.sha256(content).hexdigest(), len(content))


def render(version: str, jars: list[Jar]) -> str:
    lines = [
        f"# Apache Kafka {version}: everything its broker needs at run time.",
        f"# Written by `lull-devstack pin {version}`; each line: coordinate, SHA-256, bytes.",
        *(f"{jar.coordinate} {jar.sha256} {jar.size}" for jar in jars),
    ]
    return "\n".join(lines) + "\n"
