"""The console at an address of its own, and a real browser to look at it with."""

import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from around_settings.ledger import TOKEN, Answer, Ledger, run_ledger
from common import topics
from common.clock import SystemClock
from common.config import KafkaConfig
from common.events import DeliveryOutcome
from devstack.ports import free_port
from devstack.waiting import until
from playwright.async_api import Page
from simulators.testing import RunningSimulators

AXE = "axe-core@4.14.1"


@pytest.fixture(scope="session")
def ledger() -> Iterator[Ledger]:
    with run_ledger() as ledger:
        yield ledger


@pytest.fixture(scope="session")
async def site(launcher: Any, migrated: None, simulators: RunningSimulators, ledger: Ledger) -> Any:
    """A replica that browsers reach where it says it is."""
    # With a second account everywhere, the simulated vendors ask whom to let in, as real ones do.
    simulators.control.create_workspace(
        "wkother", admins=[{"id": "1", "name": "Someone", "email": "someone@example.org"}]
    )
    simulators.control.create_account("hubspot", "1")
    simulators.control.create_account("pipedrive", "other")
    port = free_port()
    replica = await launcher.start(
        LULL_SETTINGS_PORT=str(port),
        LULL_SETTINGS_PUBLIC_URL=f"http://127.0.0.1:{port}",
        LULL_SETTINGS_SIGN_INS_PER_MINUTE="1000",
        LULL_SETTINGS_DELIVERY_URL=ledger.url,
        LULL_SETTINGS_DELIVERY_TOKEN=TOKEN,
    )
    await replica.until_ready()
    return replica


@dataclass(frozen=True)
class World:
    """A workspace at Intercom with two teammates, and a CRM account of either kind."""

    workspace: str
    name: str
    admin: str
    other: str
    hubspot: str
    pipedrive: str


@pytest.fixture
def new_world(simulators: RunningSimulators) -> Callable[[], World]:
    def new_world() -> World:
        unique = str(uuid.uuid4().int)[:9]
        world = World(
            workspace=f"wk{unique}",
            name=f"Acme {unique}",
            admin=f"5{unique}",
            other=f"6{unique}",
            hubspot=unique,
            pipedrive=f"acme{unique}",
        )
        simulators.control.create_workspace(
            world.workspace,
            name=world.name,
            region="EU",
            timezone="Europe/Berlin",
            admins=[
                {"id": world.admin, "name": "Sam Agent", "email": "sam@example.org"},
                {"id": world.other, "name": "Kim <b>Agent</b>", "email": "kim@example.org"},
            ],
        )
        simulators.control.create_account("hubspot", world.hubspot)
        simulators.control.create_account("pipedrive", world.pipedrive)
        return world

    return new_world


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    return new_world()


