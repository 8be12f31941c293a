"""What ingest's tests share: signed requests, an event log in memory, the service as a process."""

import asyncio
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from common.events import ConversationEvent
from devstack.service import ServiceProcess
from ingest.api import new_api
from ingest.config import IngestConfig
from ingest.handlers import Ingest
from ingest.ports import Unavailable

FIXTURES = Path(__file__).parent / "fixtures"
SECRET = b"the-new-client-secret"
OLD_SECRET = b"the-old-client-secret"
TOKEN = "token-of-the-inbox-app"


@dataclass(slots=True)
class MemoryLog:
    """The event log in memory; `down` makes it refuse, as Kafka does when it cannot be reached."""

    appended: list[tuple[ConversationEvent, str]] = field(default_factory=list)
    down: bool = False

    async def append(self, event: ConversationEvent, event_id: str) -> None:
        if self.down:
            raise Unavailable
        self.appended.append((event, event_id))


@dataclass(frozen=True, slots=True)
class Signer:
    secret: bytes = SECRET

    def headers(self, body: bytes) -> dict[str, str]:
        return {"X-Hub-Signature": "sha1=" + hmac.new(self.secret, body, "sha1").hexdigest()}


@dataclass(frozen=True, slots=True)
class Running:
    """A service process: its addresses, its log lines so far, and how to end it."""

    process: ServiceProcess
    public: str
    health: str

    def log(self) -> str:
        return self.process.log.read_text()


@pytest.fixture(scope="session")
def examples() -> dict[str, dict[str, Any]]:
    loaded: dict[str, dict[str, Any]] = json.loads((FIXTURES / "webhook-examples.json").read_text())
    return loaded


@pytest.fixture(scope="session")
def signature_vector() -> dict[str, str]:
    loaded: dict[str, str] = json.loads((FIXTURES / "signature-vectors.json").read_text())
    return loaded


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def old_signer() -> Signer:
    return Signer(OLD_SECRET)


@pytest.fixture
def action_token() -> str:
    return TOKEN


@pytest.fixture
def memory_log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def ingest(memory_log: MemoryLog) -> Ingest:
    return Ingest(memory_log, (SECRET, OLD_SECRET), (b"another-token", TOKEN.encode()))


@pytest.fixture
async def api(ingest: Ingest) -> AsyncIterator[httpx.AsyncClient]:
    """The public listener's application, called in process."""
    config = IngestConfig(
        kafka_bootstrap_servers=["unused:9092"],
        intercom_client_secrets=["unused"],
        ingest_body_max_bytes=100_000,
        ingest_read_timeout_s=0.2,
    )
    transport = httpx.ASGITransport(new_api(ingest, config))
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        yield client


@pytest.fixture
def post_webhook(
    api: httpx.AsyncClient, signer: Signer
) -> Callable[[bytes], Awaitable[httpx.Response]]:
    async def post(body: bytes) -> httpx.Response:
        return await api.post("/webhooks/intercom", content=body, headers=signer.headers(body))

    return post


@pytest.fixture(scope="session")
def run_ingest(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """`with run_ingest(bootstrap, prefix) as running:` the real service, as a process."""

    @contextmanager
    def run(bootstrap: str, prefix: str, **variables: str) -> Iterator[Running]:
        log_file = tmp_path_factory.mktemp("ingest") / "log"
        environment = {
            "LULL_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "LULL_KAFKA_TOPIC_PREFIX": prefix,
            "LULL_INGEST_PORT": "0",
            "LULL_INGEST_HEALTH_PORT": "0",
            "LULL_INTERCOM_CLIENT_SECRETS": f"{SECRET.decode()},{OLD_SECRET.decode()}",
            "LULL_INGEST_ACTION_TOKENS": TOKEN,
            **variables,
        }
        process = ServiceProcess([sys.executable, "-m", "ingest"], environment, log_file)
        try:
            started = _started(process)
            yield Running(process, started["ingest"], started["health"])
        finally:
            process.stop()

    return run


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Awaitable[None]]:
    """Wait until the condition holds, or fail after the deadline."""

    async def wait(holds: Callable[[], Awaitable[bool]], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110 - what is waited for is another process
                await asyncio.sleep(0.05)

    return wait


def _started(process: ServiceProcess) -> dict[str, str]:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if found := process.addresses():
            return found
        time.sleep(0.02)
    raise AssertionError(f"ingest did not start:\n{process.log.read_text()}")
