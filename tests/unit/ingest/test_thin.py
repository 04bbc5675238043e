"""What a thin event names, and when it is resolved again."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.mirrored import asked_of
from services.ingest.thin import PAUSE_MAX, NotResolvable, next_try, notification, runs

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def body(url: object, **more: object) -> bytes:
    related = {"id": "x", "type": "charge", "url": url}
    return json.dumps({"object": "v2.core.event", "related_object": related, **more}).encode()


@pytest.mark.parametrize(
    "url",
    [
        "/v1/charges/ch_1",
        "/v1/reserve/holds/reshold_1",
        "/v2/core/accounts/acct_1",
        "/v1/balance",
    ],
)
def test_object_that_an_event_names_is_asked_for_in_its_context(url: str) -> None:
    told = notification(body(url, context="acct_1/acct_2"))
    assert told.asked == asked_of(url)
    assert told.context == "acct_1/acct_2"
    assert notification(body(url, context=None)).context == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1/charges/ch_1",
        "//evil.example/v1/charges/ch_1",
        "/v1/../admin",
        "/v1/charges/..",
        "/v1/charges/ch_1?expand[]=customer",
        "/v1/charges/ch_1#x",
        "/v1/charges/ch%2F1",
        "/v1/charges//ch_1",
        "/v1/charges/ch_1/",
        "/v1/charges/ch_1\r\nX: y",
        "/v3/charges/ch_1",
        "@evil.example/v1/charges/ch_1",
        "/v1/charges/" + "c" * 600,
        "",
        None,
        7,
    ],
)
def test_key_is_sent_nowhere_but_to_an_object_of_stripes_api(url: object) -> None:
    with pytest.raises(NotResolvable):
        notification(body(url))


def test_event_about_no_object_asks_for_nothing() -> None:
    assert notification(b'{"related_object": null}').asked is None


def test_event_that_the_door_lets_in_with_half_a_surrogate_is_resolved() -> None:
    told = b'{"reason": "\\ud83d", "related_object": {"url": "/v1/charges/ch_1"}}'
    assert notification(told).asked is not None


@pytest.mark.parametrize("junk", [b"", b"[]", b"{", b"null", b"\xff"])
def test_body_that_is_no_event_cannot_be_resolved(junk: bytes) -> None:
    with pytest.raises(NotResolvable):
        notification(junk)


def test_pause_between_two_tries_doubles_to_six_hours() -> None:
    pause = timedelta(seconds=30)
    assert next_try(NOW, tries=0, pause=pause) == NOW + pause
    assert next_try(NOW, tries=2, pause=pause) == NOW + timedelta(minutes=2)
    assert next_try(NOW, tries=999, pause=pause) == NOW + PAUSE_MAX


@given(st.lists(st.integers(0, 10_000)), st.integers(0, 500))
def test_spans_hold_every_offset_once_and_no_long_gap(offsets: list[int], gap: int) -> None:
    spans = list(runs(offsets, gap_max=gap))
    for offset in offsets:
        assert sum(begin <= offset < before for begin, before in spans) == 1
    assert spans == sorted(spans)
    for begin, before in spans:
        inside = sorted({o for o in offsets if begin <= o < before})
        assert (inside[0], inside[-1] + 1) == (begin, before)
        assert all(b - a <= gap for a, b in itertools.pairwise(inside))
