"""A sealed segment: a stretch of one partition in one file that never changes again.

    TALLYSTICK SEGMENT 1        the form and its version
    {"begins_at": …}            one line of JSON, the header
    5f0c…                       the SHA-256 of the header line, in hex: the segment's link
    …                           the records, gzipped or not

The header holds the SHA-256 of the content and the link of the segment before, so each link
stands for every byte of the partition up to there. ``docs/reference/archive-format.md`` says it
for strangers.
"""

import gzip
import hashlib
import json
import zlib
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Final, Self

from pydantic import TypeAdapter, ValidationError

from services.archiver.records import CopiedRecord, content_of, decoded
from shared.contracts.errors import Unreadable

MAGIC: Final = b"TALLYSTICK SEGMENT 1\n"
GENESIS: Final = "0" * 64
# More than any head takes; what is asked for when only the head is wanted.
HEAD_BYTES_MAX: Final = 4096
_GZIP_WINDOW: Final = 31
_LINK_CHARACTERS: Final = 64


class Compression(StrEnum):
    """How the content stands in the file."""

    NONE = "none"
    GZIP = "gzip"


@dataclass(frozen=True, slots=True, order=True)
class Lineage:
    """One partition of one topic as it was made once: a topic made anew is another."""

    cluster_id: str
    topic: str
    topic_id: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself.

    It covers the offsets from ``begins_at`` to before ``ends_before``, without a gap to its
    neighbours; offsets in there that no record has were never a record's (markers of
    transactions) or were compacted away. ``first_offset`` and ``last_offset`` are those of
    records, ``None`` when it holds none.
    """

    cluster_id: str
    topic: str
    topic_id: str
    partition: int
    begins_at: int
    ends_before: int
    count: int
    first_offset: int | None
    last_offset: int | None
    first_timestamp_ms: int | None
    last_timestamp_ms: int | None
    sealed_at: str
    compression: Compression
    content_bytes: int
    content_sha256: str
    stored_bytes: int
    previous: str

    @property
    def lineage(self) -> Lineage:
        """Whose stretch it is."""
        return Lineage(self.cluster_id, self.topic, self.topic_id, self.partition)

    def line(self) -> bytes:
        """The header as it stands in the file."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()


_HEADER: Final[TypeAdapter[SegmentHeader]] = TypeAdapter(SegmentHeader)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a segment: its header, its link, and where the content begins in the file."""

    header: SegmentHeader
    link: str
    body_at: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is to be sealed: the records of a range of offsets, encoded."""

    begins_at: int
    ends_before: int
    content: bytes
    count: int = 0
    first_offset: int | None = None
    last_offset: int | None = None
    first_timestamp_ms: int | None = None
    last_timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was read whole and found to be what it says."""

    head: Head
    content: bytes

    @classmethod
    def opened(cls, data: bytes) -> Self:
        """The segment in a file's bytes; digest, sizes, offsets and count are checked.

        Raises:
            Unreadable: Anything is not as the header says.
        """
        head = head_of(data)
        header = head.header
        body = data[head.body_at :]
        if len(body) != header.stored_bytes:
            raise Unreadable(f"holds {len(body)} bytes of content, not {header.stored_bytes}")
        content = _unpacked(body, header)
        if hashlib.sha256(content).hexdigest() != header.content_sha256:
            raise Unreadable("the content is not the one that the header's SHA-256 is of")
        segment = cls(head, content)
        segment._check_offsets()
        return segment

    def records(self) -> list[CopiedRecord]:
        """Its records, in their order."""
        return list(decoded(self.content))

    def _check_offsets(self) -> None:
        header, count, last = self.head.header, 0, self.head.header.begins_at - 1
        for record in decoded(self.content):
            if not last < record.offset < header.ends_before:
                raise Unreadable(f"offset {record.offset} comes after {last}")
            if count == 0 and record.offset != header.first_offset:
                raise Unreadable(f"begins with offset {record.offset}, not {header.first_offset}")
            count, last = count + 1, record.offset
        if count != header.count or (count and last != header.last_offset):
            raise Unreadable(f"holds {count} records up to {last}, not {header.count}")


def sealed(
    lineage: Lineage,
    stretch: Stretch,
    *,
    previous: str,
    sealed_at: str,
    compression: Compression = Compression.GZIP,
) -> tuple[Head, bytes]:
    """The file of a stretch, and its head."""
    content = stretch.content
    # Without a time of its own a gzip file depends on nothing but its content.
    body = gzip.compress(content, 6, mtime=0) if compression is Compression.GZIP else content
    header = SegmentHeader(
        cluster_id=lineage.cluster_id,
        topic=lineage.topic,
        topic_id=lineage.topic_id,
        partition=lineage.partition,
        begins_at=stretch.begins_at,
        ends_before=stretch.ends_before,
        count=stretch.count,
        first_offset=stretch.first_offset,
        last_offset=stretch.last_offset,
        first_timestamp_ms=stretch.first_timestamp_ms,
        last_timestamp_ms=stretch.last_timestamp_ms,
        sealed_at=sealed_at,
        compression=compression,
        content_bytes=len(content),
        content_sha256=hashlib.sha256(content).hexdigest(),
        stored_bytes=len(body),
        previous=previous,
    )
    line = header.line()
    link = hashlib.sha256(line).hexdigest()
    front = MAGIC + line + b"\n" + link.encode() + b"\n"
    return Head(header, link, len(front)), front + body


def head_of(data: bytes) -> Head:
    """The head that stands at the beginning of a file's bytes.

    Raises:
        Unreadable: There is none, or its link is not the SHA-256 of its header line.
    """
    if not data.startswith(MAGIC):
        raise Unreadable("does not begin as a segment of version 1")
    line_end = data.find(b"\n", len(MAGIC))
    link_end = line_end + 1 + _LINK_CHARACTERS
    if line_end < 0 or data[link_end : link_end + 1] != b"\n":
        raise Unreadable("its head is cut off")
    line, link = data[len(MAGIC) : line_end], data[line_end + 1 : link_end]
    if hashlib.sha256(line).hexdigest().encode() != link:
        raise Unreadable("its link is not the SHA-256 of its header")
    try:
        header = _HEADER.validate_json(line)
    except ValidationError as error:
        raise Unreadable(f"its header has {error.error_count()} mistakes") from None
    return Head(header, link.decode(), link_end + 1)


def stretch_of(begins_at: int, ends_before: int, records: list[CopiedRecord]) -> Stretch:
    """The stretch of a range of offsets with these records in it, in their order."""
    empty = Stretch(begins_at, ends_before, content_of(records), len(records))
    if not records:
        return empty
    first, last = records[0], records[-1]
    return replace(
        empty,
        first_offset=first.offset,
        last_offset=last.offset,
        first_timestamp_ms=first.timestamp_ms,
        last_timestamp_ms=last.timestamp_ms,
    )


def _unpacked(body: bytes, header: SegmentHeader) -> bytes:
    """The content; never more than the header says, whatever the bytes would swell to."""
    if header.compression is Compression.NONE:
        content = body
    else:
        try:
            content = zlib.decompressobj(_GZIP_WINDOW).decompress(body, header.content_bytes + 1)
        except zlib.error as error:
            raise Unreadable("the content cannot be unpacked") from error
    if len(content) != header.content_bytes:
        raise Unreadable(f"unpacks to {len(content)} bytes, not {header.content_bytes}")
    return content
