"""Record batches whose header names are no UTF-8: read with the names escaped, never refused.

A header's name is text by the protocol and bytes on the wire: brokers look at none, and some
clients (librdkafka, most of those for Go) send what they are given. aiokafka decodes each name
while it takes a batch apart, so one wrong byte made it fail at the same record for ever, and with
it whoever reads that partition. Here such a batch is taken apart once more, by a reader of our own:
a byte that is no UTF-8 becomes a backslash, an x and its hex, so the name is none of ours.

Every other batch is the library's matter, as before. ``read_any_header_name`` puts this where the
library's fetcher looks its parser up; Faust reads through the same fetcher.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import aiokafka.codec
import aiokafka.consumer.fetcher
import aiokafka.record.memory_records

_FETCHER: Final[Any] = aiokafka.consumer.fetcher  # Any: aiokafka has no types
_PARSER: Final[Any] = aiokafka.record.memory_records.MemoryRecords  # Any: as above
_CODEC: Final[Any] = aiokafka.codec  # Any: as above

# The head of a batch of version 2: base offset, length, leader epoch, version, checksum,
# attributes, last offset, first and greatest time, producer, its epoch, base sequence, records.
_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH: Final = struct.Struct(">i")
_LENGTH_BEGINS: Final = 8
_LENGTH_ENDS: Final = 12
_VERSION_AT: Final = 16
_WITH_HEADERS: Final = 2
_CODEC_BITS: Final = 0x07
_IS_APPEND_TIME: Final = 0x08
_MORE: Final = 0x80

_Decode = Callable[[bytes], bytes]
_DECODERS: Final[Mapping[int, _Decode]] = MappingProxyType(
    {
        1: _CODEC.gzip_decode,
        2: _CODEC.snappy_decode,
        3: _CODEC.lz4_decode,
        4: _CODEC.zstd_decode,
    }
)


class ReadRecord(NamedTuple):
    """A record with the fields that the library's fetcher asks one for."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


class AnyRecords:
    """What a broker has sent of a partition: the library's parser, and ours where that cannot."""

    __slots__ = ("_at", "_parser", "_sent")

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._parser = _PARSER(sent)
        self._at = 0

    def size_in_bytes(self) -> int:
        """How much was sent."""
        return int(self._parser.size_in_bytes())

    def has_next(self) -> bool:
        """Whether another whole batch is there."""
        return bool(self._parser.has_next())

    def next_batch(self) -> Any:  # Any: as above
        """The next batch; those of versions before 2 have no headers."""
        batch = self._parser.next_batch()
        if batch is None:
            return None
        begins = self._at
        (length,) = _LENGTH.unpack_from(self._sent, begins + _LENGTH_BEGINS)
        self._at = begins + _LENGTH_ENDS + length
        if self._sent[begins + _VERSION_AT] < _WITH_HEADERS:
            return batch
        return AnyBatch(batch, self._sent, begins, self._at)


class AnyBatch:
    """A batch as the library has it, but for its records where a header's name is no UTF-8."""

    __slots__ = ("_batch", "_begins", "_ends", "_sent")

    def __init__(self, batch: Any, sent: bytes, begins: int, ends: int) -> None:  # Any: as above
        self._batch = batch
        self._sent = sent
        self._begins = begins
        self._ends = ends

    def __getattr__(self, name: str) -> Any:  # Any: whatever the library asks its batch for
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # Any: as above
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:  # Any: as above
        record = None
        try:
            for record in self._batch:
                yield record
        except UnicodeDecodeError:
            # The library has got as far as the record before, and will get no further.
            given = -1 if record is None else record.offset
            for again in read_batch(bytes(self._sent[self._begins : self._ends])):
                if again.offset > given:
                    yield again


def read_any_header_name() -> None:
    """Have the library's consumers read batches by this.

    Raises:
        AttributeError: There is no parser in that place: it is another library than this is for.
    """
    if _FETCHER.MemoryRecords is not AnyRecords:
        _FETCHER.MemoryRecords = AnyRecords


def read_batch(batch: bytes) -> Iterator[ReadRecord]:
    """The records of one whole batch of version 2; a name's bytes that are no UTF-8 are escaped.

    Source: Kafka protocol guide, "Record Batch" and "Record".
    """
    head = _HEAD.unpack_from(batch)
    base_offset, attributes, first_ms, greatest_ms, count = (head[n] for n in (0, 5, 7, 8, 12))
    decode = _DECODERS.get(attributes & _CODEC_BITS)
    body = batch[_HEAD.size :] if decode is None else decode(batch[_HEAD.size :])
    is_append_time = bool(attributes & _IS_APPEND_TIME)
    reader = _Reader(bytes(body))
    for _ in range(count):
        reader.varint()  # how long the record is
        reader.take(1)  # attributes, of which there are none yet
        delta_ms = reader.varint()
        offset = base_offset + reader.varint()
        key, value = reader.maybe_bytes(), reader.maybe_bytes()
        yield ReadRecord(
            offset,
            greatest_ms if is_append_time else first_ms + delta_ms,
            int(is_append_time),
            key,
            value,
            [(reader.name(), reader.maybe_bytes()) for _ in range(reader.varint())],
        )


class _Reader:
    """Bytes, and how far they were read."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, whole: bytes) -> None:
        self._bytes = whole
        self._at = 0

    def take(self, length: int) -> bytes:
        """The next bytes, so many."""
        begins = self._at
        self._at = begins + length
        return self._bytes[begins : self._at]

    def varint(self) -> int:
        """A whole number, zigzag, seven bits in a byte, the lowest first."""
        found = shift = 0
        while True:
            byte = self._bytes[self._at]
            self._at += 1
            found |= (byte & ~_MORE) << shift
            if not byte & _MORE:
                return found >> 1 ^ -(found & 1)
            shift += 7

    def maybe_bytes(self) -> bytes | None:
        """Bytes behind their length, below zero where there are none."""
        length = self.varint()
        return None if length < 0 else self.take(length)

    def name(self) -> str:
        """A header's name."""
        return self.take(self.varint()).decode("utf-8", errors="backslashreplace")
