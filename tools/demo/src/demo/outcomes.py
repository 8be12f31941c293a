"""What the product reports on `delivery.outcome`, read from its start and kept up to date."""

import asyncio
import logging
import threading
from collections import defaultdict
from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from common import topics
from common.events import DeliveryOutcome
from common.outcomes import Outcome

Key = tuple[str, str]  # conversation id, app

# Kafka is killed and started again on purpose; what its client says of that is no news.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


class OutcomeReader:
    """Reads in a thread of its own; a repeated outcome (same id) counts once."""

    def __init__(self, bootstrap: str, workspaces: frozenset[str]) -> None:
        self._bootstrap = bootstrap
        self._workspaces = workspaces  # those of others are passed over
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outcomes", daemon=True)
        self._seen: dict[str, DeliveryOutcome] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(10)

    def by_conversation(self) -> dict[Key, list[Outcome]]:
        found: dict[Key, list[Outcome]] = defaultdict(list)
        with self._lock:
            for event in sorted(self._seen.values(), key=lambda event: event.decided_at):
                found[event.conversation_id, event.app].append(event.outcome)
        return found

    def of(self, conversation_id: str) -> int:
        """How many outcomes were reported for this conversation, over all apps."""
        with self._lock:
            return sum(one.conversation_id == conversation_id for one in self._seen.values())

    def _run(self) -> None:
        asyncio.run(self._read())

    async def _read(self) -> None:
        while not self._stop.is_set():
            consumer = AIOKafkaConsumer(
                topics.DELIVERY_OUTCOME,
                bootstrap_servers=self._bootstrap,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                metadata_max_age_ms=1_000,
            )
            try:
                await consumer.start()
                while not self._stop.is_set():
                    batch = await consumer.getmany(timeout_ms=200)
                    events = [
                        DeliveryOutcome.model_validate_json(record.value)
                        for records in batch.values()
                        for record in records
                    ]
                    ours = {
                        event.outcome_id: event
                        for event in events
                        if event.workspace_id in self._workspaces
                    }
                    with self._lock:
                        self._seen |= ours
            except KafkaError:
                await asyncio.sleep(0.5)  # Kafka is being started again
            finally:
                await consumer.stop()