class Visitor:
    """A browser's cookies and headers without its window: what a page's request looks like."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.origin = site.public
        self.client = httpx.AsyncClient(
            base_url=site.public, timeout=30, headers={"Accept": "text/html"}
        )

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        return await self.client.post(
            path, data=fields, headers={"Sec-Fetch-Site": "same-origin", "Origin": self.origin}
        )

    async def through(self, leaving: httpx.Response, **choice: str) -> httpx.Response:
        """Follow a page that leads to a vendor, choose there, and come back."""
        assert leaving.status_code == 200, leaving.text
        url = leaving.text.partition('<a class="button primary" href="')[2].partition('"')[0]
        back = await self.site.redirect(url.replace("&amp;", "&"), **choice)
        return await self.client.get(back)

    async def sign_in(
        self, workspace: str, teammate: str, purpose: str = "sign_in"
    ) -> httpx.Response:
        return await self.through(
            await self.post("/sign-in", purpose=purpose), account=workspace, user=teammate
        )

    async def connect(self, workspace: str, app: str, account: str) -> httpx.Response:
        leaving = await self.post(f"/w/{workspace}/apps/{app}/connect")
        return await self.through(leaving, account=account)


@pytest.fixture
async def new_visitor(site: Any) -> AsyncIterator[Callable[[], Visitor]]:
    made: list[Visitor] = []

    def new_visitor() -> Visitor:
        made.append(Visitor(site))
        return made[-1]

    yield new_visitor
    for visitor in made:
        await visitor.client.aclose()


@pytest.fixture
async def admin(new_visitor: Callable[[], Visitor], world: World) -> Visitor:
    """Signed in as the admin of `world`, with HubSpot connected."""
    visitor = new_visitor()
    came = await visitor.sign_in(world.workspace, world.admin, "install")
    assert came.status_code == 303, came.text
    came = await visitor.connect(world.workspace, "hubspot", world.hubspot)
    assert came.status_code == 303, came.text
    return visitor


@pytest.fixture
def choose() -> Callable[..., Awaitable[None]]:
    """At the simulated vendor: let us into this account, as this user where it asks."""

    async def choose(tab: Page, account: str, user: str | None = None) -> None:
        box = tab.locator(f'form.box:has(input[name="account"][value="{account}"])')
        if user is not None:
            await box.locator("select").select_option(user)
        await box.get_by_role("button").click()

    return choose


class Reporter:
    """Delivery and ingest, as far as the history hears of them: records on their topics."""

    def __init__(
        self, producer: AIOKafkaProducer, prefix: str, database: Any, ledger: Ledger
    ) -> None:
        self._ledger = ledger
        self._producer = producer
        self._prefix = prefix
        self._database = database
        self._made = 0

    async def outcome(self, world: World, conversation: str, outcome: str, **more: Any) -> str:
        """Keep it in the ledger, report it, and wait until the console knows."""
        outcome_id = await self.report(world, conversation, outcome, **more)
        await self.until(
            "SELECT 1 FROM history WHERE outcome_id = $1 AND workspace_id = $2",
            outcome_id,
            world.workspace,
        )
        return outcome_id

    def event(self, world: World, conversation: str, outcome: str, **more: Any) -> DeliveryOutcome:
        self._made += 1
        return DeliveryOutcome(
            **{
                "workspace_id": world.workspace,
                "conversation_id": conversation,
                "outcome_id": f"{world.workspace}-{conversation}-{self._made}",
                "app": "hubspot",
                "crm_account": world.hubspot,
                "outcome": outcome,
                "triggers": ("quiet",),
                "decided_at": SystemClock().now(),
            }
            | more
        )

    async def report(self, world: World, conversation: str, outcome: str, **more: Any) -> str:
        """Keep it in the ledger and report it."""
        event = self.event(world, conversation, outcome, **more)
        self._ledger.keep(
            Answer(
                event.workspace_id,
                event.conversation_id,
                event.app,
                event.outcome,
                event.person_id,
                event.decided_at,
            )
        )
        await self.send(topics.DELIVERY_OUTCOME, event.key(), event.to_json())
        return event.outcome_id

    async def send(self, topic: str, key: bytes | None, value: bytes) -> None:
        await self._producer.send_and_wait(self._prefix + topic, value, key=key)

    async def until(self, query: str, *arguments: Any) -> Any:
        return await until(lambda: self._database.fetchval(query, *arguments))


@pytest.fixture
async def reporter(
    kafka_config: KafkaConfig, database: Any, ledger: Ledger
) -> AsyncIterator[Reporter]:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_config.kafka_bootstrap_servers)
    await producer.start()
    yield Reporter(producer, kafka_config.kafka_topic_prefix, database, ledger)
    await producer.stop()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's script, fetched for the test and not kept: its licence is not ours (MPL-2.0)."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm to fetch axe-core with")
    folder = tmp_path_factory.mktemp("axe")
    fetched = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder, AXE],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if fetched.returncode != 0:
        pytest.skip(f"axe-core cannot be fetched: {fetched.stderr.strip()[-200:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
async def admin_tab(tab: Page, admin: Visitor, site: Any) -> Page:
    """A page whose browser is signed in as the admin of `world`."""
    await tab.context.add_cookies(
        [
            {
                "name": "lull",
                "value": admin.client.cookies["lull"],
                "url": site.public,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )
    return tab
