"""Lines of a file: what each tells, and what cannot be read."""

from datetime import UTC, datetime

import pytest

from shared.contracts.errors import Unreadable
from tallystick.preview.lines import Told, Unread, moment, told_line, told_lines

CHARGE = b'{"topic": "stripe.objects", "value": {"id": "ch_1", "object": "charge", "created": 1}}'


def told(line: bytes) -> Told:
    found = told_line("f:1", line)
    assert isinstance(found, Told), found
    return found


def unread(line: bytes) -> Unread:
    found = told_line("f:1", line)
    assert isinstance(found, Unread), found
    return found


def test_line_gives_topic_value_and_id() -> None:
    line = told(CHARGE)
    assert (line.topic, line.id) == ("stripe.objects", "ch_1")
    assert line.data == b'{"id": "ch_1", "object": "charge", "created": 1}'
    assert line.received_at is None
    assert line.at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_value_is_cut_out_as_it_was_written() -> None:
    value = b'{"id":"x","n":1.10,"big":123456789012345678901234567890,"e":1e400,"s":"\\u00e9, } ["}'
    line = told(b' { "topic" : "stripe.objects" , "value" : ' + value + b' , "book" : "b" } ')
    assert line.data == value
    assert line.book == "b"


def test_value_with_a_number_of_ten_thousand_digits_can_be_read() -> None:
    value = b'{"id": "x", "n": ' + b"9" * 10_000 + b"}"
    assert told(b'{"topic": "stripe.objects", "value": ' + value + b"}").data == value


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (b'"2026-11-21T04:05:06Z"', datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)),
        (b'"2026-11-21T05:05:06+01:00"', datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)),
        (b"1793000000", datetime.fromtimestamp(1_793_000_000, UTC)),
        (b'"1793000000"', datetime.fromtimestamp(1_793_000_000, UTC)),
        (b"1793000000.75", datetime.fromtimestamp(1_793_000_000, UTC)),
        (b"null", None),
    ],
)
def test_received_at_is_rfc3339_or_unix_seconds(text: bytes, at: datetime | None) -> None:
    line = told(CHARGE.removesuffix(b"}") + b', "received_at": ' + text + b"}")
    assert line.received_at == at


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b'{"topic": "stripe.objects"',
        b'{"topic": "stripe.objects" "value": {}}',
        b'{"topic": "stripe.objects", }',
        b"{1: 2}",
        CHARGE + b" more",
        CHARGE + b"\xff",
        b'{"topic": "stripe.objects", "value": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"topic": "stripe.objects", "value": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
        b'{"topic": "stripe.objects"}',
        b'{"topic": "stripe.objects", "value": null}',
        b'{"topic": "stripe.objects", "value": []}',
        b'{"topic": "elsewhere", "value": {}}',
        b'{"topic": 5, "value": {}}',
        b'{"value": {}}',
        b"{}",
        CHARGE.removesuffix(b"}") + b', "received_at": "soon"}',
        CHARGE.removesuffix(b"}") + b', "received_at": true}',
        CHARGE.removesuffix(b"}") + b', "received_at": 1e400}',
        CHARGE.removesuffix(b"}") + b', "received_at": "9999-12-31T23:59:59-14:00"}',
        CHARGE.removesuffix(b"}") + b', "account": 5}',
        CHARGE.replace(b"ch_1", b"ch_\\ud800"),
    ],
)
def test_line_that_cannot_be_read_is_refused_with_its_reason(line: bytes) -> None:
    assert unread(line).reason.startswith("unreadable: ")


def test_refused_line_is_named_by_what_can_still_be_read() -> None:
    assert unread(b"what") == Unread("", "f:1", unread(b"what").reason)
    found = unread(b'{"topic": "elsewhere", "value": {"id": "x_1"}}')
    assert (found.topic, found.id) == ("elsewhere", "x_1")
    assert unread(b'{"topic": "stripe.events", "id": "mine"}').id == "mine"


def test_blank_lines_and_a_byte_order_mark_are_no_lines() -> None:
    lines = [b"\xef\xbb\xbf" + CHARGE, b"", b"  \r", CHARGE + b"\r"]
    found = list(told_lines("f", lines))
    assert [line.place for line in found if isinstance(line, Told)] == ["f:1", "f:4"]


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (b'{"booked_on": "2026-11-20"}', datetime(2026, 11, 20, tzinfo=UTC)),
        (b'{"effective_at": "2026-11-20T01:00:00Z"}', datetime(2026, 11, 20, 1, tzinfo=UTC)),
        (b'{"booked_on": "2026-11-20", "observed_at": null}', datetime(2026, 11, 20, tzinfo=UTC)),
        (b'{"created": "soon", "booked_on": "then"}', None),
        (b"{}", None),
    ],
)
def test_line_without_received_at_has_the_time_that_its_value_tells(
    value: bytes, at: datetime | None
) -> None:
    assert told(b'{"topic": "bank.observations", "value": ' + value + b"}").at == at


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "-1", "NaN", "Infinity", "1e30", "1_000", "0x10", "\uff12\uff10"),
        *("2026-11-21T04:05:06", "2026-11-21"),
    ],
)
def test_moment_that_is_none_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        moment(text)


@pytest.mark.parametrize(
    "text",
    ["2026-11-21T04:05:06Z", "2026-11-21t04:05:06z", "2026-11-21T05:05:06+01:00", "1795233906.9"],
)
def test_moment_is_told_in_rfc_3339_or_unix_seconds(text: str) -> None:
    assert moment(text) == datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
