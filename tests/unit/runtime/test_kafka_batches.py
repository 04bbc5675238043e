"""Batches with header names that are no UTF-8 are read; of all others the library's word holds."""

from typing import Any

import aiokafka.consumer.fetcher
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.kafka_batches import AnyRecords, read_any_header_name, read_batch
from tests.support.raw_records import RawRecord, batch_of

AT_MS = 1_795_000_000_000
GOOD = RawRecord(b"good", [(b"ce_id", b"evt_1"), (b"trace", None)], b"key")
ODD = RawRecord(b"odd", [(b"ce_id", b"evt_2"), (b"tr\xffce", b"x"), (b"\xc3\xa9", b"y")])

Said = tuple[int, int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]], None]
maybe_bytes = st.none() | st.binary(max_size=40)
headers = st.lists(st.tuples(st.text(max_size=9), maybe_bytes), max_size=4)
told = st.lists(st.tuples(maybe_bytes, st.binary(max_size=300), headers), min_size=1, max_size=9)


def said(record: Any) -> Said:  # Any: the library's record, or ours
    return (
        record.offset,
        record.timestamp,
        record.timestamp_type,
        record.key,
        record.value,
        list(record.headers),
        record.checksum,
    )


def read(sent: bytes) -> list[Any]:  # Any: as above
    records = AnyRecords(sent)
    found: list[Any] = []
    while records.has_next():
        found += records.next_batch()
    return found


# None, gzip, snappy, lz4, zstd.
@given(told, st.integers(0, 4), st.booleans())
def test_every_batch_that_the_library_reads_we_read_as_it_does(
    rows: list[tuple[bytes | None, bytes, list[tuple[str, bytes | None]]]],
    codec: int,
    is_transactional: bool,  # noqa: FBT001  # given by hypothesis
) -> None:
    builder = DefaultRecordBatchBuilder(2, codec, int(is_transactional), -1, -1, 0, 1 << 20)
    for number, (key, value, named) in enumerate(rows):
        # Times go back as well as on.
        assert builder.append(number, AT_MS - 7 * (number % 3), key, value, named)
    sent = bytes(builder.build())
    batch = MemoryRecords(sent).next_batch()
    assert batch is not None
    expected = [said(record) for record in batch]
    assert [said(record) for record in read_batch(sent)] == expected
    assert [said(record) for record in read(sent)] == expected


@pytest.mark.parametrize("is_compressed", [False, True])
def test_name_that_is_no_utf8_is_escaped_and_nothing_is_lost_or_told_twice(
    is_compressed: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    odd = batch_of([GOOD, ODD, GOOD], at_ms=AT_MS, is_compressed=is_compressed)
    assert MemoryRecords(odd).has_next()
    with pytest.raises(UnicodeDecodeError):
        list(MemoryRecords(odd).next_batch() or ())
    good = batch_of([GOOD], at_ms=AT_MS)
    found = read(good + odd + good + odd[:-3])
    assert [record.value for record in found] == [b"good", b"good", b"odd", b"good", b"good"]
    assert found[2].headers == [("ce_id", b"evt_2"), ("tr\\xffce", b"x"), ("é", b"y")]
    assert [record.offset for record in found] == [0, 0, 1, 2, 0]
    assert {record.timestamp for record in found} == {AT_MS}


def test_what_the_fetcher_asks_of_a_batch_is_the_librarys_answer() -> None:
    sent = batch_of([ODD, ODD], at_ms=AT_MS)
    ours, theirs = AnyRecords(sent).next_batch(), MemoryRecords(sent).next_batch()
    for name in (
        "base_offset", "next_offset", "producer_id", "is_transactional", "is_control_batch",
    ):  # fmt: skip
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.validate_crc()
    assert not AnyRecords(sent[:-1] + b"?").next_batch().validate_crc()


def test_batch_of_before_there_were_headers_is_the_librarys() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 1 << 20)
    assert builder.append(0, AT_MS, b"key", b"old")
    sent = bytes(builder.build())
    assert [(record.key, record.value) for record in read(sent + sent)] == [(b"key", b"old")] * 2


def test_batch_cut_short_is_no_batch() -> None:
    records = AnyRecords(batch_of([GOOD], at_ms=AT_MS)[:-1])
    assert not records.has_next()
    assert records.next_batch() is None
    assert records.size_in_bytes() > 0


def test_library_looks_its_parser_up_where_ours_stands() -> None:
    fetcher: Any = aiokafka.consumer.fetcher  # Any: no types
    read_any_header_name()
    assert fetcher.MemoryRecords is AnyRecords
    assert "MemoryRecords" in fetcher.Fetcher._proc_fetch_request.__code__.co_names
