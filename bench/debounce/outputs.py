"""The output topic: how much is there, and what it says."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from bench.debounce.check import Output
from bench.debounce.load import CLOSING, PART_IDS_FROM, PROBE, Load

# Contenders write the same JSON, one of them with spaces.
_NAMES = re.compile(rb'"updated_at": ?(\d+), ?"part_id": ?(\d+)')

Ends = dict[TopicPartition, int]


@asynccontextmanager
async def reader(load: Load) -> AsyncIterator["Outputs"]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=load.bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 2**20,
    )
    await consumer.start()
    try:
        yield Outputs(consumer, load)
    finally:
        await consumer.stop()


class Outputs:
    def __init__(self, consumer: AIOKafkaConsumer, load: Load) -> None:
        self._consumer = consumer
        self._places = [TopicPartition(load.settled, number) for number in range(load.partitions)]

    async def ends(self) -> Ends:
        ends: Ends = await self._consumer.end_offsets(self._places)
        return ends

    async def since(self, begin: Ends) -> list[Output]:
        """All that came after; nobody writes meanwhile."""
        ends = await self.ends()
        consumer = self._consumer
        left = {place for place in self._places if ends[place] > begin[place]}
        if not left:
            return []
        consumer.assign(list(left))
        for place in left:
            consumer.seek(place, begin[place])
        found: list[Output] = []
        while left:
            for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                found += filter(None, map(_output, (record for record in records)))
                if records[-1].offset + 1 >= ends[place]:
                    left.discard(place)
                    consumer.pause(place)
        consumer.unsubscribe()
        return found


def _output(record: object) -> Output | None:
    """None: of the harness's own conversations."""
    key, value = record.key, record.value  # type: ignore[attr-defined]
    if key.startswith((CLOSING, PROBE)):
        return None
    names = _NAMES.search(value)
    if names is None:
        return Output(key, 0, -1)
    return Output(key, int(names[1]), int(names[2]) - PART_IDS_FROM)
