"""Records that no well-meaning client would write: whole batches made by hand, byte by byte.

Header names are bytes here, as they are on the wire: some clients (librdkafka, most of those for Go)
take any, and a broker looks at none.
"""

import gzip
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.record.util import calc_crc32c

from shared.runtime.kafka_client import LIBRARY, KafkaAddress, Partition, address_of

_BATCH = struct.Struct(">qiibIhiqqqhii")
_CRC_ENDS = 21
_GZIP = 1


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One record as bytes."""

    value: bytes | None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    key: bytes | None = None


def batch_of(records: Sequence[RawRecord], *, at_ms: int, is_compressed: bool = False) -> bytes:
    """A record batch of version 2, as ``KIP-98`` has it."""
    body = b"".join(_record(each, number) for number, each in enumerate(records))
    attributes = _GZIP if is_compressed else 0
    if is_compressed:
        body = gzip.compress(body)
    last = len(records) - 1

    def head(crc: int) -> bytes:
        length = _BATCH.size - 12 + len(body)
        return _BATCH.pack(
            0, length, -1, 2, crc, attributes, last, at_ms, at_ms, -1, -1, -1, len(records)
        )

    return head(calc_crc32c((head(0) + body)[_CRC_ENDS:])) + body


async def publish_raw(
    where: KafkaAddress | str,
    partition: Partition,
    records: Sequence[RawRecord],
    *,
    at_ms: int,
    is_compressed: bool = False,
) -> int:
    """Have the broker append a batch as it is; gives the offset of its first record."""
    producer: Any = LIBRARY.AIOKafkaProducer(**address_of(where).options())  # Any: no types
    await producer.start()
    try:
        builder = producer.create_batch()
        builder.append(key=None, value=b"", timestamp=at_ms)
        builder.close()
        # What the builder would send is replaced by what it would never make.
        builder._buffer = batch_of(records, at_ms=at_ms, is_compressed=is_compressed)
        builder._relative_offset = len(records)
        sent = await producer.send_batch(builder, partition.topic, partition=partition.partition)
        return int((await sent).offset)
    finally:
        await producer.stop()


def _record(record: RawRecord, offset_delta: int) -> bytes:
    told = b"\x00" + _varint(0) + _varint(offset_delta) + _bytes(record.key) + _bytes(record.value)
    told += _varint(len(record.headers))
    for name, value in record.headers:
        told += _varint(len(name)) + name + _bytes(value)
    return _varint(len(told)) + told


def _bytes(value: bytes | None) -> bytes:
    return _varint(-1) if value is None else _varint(len(value)) + value


def _varint(number: int) -> bytes:
    left, found = number << 1 ^ number >> 63, bytearray()
    while left > 0x7F:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)
