"""Which records are events of ours, and what happens to those that are not."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import TopicPartition
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
    ours: set[TopicPartition] = field(
        default_factory=lambda: {TopicPartition("conversation.settled", 0)}
    )

    def assignment(self) -> set[TopicPartition]:
        return self.ours

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed |= offsets

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
        health = Health("test")
        self.consumer: Any = FakeConsumer()
        self.careful = CarefulConsumer(
            self._handle, self._set_aside, health.loop("test"), health.need("test")
        )

    async def _handle(self, _record: Any) -> None:
        self.tried.set()
        told = self.tells[min(self.tries, len(self.tells) - 1)]
        self.tries += 1
        if told is not None:
            raise told

    async def _set_aside(self, _record: Any, reason: str) -> None:
        self.aside.append(reason)

    async def take(self) -> None:
        record: Any = FakeRecord(b"x")
        await self.careful.on_record(self.consumer, record)


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
