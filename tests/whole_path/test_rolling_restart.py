"""Two replicas of every service, restarted one after another under load: nothing lost or doubled.

Ingest answers each webhook, or Intercom's one retry finds the other replica; debounce and delivery
come back to their partitions; where settings is away, eligibility waits and is never guessed.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from demo.product import Product
from demo.run import Demo
from demo.scenario import load

pytestmark = [pytest.mark.integration, pytest.mark.faults]


@pytest.fixture
def product(tmp_path: Path, size: str) -> Iterator[Product]:
    if size == "quick":
        pytest.skip("more than a minute: in the size faults")
    product = Product(tmp_path, quiet_period_s=3, replicas=2)
    try:
        product.start()
        yield product
    finally:
        product.stop()


def refused(product: Product) -> float:
    """Webhooks that no replica of ingest took, at first or at last."""
    found = 0.0
    for replica in product.replicas.all:
        if replica.service == "ingest":
            page = httpx.get(f"{product.health_url(replica.name)}/metrics", trust_env=False).text
            for line in page.splitlines():
                if line.startswith("lull_ingest_webhooks_total{") and "published" not in line:
                    found += float(line.rpartition(" ")[2]) * ("unavailable" in line)
    return found


async def test_restarting_each_replica_in_turn_loses_nothing_and_doubles_nothing(
    product: Product, size: str
) -> None:
    rounds = {"faults": 1, "long": 10}[size]
    waiting = [replica.name for replica in product.replicas.all] * rounds
    restarted: list[str] = []

    def roll() -> bool:
        """As a rollout does: end one gently, start it again, go on when it is ready."""
        if not waiting:
            return False
        name = waiting.pop(0)
        product.restart(name)
        product.wait_ready(name)
        restarted.append(name)
        return True

    demo = Demo(product.system, load(), lambda line: None, webhook_retry_s=1.0)
    began = time.monotonic()
    report = await asyncio.to_thread(
        demo.run,
        after_round=lambda _: roll(),
        while_waiting=roll,
        by_outcomes=False,  # a restart between two messages may outlast the quiet period
        deadline_s=90.0,
    )
    print(f"{len(restarted)} restarts in {time.monotonic() - began:.0f} s")
    assert report.right, [line for line in report.lines if line.faults] + report.other_faults
    assert not waiting
    assert refused(product) == 0
