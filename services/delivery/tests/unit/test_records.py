"""Which records are events of ours, and what happens to those that are not."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from common.consuming import CarefulConsumer, Held, Unusable
from common.events import ConversationSettled, Trigger
from common.health import Health
from delivery.subscribers import RECORD_MAX_BYTES, settled_event

EVENT = ConversationSettled(
    workspace_id="wk1",
    conversation_id="1",
    trigger=Trigger.QUIET,
    updated_at=datetime(2026, 11, 22, tzinfo=UTC),
    part_id=7,
)
KIND = ConversationSettled.type_name().encode()


@dataclass
class FakeRecord:
    value: bytes | None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    topic: str = "conversation.settled"
    partition: int = 0
    offset: int = 41


def test_an_event_is_read_with_and_without_its_type() -> None:
    for headers in ([("ce_type", KIND)], []):
        record: Any = FakeRecord(EVENT.to_json(), list(headers))
        assert settled_event(record) == EVENT


@pytest.mark.parametrize("kind", [b"lull.Tick.v1", b"com.example.other", b"\xff\xfe"])
def test_ticks_and_foreign_kinds_are_skipped(kind: bytes) -> None:
    record: Any = FakeRecord(b"whatever", [("ce_type", kind)])
    assert settled_event(record) is None


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        (None, KIND, "no_value"),
        (b"", KIND, "no_value"),
        (b"{", KIND, "not_an_event"),
        (b"[]", KIND, "not_an_event"),
        (b'{"workspace_id": "a b"}', KIND, "not_an_event"),
        (b"\xff", KIND, "not_an_event"),
        (b" " * (RECORD_MAX_BYTES + 1), KIND, "too_large"),
        (EVENT.to_json(), b"lull.ConversationSettled.v2", "unknown_version"),
    ],
)
def test_what_claims_to_be_ours_and_is_unreadable_is_unusable(
    value: bytes | None, kind: bytes, reason: str
) -> None:
    record: Any = FakeRecord(value, [("ce_type", kind)])
    with pytest.raises(Unusable) as refused:
        settled_event(record)
    assert refused.value.reason == reason


@dataclass
class FakeConsumer:
    committed: dict[TopicPartition, int] = field(default_factory=dict)
    sought: list[int] = field(default_factory=list)
    read_to: int = 50
    away: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    ours: set[TopicPartition] = field(
        default_factory=lambda: {TopicPartition("conversation.settled", 0)}
    )

    def assignment(self) -> set[TopicPartition]:
        return self.ours

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed |= offsets

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        self.asked.set()
        if self.away:
            raise KafkaConnectionError
        return dict.fromkeys(partitions, 50)

    async def position(self, _partition: TopicPartition) -> int:
        return self.read_to

    def seek(self, _partition: TopicPartition, offset: int) -> None:
        self.sought.append(offset)


@dataclass
class Rig:
    """A careful consumer over a handler that does as told, one thing per try."""

    tells: list[Exception | None]
    aside: list[str] = field(default_factory=list)
    tries: int = 0
    tried: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.seconds = 0.0
        health = self.health = Health("test", now=lambda: self.seconds)
        self.consumer: Any = FakeConsumer()
        self.careful = CarefulConsumer(
            self._handle, self._set_aside, health.loop("test"), health.need("test")
        )

    async def _handle(self, records: Any) -> list[tuple[Any, str]]:
        self.tried.set()
        told = self.tells[min(self.tries, len(self.tells) - 1)]
        self.tries += 1
        if isinstance(told, Unusable):
            return [(record, told.reason) for record in records]
        if told is not None:
            raise told
        return []

    async def _set_aside(self, _record: Any, reason: str) -> None:
        self.aside.append(reason)

    async def watched(self, seconds: float) -> bool:
        """Whether it is alive after being watched for that long."""
        stop = asyncio.Event()
        watching = asyncio.create_task(self.careful.watch(stop, lambda: self.consumer))
        for _ in range(8):
            await self._asked_twice()
            self.seconds += seconds / 8
        await self._asked_twice()
        stop.set()
        await watching
        return self.health.healthz()[0]

    async def _asked_twice(self) -> None:
        """A whole round of watching has been since."""
        for _ in range(2):
            self.consumer.asked.clear()
            await asyncio.wait_for(self.consumer.asked.wait(), 10)

    async def take(self) -> None:
        record: Any = FakeRecord(b"x")
        await self.careful.on_records(self.consumer, [record])


PLACE = TopicPartition("conversation.settled", 0)


async def test_a_handled_record_commits_its_own_offset() -> None:
    rig = Rig([None])
    await rig.take()
    assert rig.consumer.committed == {PLACE: 42}


@pytest.mark.parametrize(
    ("error", "reason"), [(Unusable("no_value"), "no_value"), (KeyError("x"), "internal_error")]
)
async def test_an_unusable_record_is_set_aside_and_passed(error: Exception, reason: str) -> None:
    rig = Rig([error])
    await rig.take()
    assert (rig.aside, rig.consumer.committed) == ([reason], {PLACE: 42})


async def test_a_held_record_is_tried_again_and_nothing_is_committed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("common.consuming.HOLD_PAUSE_S", 0.001)
    rig = Rig([Held("away"), Held("away"), None])
    await rig.take()
    assert (rig.tries, rig.consumer.committed) == (3, {PLACE: 42})


async def test_a_record_held_for_long_is_read_again_so_that_the_group_sees_us_alive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("common.consuming.HOLD_PAUSE_S", 0.001)
    monkeypatch.setattr("common.consuming.HOLD_MAX_S", 0.02)
    rig = Rig([Held("away")])
    await rig.take()
    assert (rig.consumer.committed, rig.consumer.sought) == ({}, [41])


async def test_a_rebalance_takes_a_held_record_away_without_committing_it() -> None:
    rig = Rig([Held("away")])
    taking = asyncio.create_task(rig.take())
    await rig.tried.wait()
    await rig.careful.on_partitions_revoked({PLACE})
    await taking
    assert (rig.consumer.committed, rig.consumer.sought) == ({}, [])
    await rig.take()
    assert rig.tries == 1  # between revocation and assignment nothing is handled
    await rig.careful.on_partitions_assigned({PLACE})
    rig.tells = [None]
    await rig.take()
    assert rig.consumer.committed == {PLACE: 42}


async def test_a_record_of_a_partition_that_is_no_longer_ours_is_left_to_its_owner() -> None:
    rig = Rig([None])
    rig.consumer.ours = set()
    await rig.take()
    assert (rig.tries, rig.consumer.committed) == (0, {})


async def test_records_of_several_partitions_are_committed_together_each_at_its_own_end() -> None:
    rig = Rig([None])
    other = TopicPartition("conversation.settled", 1)
    rig.consumer.ours = {PLACE, other}
    records: Any = [
        replace(FakeRecord(b"x"), offset=offset, partition=partition)
        for partition, offset in ((0, 41), (0, 42), (1, 7))
    ]
    await rig.careful.on_records(rig.consumer, records)
    assert (rig.tries, rig.consumer.committed) == (1, {PLACE: 43, other: 8})


async def test_of_many_records_only_the_one_that_breaks_the_handler_is_set_aside() -> None:
    rig = Rig([None])
    handled: list[int] = []

    async def handle(records: Any) -> list[tuple[Any, str]]:
        if any(record.offset == 42 for record in records):
            raise KeyError("x")
        handled.extend(record.offset for record in records)
        return []

    rig.careful.handle = handle
    records: Any = [replace(FakeRecord(b"x"), offset=offset) for offset in (41, 42, 43)]
    await rig.careful.on_records(rig.consumer, records)
    assert (handled, rig.aside) == ([41, 43], ["internal_error"])
    assert rig.consumer.committed == {PLACE: 44}


async def test_records_held_for_long_are_all_read_again_from_the_first_of_each_partition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("common.consuming.HOLD_PAUSE_S", 0.001)
    monkeypatch.setattr("common.consuming.HOLD_MAX_S", 0.02)
    rig = Rig([Held("away")])
    records: Any = [replace(FakeRecord(b"x"), offset=offset) for offset in (41, 42, 43)]
    await rig.careful.on_records(rig.consumer, records)
    assert (rig.consumer.committed, rig.consumer.sought) == ({}, [41])


@pytest.mark.parametrize(
    ("read_to", "away", "joined", "alive", "ready"),
    [
        (50, False, True, True, True),  # nothing lies there
        (41, False, True, False, True),  # records lie there and nobody reads them
        (41, True, True, True, False),  # Kafka is away: a restart of ours would not help
        (50, False, False, True, False),  # joining
    ],
)
async def test_a_consumer_is_stuck_when_records_lie_there_unread(
    monkeypatch: pytest.MonkeyPatch,
    read_to: int,
    away: bool,
    joined: bool,
    alive: bool,
    ready: bool,
) -> None:
    monkeypatch.setattr("common.consuming._WATCH_EVERY_S", 0.001)
    rig = Rig([None])
    if joined:
        await rig.careful.on_partitions_assigned({PLACE})
    rig.consumer.read_to, rig.consumer.away = read_to, away
    assert await rig.watched(200) is alive
    assert rig.health.readyz()[0] is ready
