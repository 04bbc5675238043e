from datetime import UTC, datetime

from shared.contracts.envelope import envelope_of
from shared.contracts.topics import RECORD_BYTES_MAX
from shared.runtime.dead_letters import dead_letter, dead_letter_key, dead_letter_of
from shared.runtime.kafka import Record, headers_of

AT = datetime(2026, 11, 21, tzinfo=UTC)
RECORD = Record("stripe.events", 3, 41, b"key", b"\xff{", (("ce_id", b"\xfe"),), 1_795_000_000_000)


def test_dead_letter_keeps_the_bytes_and_tells_why_and_where() -> None:
    letter = dead_letter(RECORD, reason="unreadable", detail="not JSON", at=AT)
    read = envelope_of(letter.headers(), letter.data)
    assert read.data == b"\xff{"
    said = dead_letter_of(read)
    assert (said.reason, said.detail, said.parked_at) == ("unreadable", "not JSON", AT)
    assert (said.position.topic, said.position.partition, said.position.offset) == (
        "stripe.events",
        3,
        41,
    )


def test_dead_letter_of_a_record_as_large_as_a_topic_takes_fits_a_topic() -> None:
    headers = tuple((f"h{n}", b"\xff" * 100_000) for n in range(40))
    large = Record("t", 0, 0, b"k" * 2_000_000, b"x" * RECORD_BYTES_MAX, headers, 0)
    letter = dead_letter(large, reason="unreadable", detail="y" * 100_000, at=AT)
    assert len(letter.data) + sum(len(v) for _, v in letter.headers()) < RECORD_BYTES_MAX
    assert letter.extension("truncated") == "true"
    assert dead_letter_key(large) is None
    assert dead_letter_key(RECORD) == b"key"


def test_record_tells_when_it_was_appended() -> None:
    assert RECORD.appended_at == datetime.fromtimestamp(1_795_000_000, UTC)
    assert RECORD.position == "stripe.events/3@41"


def test_header_without_a_value_reads_as_an_empty_one() -> None:
    assert headers_of([("ce_id", b"evt_1"), ("trace", None)]) == (
        ("ce_id", b"evt_1"),
        ("trace", b""),
    )
    assert headers_of([("ce_id", b"evt_1")]) == (("ce_id", b"evt_1"),)
