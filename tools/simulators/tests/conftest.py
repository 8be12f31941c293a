"""One set of simulators for all tests, clean for each; and an endpoint that webhooks are sent to.

After each test all of its traffic must have fitted the vendors' API descriptions.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from simulators.client import SimulatorControl
from simulators.testing import RunningSimulators, run_simulators

ADA = "67a0c0ffee00000000000001"
SAM = "5001"


@pytest.fixture(scope="session")
def running() -> Iterator[RunningSimulators]:
    with run_simulators(validate=True) as simulators:
        yield simulators


@pytest.fixture
def sims(running: RunningSimulators) -> Iterator[RunningSimulators]:
    running.control.reset()
    yield running
    assert running.control.violations() == []


@pytest.fixture
def control(sims: RunningSimulators) -> SimulatorControl:
    return sims.control


@dataclass
class Received:
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Endpoint:
    """Answers with `statuses` one by one, then 200; not at all while `answers` is unset."""

    body: bytes = b""  # of each answer

    url: str = ""
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def topics(self) -> list[str]:
        return [str(r.body["topic"]) for r in self.received]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    seen = Endpoint()
    seen.answers.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            seen.received.append(Received({k.lower(): v for k, v in self.headers.items()}, raw))
            seen.answers.wait(10)
            self.send_response(seen.statuses.pop(0) if seen.statuses else 200)
            self.send_header("content-length", str(len(seen.body)))
            self.end_headers()
            self.wfile.write(seen.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.url = f"http://127.0.0.1:{server.server_port}/webhooks/intercom"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield seen
        seen.answers.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def workspace(control: SimulatorControl, endpoint: Endpoint) -> str:
    control.set_intercom_app(webhook_url=endpoint.url)
    control.create_workspace(
        "wk9demo1",
        name="Acorn Bikes",
        admins=[
            {"id": SAM, "name": "Sam Agent", "email": "sam@example.org"},
            {"id": "5002", "name": "Noor Idris", "email": "noor@example.org"},
        ],
        teams=[{"id": "77", "name": "Billing", "admin_ids": [SAM]}],
        contacts=[
            {"id": ADA, "name": "Ada Example", "email": "ada@example.com", "external_id": "u-42"},
            {"id": "67a0c0ffee00000000000002", "role": "lead"},
        ],
    )
    return "wk9demo1"


@pytest.fixture
def conversation(control: SimulatorControl, workspace: str, endpoint: Endpoint) -> str:
    posted = control.create_conversation(
        workspace,
        contacts=[ADA],
        author={"type": "user", "id": ADA},
        body='<p>Hello, is <a href="https://example.com/42">order 42</a> ready?</p>',
        wait=True,
    )
    endpoint.received.clear()
    return str(posted["conversation"])


@pytest.fixture
def intercom(control: SimulatorControl, workspace: str) -> Iterator[httpx.Client]:
    """A client of the US host with a good token."""
    with _client(f"{control.base_url}/intercom/us", control.intercom_token(workspace)) as client:
        client.headers["Intercom-Version"] = "2.14"
        yield client


@pytest.fixture
def hubspot(control: SimulatorControl) -> Iterator[httpx.Client]:
    """A client of account 42001, which has Ada as contact 501."""
    account = control.create_account(
        "hubspot",
        "42001",
        users=[{"id": "9", "email": "sam@example.org", "name": "Sam"}],
        persons=[{"id": "501", "name": "Ada Example", "email": "ada@example.com"}],
    )
    with _client(account["api_base"], account["access_token"]) as client:
        yield client


@pytest.fixture
def pipedrive(control: SimulatorControl) -> Iterator[httpx.Client]:
    """A client of company acme, which has Ada as person 17."""
    account = control.create_account(
        "pipedrive",
        "acme",
        users=[{"id": "3", "email": "sam@example.org", "name": "Sam"}],
        persons=[{"id": "17", "name": "Ada Example", "email": "ada@example.com"}],
    )
    with _client(account["api_base"], account["access_token"]) as client:
        yield client


@pytest.fixture
def keap(control: SimulatorControl) -> Iterator[httpx.Client]:
    """A client of account ab123, which has Ada as contact 17."""
    account = control.create_account(
        "keap",
        "ab123",
        users=[{"id": "3", "email": "sam@example.org", "name": "Sam Agent"}],
        persons=[{"id": "17", "name": "Ada Example", "email": "ada@example.com"}],
    )
    with _client(account["api_base"], account["access_token"]) as client:
        yield client


@pytest.fixture
def salesloft(control: SimulatorControl) -> Iterator[httpx.Client]:
    """A client of team 42001 as its admin; the team has Ada as person 17."""
    account = control.create_account(
        "salesloft",
        "42001",
        users=[
            {"id": "3", "email": "sam@example.org", "name": "Sam Agent"},
            {"id": "4", "email": "kim@example.org", "name": "Kim Agent"},
        ],
        persons=[{"id": "17", "name": "Ada Example", "email": "ada@example.com"}],
    )
    with _client(account["api_base"], account["access_token"]) as client:
        yield client


@pytest.fixture
def sell(control: SimulatorControl) -> Iterator[httpx.Client]:
    """A client of account 42001, which has Ada as contact 17."""
    account = control.create_account(
        "zendesk_sell",
        "42001",
        users=[{"id": "3", "email": "sam@example.org", "name": "Sam"}],
        persons=[{"id": "17", "name": "Ada Example", "email": "ada@example.com"}],
        limits={"requests_per_second": 10_000},
    )
    with _client(account["api_base"], account["access_token"]) as client:
        yield client


@pytest.fixture
def dynamics(control: SimulatorControl) -> Iterator[httpx.Client]:
    """A client of environment contoso, which has Ada as a contact."""
    account = control.create_account(
        "dynamics365",
        "contoso",
        users=[{"id": "3", "email": "sam@example.org", "name": "Sam"}],
        persons=[{"id": "17", "name": "Ada Example", "email": "ada@example.com"}],
    )
    with _client(f"{account['api_base']}/api/data/v9.2", account["access_token"]) as client:
        yield client


def _client(base_url: str, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=base_url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
        trust_env=False,
    )
