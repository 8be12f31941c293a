"""Whole record batches from aiokafka's consumer, as they lie in the log.

aiokafka decodes every header of every record and makes a ConsumerRecord of it: half of what
an update cost here, for headers that nobody reads. It has no public way to leave that out, so this
module puts two classes of its own in the place of those its fetcher takes. Nothing else in debounce
knows. What is relied on: the names of both, how they are made and asked (see the tests, which hold
this reading against aiokafka's own), and the record batch of Kafka's protocol, version 2:
https://kafka.apache.org/documentation/#recordbatch (read 2026-11).
"""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, Final

from aiokafka import TopicPartition, codec
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords

from debounce.ports import Batch

_LENGTH: Final = Struct(">i")  # of what follows it
_LENGTH_AT: Final = 8
_MAGIC: Final = 2
_MAGIC_AT: Final = 16
_COUNT: Final = Struct(">i")
_COUNT_AT: Final = 57
_RECORDS_AT: Final = 61
_APPEND_TIME: Final = 1
_CODECS: Final[dict[int, tuple[Callable[[], bool], Callable[[bytes], bytes]]]] = {
    1: (codec.has_gzip, codec.gzip_decode),
    2: (codec.has_snappy, codec.snappy_decode),
    3: (codec.has_lz4, codec.lz4_decode),
    4: (codec.has_zstd, codec.zstd_decode),
}


def deliver_whole_batches() -> None:
    """From now on, every consumer of this process yields `Batch` where it yielded records."""
    fetcher.MemoryRecords = Fetched
    fetcher.PartitionRecords = Batches


class Fetched:
    """The bytes that a broker answered for one partition, which aiokafka's own class hides."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.batches = MemoryRecords(data)

    def has_next(self) -> bool:
        return bool(self.batches.has_next())

    def size_in_bytes(self) -> int:
        return len(self.data)


class Batches:
    """Iterates over batches, and keeps `next_fetch_offset` right for aiokafka meanwhile."""

    def __init__(
        self, tp: TopicPartition, fetched: Fetched, _aborted: object, fetch_offset: int, *_: object
    ) -> None:
        # The rest is about deserializers and transactions, neither of which debounce has.
        self.next_fetch_offset = fetch_offset
        self._iterator = self._batches(tp, fetched)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        return next(self._iterator)

    def _batches(self, tp: TopicPartition, fetched: Fetched) -> Iterator[Batch]:
        data, batches, begin = fetched.data, fetched.batches, 0
        while batches.has_next():
            batch: Any = batches.next_batch()
            if not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {tp}")
            (length,) = _LENGTH.unpack_from(data, begin + _LENGTH_AT)
            end = begin + _LENGTH_AT + _LENGTH.size + length
            wanted, self.next_fetch_offset = self.next_fetch_offset, batch.next_offset
            if not batch.is_control_batch:
                yield _batch(tp, batch, wanted, data, begin, end)
            begin = end


def _batch(tp: TopicPartition, batch: Any, wanted: int, data: bytes, begin: int, end: int) -> Batch:
    """`wanted`: the first offset to be read. A batch is answered whole, with what lies before."""
    if data[begin + _MAGIC_AT] < _MAGIC or batch.timestamp_type != _APPEND_TIME:
        return Batch(tp.topic, tp.partition, wanted, batch.next_offset, None)
    (count,) = _COUNT.unpack_from(data, begin + _COUNT_AT)
    begin += _RECORDS_AT
    if batch.compression_type:
        data, begin = _decompressed(batch.compression_type, data[begin:end]), 0
    return Batch(
        tp.topic,
        tp.partition,
        max(wanted, batch.base_offset),
        batch.next_offset,
        batch.max_timestamp,
        batch.base_offset,
        count,
        data,
        begin,
    )


def _decompressed(compression_type: int, records: bytes) -> bytes:
    there, decode = _CODECS[compression_type]
    if not there():
        raise UnsupportedCodecError(f"no library for compression type {compression_type}")
    return decode(records)
