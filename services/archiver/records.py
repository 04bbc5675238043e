"""A record as the copy keeps it: offset, timestamp, key, value and headers, byte for byte.

Integers are big-endian and signed. A length of -1 stands for a value that is not there, which is
another thing than an empty one: a record without a value is a tombstone.

    offset 8 · timestamp in ms 8 · key (4 + bytes) · value (4 + bytes) · headers 4,
    and for each of them: name (4 + UTF-8 bytes) · value (4 + bytes)
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from shared.contracts.errors import Unreadable

Headers = tuple[tuple[str, bytes | None], ...]

_HEAD: Final = struct.Struct(">qq")
_LENGTH: Final = struct.Struct(">i")
_ABSENT: Final = _LENGTH.pack(-1)


@dataclass(frozen=True, slots=True)
class CopiedRecord:
    """One record of a partition; ``timestamp_ms`` is what the broker told for it."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def encoded(record: CopiedRecord) -> bytes:
    """The record's bytes in a segment."""
    parts = [
        _HEAD.pack(record.offset, record.timestamp_ms),
        _sized(record.key),
        _sized(record.value),
        _LENGTH.pack(len(record.headers)),
    ]
    for name, value in record.headers:
        parts += (_sized(name.encode()), _sized(value))
    return b"".join(parts)


def content_of(records: Iterable[CopiedRecord]) -> bytes:
    """The content of a segment that holds these records."""
    return b"".join(map(encoded, records))


def decoded(content: bytes) -> Iterator[CopiedRecord]:
    """The records of a segment's content, in their order.

    Raises:
        Unreadable: The bytes are not a row of whole records.
    """
    at = 0
    try:
        while at < len(content):
            offset, timestamp_ms = _HEAD.unpack_from(content, at)
            key, at = _bytes_at(content, at + _HEAD.size)
            value, at = _bytes_at(content, at)
            count, at = _length_at(content, at)
            headers: list[tuple[str, bytes | None]] = []
            for _ in range(count):
                name, at = _bytes_at(content, at)
                told, at = _bytes_at(content, at)
                headers.append(((name or b"").decode(), told))
            yield CopiedRecord(offset, timestamp_ms, key, value, tuple(headers))
    except (struct.error, UnicodeDecodeError) as error:
        raise Unreadable(f"the content ends or goes wrong after byte {at}") from error


def _sized(value: bytes | None) -> bytes:
    return _ABSENT if value is None else _LENGTH.pack(len(value)) + value


def _length_at(content: bytes, at: int) -> tuple[int, int]:
    (length,) = _LENGTH.unpack_from(content, at)
    return length, at + _LENGTH.size


def _bytes_at(content: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _length_at(content, at)
    if length == -1:
        return None, at
    if length < 0 or at + length > len(content):
        raise Unreadable(f"a length of {length} at byte {at} reaches past the content")
    return content[at : at + length], at + length
