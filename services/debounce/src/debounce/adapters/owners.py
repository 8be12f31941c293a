"""Which replica owns a partition, as the group's coordinator tells it."""

import asyncio
import time
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError
from common.kafka import client_security

from debounce.config import DebounceConfig
from debounce.ports import OwnerUnknown

KEPT_S: Final = 3.0
TIMEOUT_S: Final = 5.0
_CLIENT_ID: Final = "debounce-"


def client_id(config: DebounceConfig) -> str:
    """What this replica calls itself to the brokers; they name it so to whoever asks."""
    return _CLIENT_ID + config.debounce_instance_id


class GroupOwners:
    """Implements `ports.Owners`. Brokers are asked every few seconds at most."""

    def __init__(self, config: DebounceConfig, topic: str, group: str) -> None:
        self._config = config
        self._topic = topic
        self._group = group
        self._owners: dict[int, str] = {}
        self._asked_at_s: float | None = None
        self._asking = asyncio.Lock()

    async def owner_of(self, partition: int) -> str | None:
        async with self._asking:
            if self._asked_at_s is None or time.monotonic() - self._asked_at_s > KEPT_S:
                try:
                    async with asyncio.timeout(TIMEOUT_S):
                        self._owners = await self._ask()
                except (KafkaError, OSError, TimeoutError) as error:
                    raise OwnerUnknown(type(error).__name__) from error
                self._asked_at_s = time.monotonic()
            return self._owners.get(partition)

    async def _ask(self) -> dict[int, str]:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._config.kafka_bootstrap_servers,
            client_id=client_id(self._config),
            **client_security(self._config),
        )
        try:
            await admin.start()
            described = await admin.describe_consumer_groups([self._group])
        finally:
            await admin.close()
        owners: dict[int, str] = {}
        for answer in described:
            for _error, _group, _state, _type, _protocol, members, *_ in answer.groups:
                for _member, name, _host, _metadata, assignment, *_ in members:
                    if not assignment:
                        continue  # while the group rebalances
                    assigned = ConsumerProtocolMemberAssignment.decode(assignment)
                    for topic, numbers in assigned.assignment:
                        if topic == self._topic:
                            owners |= dict.fromkeys(numbers, name.removeprefix(_CLIENT_ID))
        return owners
