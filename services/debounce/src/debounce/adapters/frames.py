"""The records of a batch, told apart without a look at what is in them.

https://kafka.apache.org/documentation/#record: a record is its length, a byte of attributes, its
timestamp's and its offset's delta, its key, its value and its headers. Numbers are zigzag varints;
key, value and the parts of a header have their length before them, -1 where there is none.
"""

from debounce.ports import Batch

# Offset, value, and where its headers begin, if it has no key: nothing else is of interest here.
Frame = tuple[int, bytes | None, int | None]


def frames(batch: Batch) -> list[Frame]:
    """Of what is wanted of the batch, in the order of the log.

    The loop is written out, short varints and all, since it runs for each update: a call for each
    number would double what it costs.

    Raises:
        IndexError: the batch ends within a record. Its checksum was right, so it was made so.

    """
    data, at, base, wanted = batch.data, batch.begin, batch.base_offset, batch.offset
    found: list[Frame] = []
    for _ in range(batch.count):
        number, following = data[at], data[at + 1]
        at += 1
        if number > 127:
            if following > 127:
                number, at = _varint(data, at - 1)
            else:
                number += (following << 7) - 128
                at += 1
        end = at + (number >> 1)
        at += 1
        while data[at] > 127:
            at += 1
        number = data[at + 1]
        at += 2
        if number > 127:
            number, at = _varint(data, at - 1)
        offset = base + (number >> 1)
        key_length = data[at]
        at += 1
        if key_length > 127:
            key_length, at = _varint(data, at - 1)
        if not key_length & 1:
            at += key_length >> 1
        number, following = data[at], data[at + 1]
        at += 1
        if number > 127:
            if following > 127:
                number, at = _varint(data, at - 1)
            else:
                number += (following << 7) - 128
                at += 1
        if offset >= wanted:
            headers_at = at if number & 1 else at + (number >> 1)
            found.append(
                (
                    offset,
                    None if number & 1 else data[at:headers_at],
                    headers_at if key_length & 1 else None,
                )
            )
        at = end
    return found


def headers(data: bytes, at: int) -> list[tuple[bytes, bytes | None]]:
    """Of the record whose headers begin there."""
    number, at = _varint(data, at)
    found = []
    for _ in range(number >> 1):
        name, at = _part(data, at)
        value, at = _part(data, at)
        found.append((name or b"", value))
    return found


def _part(data: bytes, at: int) -> tuple[bytes | None, int]:
    number, at = _varint(data, at)
    if number & 1:
        return None, at
    end = at + (number >> 1)
    return data[at:end], end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, still zigzag (twice itself, odd if negative), and its end."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
