"""Batches of records with a header whose name is no UTF-8, which aiokafka fails on for ever.

The protocol calls a name text and no broker looks. Such a batch is read here once more, by the
protocol's own description, with what is no text in a name replaced: no attribute is called so.
"""

import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import aiokafka.codec
import aiokafka.consumer.fetcher
import aiokafka.record.memory_records

FETCHER: Any = aiokafka.consumer.fetcher  # Any: aiokafka has no types
PARSER: Any = aiokafka.record.memory_records.MemoryRecords  # Any: as above
CODEC: Any = aiokafka.codec  # Any: as above
_HEAD = struct.Struct(">qiibIhiqqqhii")
_LEADS = struct.Struct(">qi")
_VERSION_AT = 16
_UNPACK = {
    1: CODEC.gzip_decode,
    2: CODEC.snappy_decode,
    3: CODEC.lz4_decode,
    4: CODEC.zstd_decode,
}


def read_any_name() -> None:
    """Have every consumer that is made from now on read such batches too."""
    if FETCHER.MemoryRecords is PARSER:
        FETCHER.MemoryRecords = _Sent


class _Sent:
    """What a broker sent of a partition, batch by batch."""

    def __init__(self, sent: bytes) -> None:
        self._sent, self._at, self._parser = bytes(sent), 0, PARSER(sent)

    def __getattr__(self, name: str) -> Any:  # Any: whatever the library asks for
        return getattr(self._parser, name)

    def next_batch(self) -> Any:  # Any: as above
        batch, begins = self._parser.next_batch(), self._at
        if batch is None:
            return None
        _, length = _LEADS.unpack_from(self._sent, begins)
        self._at += _LEADS.size + length
        has_headers = self._sent[begins + _VERSION_AT] >= 2
        return _Batch(batch, self._sent[begins : self._at]) if has_headers else batch


class _Batch:
    """The library's batch, with our records behind the one that it cannot read."""

    def __init__(self, batch: Any, sent: bytes) -> None:  # Any: as above
        self._batch, self._sent = batch, sent

    def __getattr__(self, name: str) -> Any:  # Any: as above
        return getattr(self._batch, name)

    def __next__(self) -> Any:  # Any: as above
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:  # Any: as above
        last = -1
        try:
            for record in self._batch:
                last = record.offset
                yield record
        except UnicodeDecodeError:
            yield from (record for record in records_of(self._sent) if record.offset > last)


def records_of(batch: bytes) -> Iterator[Any]:  # Any: as the library's records, by their fields
    """The records of a whole batch of version 2."""
    first, _, _, _, _, attributes, _, since, latest, _, _, _, count = _HEAD.unpack_from(batch)
    body, at = batch[_HEAD.size :], 0
    if attributes & 7:
        body = bytes(_UNPACK[attributes & 7](body))

    def number() -> int:
        nonlocal at
        told = shift = 0
        while True:
            byte = body[at]
            at, told, shift = at + 1, told | (byte & 127) << shift, shift + 7
            if byte < 128:
                return -(told >> 1) - 1 if told & 1 else told >> 1

    def text(length: int) -> bytes | None:
        nonlocal at
        if length < 0:
            return None
        at += length
        return body[at - length : at]

    for _ in range(count):
        number()
        at += 1
        time, offset = since + number(), first + number()
        yield SimpleNamespace(
            offset=offset,
            timestamp=latest if attributes & 8 else time,
            timestamp_type=attributes >> 3 & 1,
            key=text(number()),
            value=text(number()),
            headers=[
                ((text(number()) or b"").decode("utf-8", "replace"), text(number()))
                for _ in range(number())
            ],
            checksum=None,
        )
