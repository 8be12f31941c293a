"""delivery's PostgreSQL comes out of a backup, by the runbook: one note of each, as before."""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from common import topics
from common.clock import SystemClock
from demo.look import crm_records
from demo.product import Product
from demo.run import Demo
from demo.scenario import Scenario, load
from devstack.postgres import binaries
from devstack.waiting import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.faults]

TALKS = 6  # every other one goes on after the restore
WITHIN_S = 60.0
ACME = (Path(__file__).resolve().parents[1] / "acme.toml").read_text()
PIPEDRIVE = """
[[workspaces.apps]]
app = "pipedrive"
account = "43001"
sync = true
users = ["5001"]
"""
TALK = """
[[conversations]]
name = "talk {number}"
workspace = "acme1"
customer = "Ada Bright {number}"
assignee = "5001"
steps = [{{ by = "customer", say = "Hello." }}{later}]
[conversations.expect]
why = "one note, whatever the ledger has forgotten"
hubspot = {{ outcomes = [], notes = 1, contains = ["{last}"] }}
pipedrive = {{ outcomes = [], notes = 1, activities = 1, contains = ["{last}"] }}
"""
LATER = ', { by = "customer", say = "I am back.", after_outcomes = 2 }'


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    said = ACME + PIPEDRIVE
    for number in range(TALKS):
        goes_on = number % 2 == 0
        said += TALK.format(
            number=number,
            later=LATER if goes_on else "",
            last="I am back" if goes_on else "Hello",
        )
    path = tmp_path / "talks.toml"
    path.write_text(said)
    return load(path)


@pytest.fixture
def product(tmp_path: Path, size: str) -> Iterator[Product]:
    if size == "quick":
        pytest.skip("half a minute; the simulation restores in the quick size, too")
    product = Product(tmp_path / "product", quiet_period_s=2)
    try:
        product.start()
        yield product
    finally:
        product.stop()


def postgres(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(binaries() / program), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def database(product: Product) -> str:
    """delivery's, as the superuser."""
    assert product.stack is not None
    return urlunsplit(urlsplit(product.stack.postgres_dsn)._replace(path="/lull_delivery"))


async def read_again_since(kafka: str, since: datetime) -> None:
    """As `kafka-consumer-groups --reset-offsets --to-datetime` does."""
    for crm in ("hubspot", "pipedrive"):
        consumer = AIOKafkaConsumer(
            topics.CONVERSATION_SETTLED,
            bootstrap_servers=kafka,
            group_id=f"delivery-{crm}",
            enable_auto_commit=False,
        )
        # Joining waits until the killed member's session is over.
        await consumer.start()
        try:
            while not (places := consumer.assignment()):
                await consumer.getmany(timeout_ms=100)
            at = dict.fromkeys(places, int(since.timestamp() * 1000))
            found = await consumer.offsets_for_times(at)
            ends = await consumer.end_offsets(places)
            await consumer.commit(
                {place: at.offset if (at := found[place]) else ends[place] for place in places}
            )
        finally:
            await consumer.stop()


async def test_a_ledger_that_forgot_every_note_doubles_none(
    product: Product, scenario: Scenario, tmp_path: Path
) -> None:
    backup = str(tmp_path / "delivery.dump")
    postgres("pg_dump", "--format=custom", f"--file={backup}", database(product))
    taken = SystemClock().now()

    def restore() -> None:
        assert product.stack is not None
        product.kill("delivery")
        postgres("pg_restore", "--clean", f"--dbname={database(product)}", backup)
        product.run_once(
            "distrust",
            ["lull", "ledger", "distrust", "--before", SystemClock().now().isoformat()],
        )
        asyncio.run(read_again_since(product.stack.kafka_bootstrap, taken))
        product.restart("delivery")
        product.wait_ready("delivery")

    def after_round(number: int) -> None:
        if number == 0:
            until_written(product, scenario)
            restore()

    demo = Demo(product.system, scenario, lambda line: None)
    report = await asyncio.to_thread(
        demo.run, after_round=after_round, by_outcomes=False, deadline_s=WITHIN_S
    )
    assert report.right, [line for line in report.lines if line.faults] + report.other_faults


def until_written(product: Product, scenario: Scenario) -> None:
    with httpx.Client(
        base_url=f"{product.system.simulators}/_control/", trust_env=False
    ) as simulators:

        def written() -> bool:
            found = crm_records(scenario, simulators).values()
            return all(len(seen.notes) == 1 for seen in found)

        wait_until(written, WITHIN_S, "every conversation has its note")
