"""The compose stack, really brought up: healthy, conversations through it, a kill, and down."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from devstack.waiting import wait_until

pytestmark = pytest.mark.compose

ROOT = Path(__file__).resolve().parents[2]
DOCKER = shutil.which("docker") or ""
PROJECT = "lull-test"
BUILT = ("ingest", "debounce", "delivery", "settings", "operator", "simulators", "demo")
# What the biggest image of a service may add to `python:3.13-slim`, which is itself some 120 MB.
ADDED_MAX = 80_000_000
EACH_S = 0.5  # each look is a process


def docker(*arguments: str, timeout_s: float = 900, check: bool = True) -> str:
    done = subprocess.run(
        [DOCKER, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )
    if check:
        assert done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def compose(*arguments: str, timeout_s: float = 900) -> str:
    return docker("compose", "--project-name", PROJECT, *arguments, timeout_s=timeout_s)


@pytest.fixture(scope="module")
def plugin() -> None:
    """Enough to read the file; no engine need answer."""
    if not DOCKER:
        pytest.skip("no docker command on this machine")
    if subprocess.run([DOCKER, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose plugin")


@pytest.fixture(scope="module")
def engine(plugin: None) -> None:
    """Skips, with the reason, where the stack cannot be brought up."""
    if subprocess.run([DOCKER, "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker engine answers")
    for image in ("python:3.13-slim", "apache/kafka:4.1.2", "postgres:18"):
        if not docker("image", "ls", "--quiet", image):
            pytest.skip(f"the Docker engine has no {image}; pull it to run this test")


@pytest.fixture(scope="module")
def images(engine: None) -> None:
    for target in BUILT:
        docker("build", "--quiet", "--target", target, "--tag", f"lull/{target}:local", ".")


@pytest.fixture(scope="module")
def stack(images: None) -> Iterator[float]:
    """Up and healthy; the seconds that took."""
    started = time.monotonic()
    try:
        compose("up", "--detach", "--no-build")
        wait_until(lambda: _job_ended("world"), 240, still, EACH_S)
        yield time.monotonic() - started
    finally:
        compose("--profile", "*", "down", "--volumes", "--timeout", "30")


def _inspect(service: str) -> dict[str, Any]:
    container = compose("ps", "--all", "--quiet", service).strip()
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]
    return found


def _job_ended(service: str) -> bool:
    if not compose("ps", "--all", "--quiet", service).strip():
        return False
    state = _inspect(service)["State"]
    assert state["Status"] != "exited" or state["ExitCode"] == 0, compose("logs", service)
    return bool(state["Status"] == "exited")


def still() -> str:
    return compose("ps", "--all")


def _healthy(service: str) -> bool:
    state = _inspect(service)["State"]
    return bool(state["Running"] and state["Health"]["Status"] == "healthy")


@pytest.mark.parametrize(
    ("profile", "adds"),
    [("live", {"live"}), ("observability", {"prometheus", "grafana"}), ("tools", {"kafka-ui"})],
)
@pytest.mark.usefixtures("plugin")
def test_each_profile_adds_its_services_alone(profile: str, adds: set[str]) -> None:
    usual = compose("config", "--services").split()
    assert {*compose("--profile", profile, "config", "--services").split()} == {*usual, *adds}


@pytest.mark.usefixtures("plugin")
def test_what_is_live_needs_an_env_file_and_no_simulators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LULL_ENV_FILE", ".env.example")
    services = json.loads(compose("--profile", "live", "config", "--format", "json"))["services"]
    started, waiting = set(), {"live"}
    while waiting:
        name = waiting.pop()
        started.add(name)
        waiting |= {*services[name].get("depends_on", {})} - started
    assert {"ingest", "debounce", "delivery", "settings"} <= started
    assert not started & {"simulators", "world", "demo"}
    for name in started & {"ingest", "debounce", "delivery", "settings"}:
        values = services[name]["environment"].values()
        assert not any("simulators" in str(value) for value in values), name


def test_images_are_small_run_as_nobody_and_list_what_is_in_them(images: None) -> None:
    base = json.loads(docker("image", "inspect", "python:3.13-slim"))[0]["Size"]
    for target in BUILT:
        image = json.loads(docker("image", "inspect", f"lull/{target}:local"))[0]
        assert image["Config"]["User"] == "10001:10001"
        assert image["Config"]["Labels"]["org.opencontainers.image.title"].startswith("Lull ")
        assert image["Size"] - base < ADDED_MAX, target
        run = ("run", "--rm", "--read-only", "--network", "none", "--entrypoint", "python")
        bill = json.loads(
            docker(*run, f"lull/{target}:local", "-c", "print(open('/app/sbom.cdx.json').read())")
        )
        named = {component["name"] for component in bill["components"]}
        assert {"lull-common", "pydantic"} <= named, target
        found = docker(
            *run,
            f"lull/{target}:local",
            "-c",
            "import importlib.util as u, shutil;"
            "print([n for n in ('pip', 'hatchling', 'pytest') if u.find_spec(n)]"
            " + [t for t in ('uv', 'gcc', 'cc') if shutil.which(t)])",
        )
        assert found.strip() == "[]", target


def test_the_stack_comes_up_and_conversations_pass_through_a_kill(stack: float) -> None:
    print(f"up and healthy after {stack:.0f} s")
    for service in ("ingest", "debounce", "delivery", "settings", "simulators"):
        wait_until(partial(_healthy, service), 60, still, EACH_S)
    play = subprocess.Popen(
        [
            DOCKER,
            "compose",
            "--project-name",
            PROJECT,
            "run",
            "--rm",
            "--no-deps",
            "demo",
            "play",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    before = _inspect("delivery")["State"]
    os.kill(before["Pid"], signal.SIGKILL)  # as the kernel would: the engine starts it again
    said, _ = play.communicate(timeout=400)
    assert play.returncode == 0, said
    after = _inspect("delivery")
    assert after["RestartCount"] >= 1
    assert after["State"]["Pid"] != before["Pid"]


def test_services_can_write_nowhere_and_see_their_secrets_only_as_files(stack: float) -> None:
    for service in ("ingest", "debounce", "delivery", "settings"):
        host = _inspect(service)["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["Memory"] > 0
        written = compose("exec", "-T", service, "python", "-c", WRITES).strip()
        assert written == "[]", service
        environment = "\n".join(_inspect(service)["Config"]["Env"])
        assert "TOKEN_KEYS" not in environment
        assert "DATABASE_URL" not in environment


WRITES = """
import os
found = []
for folder in ('/', '/app', '/tmp', '/var/tmp', '/run/secrets', os.path.expanduser('~')):
    try:
        open(os.path.join(folder, 'planted'), 'w').close()
        found.append(folder)
    except OSError:
        pass
print(found)
"""
