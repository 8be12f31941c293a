"""The harness at a tiny size, with our own service alone."""

from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from bench.debounce import scenarios
from bench.debounce.contenders import OURS
from bench.debounce.load import Load, name
from bench.debounce.outputs import reader
from common.events import ConversationUpdated

pytestmark = pytest.mark.integration

UPDATES, CONVERSATIONS, PARTITIONS = 2_000, 400, 3


async def test_a_log_is_measured_and_every_output_judged(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    load = Load(kafka_bootstrap, "bench.", PARTITIONS)
    await load.create()
    await load.append(load.anyone(UPDATES, CONVERSATIONS))
    checker = load.settle(0.56)
    await load.close()
    await _log_is_as_the_load_says(load)

    row = await scenarios.throughput(load, checker, OURS, "run", tmp_path, 30)

    assert (row["missing"], row["premature"], row["repeated"], row["wrong"]) == (0, 0, 0, 0)
    assert row["outputs"] == row["expected"] == checker.expected
    assert row["start_s"] > 0
    assert row["cpu_s"] > 0
    assert row["peak_rss"] > 20 * 2**20
    async with reader(load) as outputs:
        found = await outputs.since(dict.fromkeys(await outputs.ends(), 0))
    assert checker.judge(found[1:], name).missing == 1
    assert checker.judge([*found, found[0]], name).repeated == 1


async def _log_is_as_the_load_says(load: Load) -> None:
    """What the broker acknowledged is what stands in the topic; nothing is left to be appended."""
    places = [TopicPartition(load.updated, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=load.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        records: list[Any] = []
        while len(records) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                records += batch
    finally:
        await consumer.stop()
    updates = load.updates
    seen = 0
    for record in records:
        if record.key is None or record.key.startswith(b"closing:"):
            continue
        event = ConversationUpdated.model_validate_json(record.value)
        number = event.part_id - 20_000_000_000
        assert record.timestamp_type == 1
        assert record.timestamp == updates.appended_ms[number]
        assert record.key == event.key() == name(updates.conversations[number])
        assert int(event.updated_at.timestamp()) == updates.updated_at[number]
        seen += 1
    assert seen == UPDATES
    assert len(records) == UPDATES + 2 * PARTITIONS
