"""Downloads that go wrong, from a real HTTP server on loopback that does them wrong."""

import hashlib
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from devstack.errors import DevStackError
from devstack.jars import Jar, ensure_jars, jars_dir, kafka_version, pinned_jars

CONTENT = {f"part-{n}": f"the bytes of part {n}".encode() * 50 for n in range(6)}
JARS = [
    Jar(f"test.group:{name}:1.0", hashlib.sha256(content).hexdigest(), len(content))
    for name, content in CONTENT.items()
]


@dataclass
class Repository:
    url: str
    asked: Counter[str] = field(default_factory=Counter)  # by artifact, jars only
    spoiled: Counter[str] = field(default_factory=Counter)  # how many answers to spoil


@pytest.fixture
def repository() -> Iterator[Repository]:
    class Handler(BaseHTTPRequestHandler):
        state: ClassVar[Repository]

        def do_GET(self) -> None:
            artifact = self.path.split("/")[-3]
            if not self.path.endswith(".jar"):
                self.send_error(404)
                return
            self.state.asked[artifact] += 1
            content = CONTENT[artifact]
            if self.state.spoiled[artifact] > 0:
                self.state.spoiled[artifact] -= 1
                content = content[:-1] + b"!"
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: its base class prints every request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Handler.state = Repository(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Handler.state
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fetch(repository: Repository) -> list[Path]:
    return ensure_jars(lambda line: None, jars=JARS, repository=repository.url)


def test_every_jar_of_the_real_list_is_pinned_by_version_and_hash_and_kafka_is_4_1() -> None:
    jars = pinned_jars()
    assert len(jars) == len({jar.file_name for jar in jars}) >= 45
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)
    version = kafka_version(jars)
    assert version.startswith("4.1.")
    ours = [jar for jar in jars if jar.coordinate.startswith("org.apache.kafka:")]
    assert {jar.coordinate.rpartition(":")[2] for jar in ours} == {version}


def test_jars_are_fetched_once_and_then_taken_from_the_cache(repository: Repository) -> None:
    paths = fetch(repository)
    assert [path.read_bytes() for path in paths] == list(CONTENT.values())
    fetch(repository)
    assert set(repository.asked.values()) == {1}


def test_a_jar_that_changed_in_the_cache_is_fetched_again(repository: Repository) -> None:
    spoiled = fetch(repository)[2]
    spoiled.write_bytes(b"?" * spoiled.stat().st_size)
    assert fetch(repository)[2].read_bytes() == CONTENT["part-2"]
    assert repository.asked["part-2"] == 2


def test_a_broken_download_is_tried_once_more(repository: Repository) -> None:
    repository.spoiled["part-4"] = 1
    assert fetch(repository)[4].read_bytes() == CONTENT["part-4"]


def test_a_download_that_is_broken_twice_is_named_and_deleted(repository: Repository) -> None:
    repository.spoiled["part-4"] = 2
    with pytest.raises(DevStackError, match=r"part-4-1\.0\.jar was broken twice .*SHA-256") as info:
        fetch(repository)
    assert info.value.args[0].count(". ") == 0, "one sentence"
    assert not list(jars_dir().rglob("part-4*"))
    assert repository.asked["part-4"] == 2


def test_no_network_and_an_empty_cache_says_what_to_do() -> None:
    with pytest.raises(DevStackError, match="connect to the network"):
        ensure_jars(lambda line: None, jars=JARS, repository="http://127.0.0.1:9")


def test_no_network_does_not_matter_once_the_jars_are_there(repository: Repository) -> None:
    fetch(repository)
    ensure_jars(lambda line: None, jars=JARS, repository="http://127.0.0.1:9")


SCRIPT = """
import resource, sys
from devstack.errors import DevStackError
from devstack.jars import ensure_jars, parse_pins
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
jars = list(parse_pins(sys.argv[3]))
try:
    ensure_jars(lambda line: None, jars=jars, repository=sys.argv[1])
except DevStackError as error:
    print(error)
"""


def start_fetching(repository: Repository, *, file_limit: int = 0) -> subprocess.Popen[str]:
    pins = "\n".join(f"{jar.coordinate} {jar.sha256} {jar.size}" for jar in JARS)
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, repository.url, str(file_limit), pins],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once_fetch_each_jar_once(repository: Repository) -> None:
    both = [start_fetching(repository) for _ in range(2)]
    assert [process.communicate(timeout=30)[0] for process in both] == ["", ""]
    assert set(repository.asked.values()) == {1}


def test_a_full_disk_is_named(repository: Repository) -> None:
    said, _ = start_fetching(repository, file_limit=100).communicate(timeout=30)
    assert said.startswith("No room left for ")
