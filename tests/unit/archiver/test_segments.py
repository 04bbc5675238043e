"""Segments: every byte comes back, and any that is changed is found."""

import contextlib
import gzip
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.archiver.records import CopiedRecord, content_of, decoded
from services.archiver.segments import (
    GENESIS,
    MAGIC,
    Compression,
    Lineage,
    Segment,
    head_of,
    sealed,
    stretch_of,
)
from shared.contracts.errors import Unreadable

LINEAGE = Lineage("cluster-1", "stripe.events", "0b9c", 3)
RECORD = CopiedRecord(7, 1_795_000_000_123, b"key", b"value", (("ce_id", b"evt_1"), ("x", None)))

maybe_bytes = st.none() | st.binary(max_size=40)
a_record = st.builds(
    CopiedRecord,
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**62),
    key=maybe_bytes,
    value=maybe_bytes,
    headers=st.lists(st.tuples(st.text(max_size=8), maybe_bytes), max_size=4).map(tuple),
)


def file_of(*records: CopiedRecord, compression: Compression = Compression.GZIP) -> bytes:
    _, data = sealed(
        LINEAGE,
        stretch_of(5, 20, list(records)),
        previous=GENESIS,
        sealed_at="2026-11-21T08:00:00Z",
        compression=compression,
    )
    return data


@given(st.lists(a_record, max_size=6))
def test_content_decoded_gives_the_very_records(records: list[CopiedRecord]) -> None:
    assert list(decoded(content_of(records))) == records


@given(st.lists(a_record, min_size=1, max_size=3), st.data())
def test_content_cut_anywhere_within_its_last_record_is_unreadable(
    records: list[CopiedRecord], data: st.DataObject
) -> None:
    whole, before = content_of(records), len(content_of(records[:-1]))
    at = data.draw(st.integers(before + 1, len(whole) - 1))
    with pytest.raises(Unreadable):
        list(decoded(whole[:at]))


@given(st.binary(max_size=200))
def test_content_of_any_bytes_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Unreadable):
        list(decoded(data))


@pytest.mark.parametrize("compression", Compression)
def test_segment_opened_holds_what_was_sealed(compression: Compression) -> None:
    records = [RECORD, replace(RECORD, offset=9, key=None, value=None, headers=())]
    opened = Segment.opened(file_of(*records, compression=compression))
    header = opened.head.header
    assert opened.records() == records
    assert (header.begins_at, header.ends_before) == (5, 20)
    assert (header.count, header.first_offset, header.last_offset) == (2, 7, 9)
    assert header.first_timestamp_ms == RECORD.timestamp_ms
    assert header.lineage == LINEAGE


def test_segment_of_a_range_without_records_is_one() -> None:
    header = Segment.opened(file_of()).head.header
    assert (header.count, header.first_offset, header.last_offset) == (0, None, None)


def test_segment_sealed_twice_from_the_same_is_the_same_bytes() -> None:
    assert file_of(RECORD) == file_of(RECORD)


def test_segment_with_any_one_byte_changed_is_refused() -> None:
    data = file_of(RECORD, replace(RECORD, offset=8))
    for at in range(len(data)):
        # The last eight bytes of gzip are its own sum and length, which it checks too.
        changed = data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
        if is_only_gzips_own_head(data, at):
            continue
        with pytest.raises(Unreadable):
            Segment.opened(changed)


def is_only_gzips_own_head(data: bytes, at: int) -> bool:
    """Flags, time, level and system in gzip's head are no content; they change nothing."""
    body_at = head_of(data).body_at
    return body_at + 3 <= at < body_at + 10


def test_segment_cut_short_is_refused() -> None:
    data = file_of(RECORD)
    for length in range(len(data)):
        with pytest.raises(Unreadable):
            Segment.opened(data[:length])


def test_segment_that_swells_past_its_header_is_refused_before_it_does() -> None:
    data = file_of(RECORD)
    head = head_of(data)
    bomb = gzip.compress(bytes(50_000_000))
    line = replace(head.header, stored_bytes=len(bomb)).line()
    front = MAGIC + line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"
    with pytest.raises(Unreadable, match="unpacks to"):
        Segment.opened(front + bomb)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([RECORD, RECORD], "comes after"),
        ([replace(RECORD, offset=4)], "comes after"),
        ([replace(RECORD, offset=20)], "comes after"),
    ],
    ids=["twice", "before its range", "past its range"],
)
def test_segment_with_offsets_out_of_order_is_refused(
    records: list[CopiedRecord], said: str
) -> None:
    with pytest.raises(Unreadable, match=said):
        Segment.opened(file_of(*records))


def test_segment_whose_header_counts_wrong_is_refused() -> None:
    stretch = replace(stretch_of(5, 20, [RECORD]), count=2)
    _, data = sealed(LINEAGE, stretch, previous=GENESIS, sealed_at="")
    with pytest.raises(Unreadable, match="holds 1 records"):
        Segment.opened(data)


def test_head_needs_no_more_than_the_beginning_of_the_file() -> None:
    data = file_of(RECORD)
    whole = head_of(data)
    assert head_of(data[: whole.body_at]) == whole
    with pytest.raises(Unreadable, match="cut off"):
        head_of(data[: whole.body_at - 1])
