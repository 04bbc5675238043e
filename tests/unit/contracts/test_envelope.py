from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from shared.contracts.envelope import Envelope, Mould, envelope_of, instant_of, rfc3339
from shared.contracts.errors import Unreadable

ENVELOPE = Envelope(
    id="evt_1",
    source="stripe/acct_1",
    type="com.stripe.event",
    time=datetime(2026, 11, 3, 9, 30, 0, 123_456, tzinfo=UTC),
    data=b"\x00 raw bytes \xff",
    subject="ch_1",
    extensions={"book": "main", "livemode": "false", "traceparent": "00-ab-cd-01"},
)


def test_envelope_comes_back_from_its_headers_and_bytes() -> None:
    assert envelope_of(ENVELOPE.headers(), ENVELOPE.data) == ENVELOPE


def test_envelope_headers_are_those_of_cloudevents_in_binary_mode() -> None:
    headers = dict(ENVELOPE.headers())
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_book"] == b"main"
    assert headers["traceparent"] == b"00-ab-cd-01"
    assert headers["content-type"] == b"application/json"
    assert "ce_dataschema" not in headers


def test_envelope_headers_of_others_are_left_alone() -> None:
    headers = (*ENVELOPE.headers(), ("x-forwarded", b"\xff"), ("ce_BAD-NAME", b"x"))
    assert envelope_of(headers, ENVELOPE.data) == ENVELOPE


@pytest.mark.parametrize("name", ["id", "source", "type", "time", "specversion"])
def test_envelope_without_a_required_attribute_is_unreadable(name: str) -> None:
    headers = [(key, value) for key, value in ENVELOPE.headers() if key != f"ce_{name}"]
    with pytest.raises(Unreadable):
        envelope_of(headers, b"")


def test_envelope_with_an_attribute_that_is_not_utf8_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="ce_subject is not UTF-8"):
        envelope_of([*ENVELOPE.headers(), ("ce_subject", b"\xff")], b"")


def test_envelope_of_another_cloudevents_version_is_unreadable() -> None:
    headers = [h for h in ENVELOPE.headers() if h[0] != "ce_specversion"]
    with pytest.raises(Unreadable, match=r"0\.3"):
        envelope_of([*headers, ("ce_specversion", b"0.3")], b"")


def test_time_is_written_in_utc_and_read_from_any_offset() -> None:
    berlin = timezone(timedelta(hours=1))
    assert rfc3339(datetime(2026, 11, 3, 10, 30, tzinfo=berlin)) == "2026-11-03T09:30:00Z"
    assert instant_of("2026-11-03T10:30:00+01:00") == datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2026-11-03T09:30:00", "2026-13-03T09:30:00Z"),
        *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"),
    ],
)
def test_time_without_offset_or_sense_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        instant_of(text)


def test_extension_that_is_not_there_is_empty() -> None:
    assert structs.replace(ENVELOPE, extensions={}).extension("book") == ""


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
OFFSETS = st.timezones() | st.just(UTC)


@given(TEXTS, TEXTS | st.just(""), st.datetimes(timezones=OFFSETS), TEXTS | st.just(""))
def test_mould_makes_the_headers_that_an_envelope_makes_itself(
    ident: str, subject: str, at: datetime, signature: str
) -> None:
    told = {"book": "main", "via": "webhook", "signature": signature}
    wanted = structs.replace(ENVELOPE, id=ident, subject=subject, time=at, extensions=told)
    another = told | {"signature": signature and "another"}
    first = structs.replace(ENVELOPE, subject=subject and "another", extensions=another)
    mould = Mould(first, extension="signature" if signature else "")
    for _ in range(2):
        made = mould.headers(ident=ident, time=at, subject=subject, extension=signature)
        assert tuple(made) == wanted.headers()
