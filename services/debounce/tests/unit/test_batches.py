"""Batches and their records, held against aiokafka's own reading of the same bytes."""

import struct
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from debounce.adapters import batches
from debounce.adapters.frames import frames, headers
from debounce.ports import Batch
from hypothesis import given
from hypothesis import strategies as st

TP = TopicPartition("updated", 3)
OwnRecords, OwnMemory = fetcher.PartitionRecords, MemoryRecords
NO_APPEND_TIME, APPEND_TIME, CONTROL = 0, 8, 32

Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
UPDATE: Record = (b"w1:1", b"{}", [("ce_id", b"1")])


def batch_bytes(
    base_offset: int,
    records: list[Record],
    *,
    attributes: int = APPEND_TIME,
    at_ms: int = 1_790_000_000_000,
    compression: int = 0,
) -> bytes:
    """As brokers keep it: built by aiokafka, then they set offset, attributes and time."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 2**20)
    for number, (key, value, of_record) in enumerate(records):
        # Producers' own times lie apart by any number.
        assert builder.append(number, at_ms - number * 977, key, value, of_record)
    built = bytearray(builder.build())
    struct.pack_into(">q", built, 0, base_offset)
    struct.pack_into(">h", built, 21, attributes | compression)
    struct.pack_into(">q", built, 35, at_ms)
    struct.pack_into(">I", built, 17, calc_crc32c(memoryview(built)[21:]))
    return bytes(built)


def ours(data: bytes, fetch_offset: int = 0) -> batches.Batches:
    # As aiokafka's fetcher makes it.
    return batches.Batches(
        TP, batches.Fetched(data), [], fetch_offset, None, None, True, fetcher.READ_UNCOMMITTED
    )


def records_of(found: Iterator[Batch]) -> list[tuple[int, int | None, bytes | None]]:
    return [
        (offset, batch.appended_ms, value) for batch in found for offset, value, _ in frames(batch)
    ]


def theirs(data: bytes, fetch_offset: int = 0) -> Any:
    return OwnRecords(
        TP, OwnMemory(data), [], fetch_offset, None, None, True, fetcher.READ_UNCOMMITTED
    )


BYTES = st.one_of(
    st.none(), st.binary(max_size=80), st.sampled_from([b"long" * 2_500, b"longer" * 4_000])
)
HEADERS = st.lists(st.tuples(st.text(max_size=90), BYTES), max_size=8)
RECORDS = st.lists(st.tuples(BYTES, BYTES, HEADERS), min_size=1, max_size=5)


@given(st.lists(RECORDS, min_size=1, max_size=3), st.integers(0, 2**40), st.integers(0, 8))
def test_any_records_are_told_apart_as_aiokafka_does(
    in_batches: list[list[Record]], base_offset: int, skipped: int
) -> None:
    data, next_offset = b"", base_offset
    for records in in_batches:
        data += batch_bytes(next_offset, records)
        next_offset += len(records)
    fetch_offset = base_offset + min(skipped, len(in_batches[0]) - 1)

    found, expected = ours(data, fetch_offset), list(theirs(data, fetch_offset))

    assert records_of(found) == [(one.offset, one.timestamp, one.value) for one in expected]
    assert found.next_fetch_offset == next_offset
    keyless = [
        headers(batch.data, at)
        for batch in ours(data, fetch_offset)
        for _, _, at in frames(batch)
        if at is not None
    ]
    assert keyless == [
        [(name.encode(), value) for name, value in one.headers]
        for one in expected
        if one.key is None
    ]


def test_many_records_of_one_batch_have_long_deltas() -> None:
    data = batch_bytes(10, [UPDATE] * 20_000)

    assert [offset for offset, _, _ in records_of(ours(data, 10))] == list(range(10, 20_010))


def test_a_batch_that_begins_before_the_fetch_is_read_from_there() -> None:
    (batch,) = ours(batch_bytes(100, [UPDATE] * 5), fetch_offset=103)

    assert (batch.offset, batch.next_offset) == (103, 105)
    assert [offset for offset, _, _ in frames(batch)] == [103, 104]


def test_the_position_passes_each_batch_as_it_is_handed_over() -> None:
    """aiokafka fetches from there next, also if the rest of what it has is thrown away."""
    found = ours(batch_bytes(0, [UPDATE] * 3) + batch_bytes(3, [UPDATE]))

    assert found.next_fetch_offset == 0
    next(found)
    assert found.next_fetch_offset == 3


def test_a_compressed_batch_is_read_like_any_other() -> None:
    records: list[Record] = [(b"w1:%d" % one, b"value %d" % one, []) for one in range(50)]

    compressed = records_of(ours(batch_bytes(7, records, compression=1), 9))

    assert compressed == records_of(ours(batch_bytes(7, records), 9))


def test_a_codec_without_its_library_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(batches._CODECS, 1, (lambda: False, lambda data: data))

    with pytest.raises(UnsupportedCodecError):
        next(ours(batch_bytes(0, [UPDATE], compression=1)))


def test_a_control_batch_is_passed_over() -> None:
    data = batch_bytes(0, [UPDATE]) + batch_bytes(1, [UPDATE], attributes=APPEND_TIME | CONTROL)

    found = ours(data)

    assert records_of(found) == [(0, 1_790_000_000_000, b"{}")]
    assert found.next_fetch_offset == 2


def test_a_topic_that_keeps_the_producers_times_is_told_apart() -> None:
    (batch,) = ours(batch_bytes(0, [UPDATE], attributes=NO_APPEND_TIME))

    assert batch.appended_ms is None
    assert batch.offset == 0


def test_a_batch_that_was_damaged_is_refused() -> None:
    data = bytearray(batch_bytes(0, [UPDATE]))
    data[-1] ^= 1

    with pytest.raises(CorruptRecordException):
        next(ours(bytes(data)))


def test_what_the_fetcher_takes_is_replaced_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another aiokafka these names may be gone, or be made and asked in another way."""
    for name in ("MemoryRecords", "PartitionRecords"):
        monkeypatch.setattr(fetcher, name, getattr(fetcher, name))

    batches.deliver_whole_batches()

    named = fetcher.Fetcher._proc_fetch_request.__code__.co_names
    assert {"MemoryRecords", "PartitionRecords"} <= set(named)
    made = fetcher.PartitionRecords(
        TP, fetcher.MemoryRecords(batch_bytes(0, [UPDATE])), [], 0, None, None, True, 0
    )
    assert [batch.next_offset for batch in made] == [1]
