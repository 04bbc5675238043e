"""The oracle's own reading of batches that its library fails on."""

from typing import Any

import pytest
from aiokafka.record.memory_records import MemoryRecords

from oracle.shell.batches import FETCHER, PARSER, read_any_name, records_of
from tests.support.raw_records import RawRecord, batch_of

AT_MS = 1_795_000_000_000
GOOD = RawRecord(b"good", [(b"ce_id", b"evt_1"), (b"trace", None)], b"key")
ODD = RawRecord(None, [(b"tr\xffce", b"x"), (b"ce_id", b"evt_2")])


def fields(record: Any) -> list[object]:  # Any: the library's record, or the oracle's
    names = ("offset", "timestamp", "timestamp_type", "key", "value", "headers", "checksum")
    return [getattr(record, name) for name in names]


@pytest.mark.parametrize("is_compressed", [False, True])
def test_batch_is_read_as_the_library_reads_it(
    is_compressed: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    sent = batch_of([GOOD, RawRecord(b"x" * 300), GOOD], at_ms=AT_MS, is_compressed=is_compressed)
    batch = MemoryRecords(sent).next_batch()
    assert batch is not None
    assert [fields(record) for record in records_of(sent)] == [fields(record) for record in batch]


def test_strange_name_stops_neither_its_batch_nor_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FETCHER, "MemoryRecords", PARSER)
    read_any_name()
    sent = batch_of([GOOD, ODD, GOOD], at_ms=AT_MS)
    records = FETCHER.MemoryRecords(sent + batch_of([GOOD], at_ms=AT_MS))
    found: list[Any] = []  # Any: as above
    while records.has_next():
        found += records.next_batch()
    assert [record.value for record in found] == [b"good", None, b"good", b"good"]
    assert found[1].headers == [("tr\ufffdce", b"x"), ("ce_id", b"evt_2")]
