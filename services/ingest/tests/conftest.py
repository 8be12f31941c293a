"""What ingest's tests share: signed requests, an event log in memory, the service as a process."""

import hmac
import itertools
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from common.clock import FakeClock
from common.events import ConversationEvent
from common.peers import PeerUnavailable
from devstack.service import ServiceProcess
from devstack.waiting import STARTS_WITHIN_S, wait_until
from ingest.api import new_api
from ingest.config import IngestConfig
from ingest.domain.action import Action
from ingest.domain.action_card import Asked
from ingest.domain.canvas_request import Looking
from ingest.domain.standing import AppStanding, End, Ends
from ingest.handlers import Ingest
from ingest.inbox import Inbox
from ingest.ports import Unavailable

FIXTURES = Path(__file__).parent / "fixtures"
SECRET = b"the-new-client-secret"
OLD_SECRET = b"the-old-client-secret"
TOKEN = "token-of-the-inbox-app"
NOW = datetime(2026, 11, 26, 13, 0, tzinfo=UTC)


@dataclass(slots=True)
class MemoryLog:
    """The event log in memory; `down` makes it refuse, as Kafka does when it cannot be reached."""

    appended: list[tuple[ConversationEvent, str]] = field(default_factory=list)
    down: bool = False

    async def append(self, event: ConversationEvent, event_id: str) -> None:
        if self.down:
            raise Unavailable
        self.appended.append((event, event_id))


@dataclass(slots=True)
class MemoryTold:
    noted: dict[str, Action] = field(default_factory=dict)
    down: bool = False

    async def is_new_or_same(self, action: Action) -> bool:
        if self.down:
            raise Unavailable
        return self.noted.setdefault(action.action_id, action) == action


@dataclass(slots=True)
class MemoryActions:
    """Delivery in memory: says what it is told to, and keeps who pressed what."""

    shown: list[AppStanding] = field(default_factory=list)
    silent: tuple[str, ...] = ()
    end: End = field(default_factory=lambda: End(state=Ends.DONE))
    pressed: list[tuple[Looking, Asked]] = field(default_factory=list)

    async def standings(self, _: Looking) -> tuple[list[AppStanding], tuple[str, ...]]:
        return self.shown, self.silent

    async def press(self, looking: Looking, asked: Asked) -> End:
        self.pressed.append((looking, asked))
        return self.end


@dataclass(slots=True)
class MemoryPending:
    due: datetime | None = None
    down: bool = False

    async def due_at(self, _: str, __: str) -> datetime | None:
        if self.down:
            raise PeerUnavailable
        return self.due


@dataclass(frozen=True, slots=True)
class Signer:
    secret: bytes = SECRET

    def canvas_headers(self, body: bytes) -> dict[str, str]:
        return {"X-Body-Signature": hmac.new(self.secret, body, "sha256").hexdigest()}

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
def memory_told() -> MemoryTold:
    return MemoryTold()


@pytest.fixture
def ingest(memory_log: MemoryLog, memory_told: MemoryTold) -> Ingest:
    return Ingest(
        memory_log,
        (SECRET, OLD_SECRET),
        {b"the-token-of-keap": "keap", TOKEN.encode(): "hubspot"},
        memory_told,
    )


@pytest.fixture
def actions() -> MemoryActions:
    return MemoryActions()


@pytest.fixture
def pending() -> MemoryPending:
    return MemoryPending()


@pytest.fixture
def inbox(actions: MemoryActions, pending: MemoryPending) -> Inbox:
    numbers = itertools.count(1)
    return Inbox(
        actions, pending, (SECRET, OLD_SECRET), FakeClock(NOW), lambda: f"drawn{next(numbers)}"
    )


@pytest.fixture
async def api(ingest: Ingest, inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """The public listener's application, called in process."""
    config = IngestConfig(
        kafka_bootstrap_servers=["unused:9092"],
        intercom_client_secrets=["unused"],
        ingest_body_max_bytes=100_000,
        ingest_read_timeout_s=0.2,
    )
    transport = httpx.ASGITransport(new_api(ingest, inbox, config))
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        yield client


@pytest.fixture
def post_webhook(
    api: httpx.AsyncClient, signer: Signer
) -> Callable[[bytes], Awaitable[httpx.Response]]:
    async def post(body: bytes) -> httpx.Response:
        return await api.post("/webhooks/intercom", content=body, headers=signer.headers(body))

    return post


@pytest.fixture
def canvas(
    api: httpx.AsyncClient, signer: Signer
) -> Callable[[str, dict[str, Any]], Awaitable[httpx.Response]]:
    """Ask as Intercom does, rightly signed."""

    async def ask(request: str, document: dict[str, Any]) -> httpx.Response:
        body = json.dumps(document).encode()
        headers = signer.canvas_headers(body)
        return await api.post(f"/canvas/{request}", content=body, headers=headers)

    return ask


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
            "LULL_INGEST_ACTION_TOKENS": f"hubspot:{TOKEN}",
            **variables,
        }
        process = ServiceProcess([sys.executable, "-m", "ingest"], environment, log_file)
        try:
            started = _started(process)
            yield Running(process, started["ingest"], started["health"])
        finally:
            process.stop()

    return run


def _started(process: ServiceProcess) -> dict[str, str]:
    return wait_until(
        process.addresses, STARTS_WITHIN_S, lambda: f"ingest started:\n{process.log.read_text()}"
    )
