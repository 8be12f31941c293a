"""The whole product as a rig for tests: a workspace per app, and a search of all it keeps."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from common import topics
from common.catalog import APPS, ActionKind
from demo import canary
from demo.environment import local
from demo.inbox_card import InboxCard
from demo.install import Installer, intercom_app
from demo.product import SERVICES, Product
from demo.scenario import InstalledApp, Workspace
from devstack.waiting import wait_until
from simulators.client import SimulatorControl
from simulators.crms import CRMS as SIMULATED

TEAMMATE = "5001"
WITHIN_S = 90.0
WORDS = {
    "text": "xylophone7391",
    "subject": "quokka7391subject",
    "file": "axolotl7391.pdf",
    "name": "Zebrilla7391",
    "address": "wombat7391@customers.example",
    "phone": "6605557391",
    "teammate": "Okapiro7391",
    "teammate's address": "okapi7391@agents.example",
    "typed name": "Quagganella7391",
    "typed address": "kookaburra7391@forms.example",
    "typed title": "tarsier7391title",
    "typed text": "pademelon7391text",
}


class PlantedProduct(Product):
    planted: str | None = None

    def plant(self, planted: str | None) -> None:
        self.planted = planted
        self._environment["PLANTED"] = planted or ""

    def _module(self, name: str) -> list[str]:
        if name == "delivery" and self.planted:
            return ["planted"]
        return super()._module(name)


class Rig:
    """The whole product, one workspace per app, its delivery as it is or with a fault planted."""

    def __init__(self, product: PlantedProduct, control: SimulatorControl) -> None:
        self.product = product
        self.control = control
        self.words = WORDS
        self.accounts = {
            app.key: SIMULATED[app.crm].account_id(42_000 + number)
            for number, app in enumerate(APPS.values())
        }
        self.talks: dict[str, list[str]] = {app: [] for app in APPS}
        self.api = httpx.Client(base_url=local(product.ports.delivery), timeout=10, trust_env=False)

    def install(self) -> None:
        self.control.set_intercom_app(**intercom_app(local(self.product.ports.ingest)))
        installer = Installer(self.product.system)
        for number, app in enumerate(APPS):
            workspace, account = f"wk{number}", self.accounts[app]
            self.control.create_workspace(
                workspace,
                admins=[
                    {
                        "id": TEAMMATE,
                        "name": WORDS["teammate"],
                        "email": WORDS["teammate's address"],
                    }
                ],
                contacts=[
                    {
                        "id": f"{number:024}",
                        "name": WORDS["name"],
                        "email": WORDS["address"],
                        "phone": f"+43{WORDS['phone']}",
                    },
                    {"id": _stranger(number), "role": "lead", "name": WORDS["name"]},
                ],
            )
            self.control.create_account(
                APPS[app].crm, account, persons=[{"name": WORDS["name"], "email": WORDS["address"]}]
            )
            place = Workspace(
                id=workspace,
                name="Somebody",
                region="US",
                timezone="UTC",
                teammates={TEAMMATE: WORDS["teammate"]},
                apps=[InstalledApp(app=app, account=account, sync=True, users=[TEAMMATE])],
            )
            installer.connect_intercom(place)
            installer.install_apps(place)
        installer.close()
        # Intercom tells whole seconds: what is said in the second of the install counts as before.
        installed = int(time.time())
        self.until(lambda: int(time.time()) > installed)

    def say(self, app: str, text: str = WORDS["text"], *, stranger: bool = False) -> str:
        """A conversation of the customer whom the CRM knows, or of one without an address."""
        number = list(APPS).index(app)
        contact = _stranger(number) if stranger else f"{number:024}"
        posted = self.control.create_conversation(
            f"wk{number}",
            contacts=[contact],
            author={"type": "lead" if stranger else "user", "id": contact},
            body=f"<p>{text} {text}</p>",
            subject=WORDS["subject"],
            source_type="email",
            attachments=[{"name": WORDS["file"], "url": "https://files.example/1"}],
            admin_assignee_id=TEAMMATE,
        )
        self.talks[app].append(posted["conversation"])
        return str(posted["conversation"])

    def card(self, app: str, talk: str) -> InboxCard:
        """The inbox card of a conversation."""
        workspace = f"wk{list(APPS).index(app)}"
        return InboxCard(lambda pressed: self.control.canvas(workspace, talk, TEAMMATE, pressed))

    def type_into(self, app: str, kind: ActionKind, talk: str) -> tuple[InboxCard, str]:
        """Open the form and fill it with the words that must lie nowhere; the button to press."""
        card = self.card(app, talk)
        card.refresh_until(f"open:{app}:{kind}", WITHIN_S)
        card.press(f"open:{app}:{kind}")
        card.fill(
            name=WORDS["typed name"],
            email=WORDS["typed address"],
            title=WORDS["typed title"],
            text=WORDS["typed text"],
        )
        return card, f"do:{app}:{kind}"

    def reply(self, app: str) -> None:
        number = list(APPS).index(app)
        for talk in self.talks[app]:
            author = {"type": "admin", "id": TEAMMATE}
            self.control.reply(f"wk{number}", talk, author, f"<p>{WORDS['text']} again</p>")

    def ended(self) -> bool:
        """Whether every conversation has an outcome, and nothing is open."""
        for number, app in enumerate(APPS):
            for talk in self.talks[app]:
                answer = self.api.get(f"/v1/deliveries/wk{number}/{talk}")
                if answer.status_code != 200:
                    return False
                if any(e["open"] or not e["last"] for e in answer.json()["deliveries"]):
                    return False
        return True

    def until(self, what: Callable[[], object], within_s: float = WITHIN_S) -> None:
        wait_until(what, within_s)

    def deliver_as(self, plant: str | None) -> None:
        self.product.plant(plant)
        self.product.restart("delivery")
        self.product.wait_ready("delivery")

    async def records(self) -> AsyncIterator[tuple[str, bytes]]:
        """Topic and bytes of every record: key, value and headers, whatever compressed them."""
        stack = self.product.stack
        assert stack is not None
        names = [topic.name for topic in topics.TOPICS]
        async with AIOKafkaConsumer(
            *names, bootstrap_servers=stack.kafka_bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            while any([await consumer.position(p) < end for p, end in ends.items()]):
                for found in (await consumer.getmany(timeout_ms=200)).values():
                    for record in found:
                        said = [record.key or b"", record.value or b""]
                        said += [name.encode() + value for name, value in record.headers]
                        yield record.topic, b" ".join(said)

    async def rows(self) -> AsyncIterator[tuple[str, str]]:
        """Table and text of every row, which PostgreSQL may have compressed."""
        stack = self.product.stack
        assert stack is not None
        for database in ("lull_settings", "lull_delivery"):
            connection = await asyncpg.connect(
                stack.postgres_dsn.rpartition("/")[0] + f"/{database}"
            )
            await connection.execute("CHECKPOINT")
            tables = await connection.fetch(
                "SELECT quote_ident(relname) AS name FROM pg_stat_user_tables ORDER BY 1"
            )
            for table in tables:
                for row in await connection.fetch(f"SELECT t::text AS row FROM {table['name']} t"):  # noqa: S608
                    yield f"{database}.{table['name']}", row["row"]
            await connection.close()

    def pages(self) -> Iterator[tuple[str, str]]:
        """What the services show of themselves."""
        for service in SERVICES:
            for path in ("/metrics", "/readyz", "/healthz"):
                answer = httpx.get(f"{self.product.health_url(service)}{path}", trust_env=False)
                yield f"{service}{path}", answer.text

    async def found(self, words: list[str]) -> dict[str, list[str]]:
        """Where each of these words lies; words that are nowhere are left out."""
        places: dict[str, list[str]] = {}

        def note(text: str, place: str) -> None:
            for word in words:
                if word.lower() in text.lower():
                    places.setdefault(word, []).append(place)

        async for topic, said in self.records():
            note(said.decode(errors="replace"), f"record of {topic}")
        async for table, row in self.rows():
            note(row, f"row of {table}")
        for page, text in self.pages():
            note(text, page)
        folders = [self.product.folder / "data", self.product.logs]
        files = await asyncio.to_thread(canary.files_with_any, words, folders)
        for word, paths in files.items():
            places.setdefault(word, []).extend(
                str(path.relative_to(self.product.folder)) for path in paths
            )
        return places


def _stranger(number: int) -> str:
    return f"f{number:023}"


@pytest.fixture(scope="package")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    product = PlantedProduct(tmp_path_factory.mktemp("no-text"), quiet_period_s=1)
    shutil.copy(Path(__file__).with_name("planted.py"), product.folder / "planted.py")
    try:
        # In threads: Kafka clients of other tests live on this event loop, and must not starve.
        await asyncio.to_thread(product.start)
        with SimulatorControl(local(product.ports.simulators)) as control:
            rig = Rig(product, control)
            await asyncio.to_thread(rig.install)
            yield rig
            rig.api.close()
    finally:
        await asyncio.to_thread(product.stop)
