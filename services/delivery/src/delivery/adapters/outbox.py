"""The outbox: outcomes leave the ledger for Kafka, each at least once, under its own fixed id."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
from aiokafka.errors import KafkaError
from common import log
from common.clock import Clock
from common.events import DeliveryOutcome
from common.health import Loop
from common.kafka import publish
from faststream.kafka import KafkaBroker
from prometheus_client import Counter

from delivery.adapters.database import connected
from delivery.ports import LedgerAway

_log = log.get(__name__)

_BATCH = 200
_IDLE_S = 0.2
_TROUBLE_S = 1.0
# A replica that took outcomes and died leaves them to the others after this.
_TAKEN_FOR = timedelta(seconds=30)
_PUBLISH_TIMEOUT_S = 20.0

_published = Counter("lull_delivery_outcomes_published_total", "Outcomes sent", ["outcome"])

_TAKE = """
UPDATE ledger SET outbox_due_at = now() + $2::interval
 WHERE id IN (SELECT id FROM ledger WHERE outbox_due_at <= now()
              ORDER BY outbox_due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, outbox
"""
# Exactly what was sent is taken out. The outbox is read inside SET, from the row as it is once its
# lock is had: from a subquery in FROM it would be the one before a finish that came meanwhile.
DROP_SENT = """
UPDATE ledger SET
  outbox = (SELECT coalesce(jsonb_agg(item ORDER BY place), '[]')
              FROM jsonb_array_elements(ledger.outbox) WITH ORDINALITY AS o(item, place)
             WHERE item ->> 'outcome_id' <> ALL ($2::text[])),
  outbox_due_at = CASE WHEN EXISTS (SELECT FROM jsonb_array_elements(ledger.outbox) AS o(item)
                                     WHERE item ->> 'outcome_id' <> ALL ($2::text[]))
                       THEN now() END
 WHERE id IN (SELECT id FROM ledger WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE)
"""


@dataclass(frozen=True, slots=True)
class Outbox:
    pool: asyncpg.Pool
    broker: KafkaBroker
    topic: str
    clock: Clock
    source: str

    async def run(self, stop: asyncio.Event, loop: Loop) -> None:
        """Relay until asked to end; what cannot be sent now stays in its row."""
        while not stop.is_set():
            loop.beat()
            pause = _IDLE_S
            try:
                if await self.relay():
                    continue
            except (LedgerAway, KafkaError, TimeoutError, OSError) as error:
                _log.warning("outbox.held", error=type(error).__name__)
                pause = _TROUBLE_S
            await _wait(stop, pause)

    async def relay(self) -> int:
        """Send one batch; how many rows it came from."""
        async with connected(self.pool) as connection:
            taken = await connection.fetch(_TAKE, _BATCH, _TAKEN_FOR)
        if not taken:
            return 0
        outcomes = [
            DeliveryOutcome.model_validate(item)
            for record in taken
            for item in json.loads(record["outbox"])
        ]
        async with asyncio.timeout(_PUBLISH_TIMEOUT_S):
            await asyncio.gather(*(self._publish(outcome) for outcome in outcomes))
        async with connected(self.pool) as connection:
            await connection.execute(
                DROP_SENT,
                [record["id"] for record in taken],
                [outcome.outcome_id for outcome in outcomes],
            )
        return len(taken)

    async def _publish(self, outcome: DeliveryOutcome) -> None:
        await publish(
            self.broker,
            self.topic,
            outcome.key(),
            outcome,
            source=self.source,
            clock=self.clock,
            event_id=outcome.outcome_id,
        )
        _published.labels(outcome.outcome).inc()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
