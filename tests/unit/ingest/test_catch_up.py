"""Windows and news: what the poller lists and publishes."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.catch_up import (
    Fields,
    Speaker,
    Telling,
    cuts,
    digest_of,
    furthest,
    news,
    start_of,
    telling,
    with_source,
)
from shared.contracts.books import Mode
from shared.contracts.envelope import envelope_of
from shared.contracts.errors import Unreadable

NOW = datetime(2026, 11, 21, 4, 5, 6, tzinfo=UTC)
SPEAKER = Speaker(account="acct_1", mode=Mode.TEST, book="main", api_version="2026-10-28.endive")
CHARGE: Fields = {"id": "ch_1", "object": "charge", "amount": 2**60 + 1, "livemode": False}
TRANSACTION: Fields = {
    "id": "txn_1",
    "object": "balance_transaction",
    "created": 1_700_000_000,
    "exchange_rate": 1.10,
    "source": CHARGE,
}


def told(value: Fields) -> Telling:
    return telling(value, SPEAKER, told_at=NOW)


def test_first_run_lists_the_lookback_and_a_later_one_the_overlap() -> None:
    first = start_of(cursor=None, now=10_000, overlap=10, lookback=1_000)
    later = start_of(cursor=9_500, now=10_000, overlap=10, lookback=1_000)
    assert (first, later) == (9_000, 9_490)


def test_long_catch_up_is_cut_and_ends_open() -> None:
    assert list(cuts(since=0, now=250, span=100)) == [100, 200, None]


def test_cursor_ahead_of_our_clock_still_lists_an_open_window() -> None:
    assert list(cuts(since=890, now=100, span=100)) == [None]


@given(
    cursor=st.none() | st.integers(0, 10_000),
    now=st.integers(0, 10_000),
    overlap=st.integers(0, 100),
    lookback=st.integers(0, 20_000),
    span=st.integers(100, 5_000),
)
def test_a_listing_begins_before_its_cursor_and_its_cuts_go_on_to_the_open_end(
    cursor: int | None, now: int, overlap: int, lookback: int, span: int
) -> None:
    since = start_of(cursor=cursor, now=now, overlap=overlap, lookback=lookback)
    assert since <= max(0, now - lookback if cursor is None else cursor)
    *closed, last = cuts(since=since, now=now, span=span)
    assert last is None
    assert all(end is not None and end <= now for end in closed)
    assert closed == sorted(set(closed), key=lambda end: end or 0)


def test_object_is_stamped_with_book_account_mode_and_version() -> None:
    record = told(CHARGE)
    assert record.envelope.id == f"ch_1:{digest_of(CHARGE).hex()[:16]}"
    assert record.envelope.type == "com.stripe.object"
    assert record.envelope.subject == "ch_1"
    assert dict(record.envelope.extensions) == {
        "account": "acct_1",
        "book": "main",
        "livemode": "false",
        "stripeversion": "2026-10-28.endive",
        "via": "poll",
    }
    assert record.key == b"acct_1|ch_1"
    assert envelope_of(record.envelope.headers(), record.envelope.data) == record.envelope


def test_object_keeps_its_integers_whole_and_its_fields_in_order() -> None:
    data = told(CHARGE).envelope.data
    assert json.loads(data) == CHARGE
    assert str(2**60 + 1).encode() in data
    assert list(json.loads(data)) == list(CHARGE)


def test_object_without_livemode_is_of_the_mode_of_the_key() -> None:
    assert told(TRANSACTION).envelope.extension("livemode") == "false"


def test_object_that_says_another_mode_is_told_as_it_says() -> None:
    assert told({**CHARGE, "livemode": True}).envelope.extension("livemode") == "true"


def test_balance_without_an_id_is_keyed_by_its_kind() -> None:
    assert told({"object": "balance", "available": []}).object_id == "balance"


@pytest.mark.parametrize(
    "value", [{}, {"id": 7}, {"id": "a\nb"}, {"id": "x", "rate": float("nan")}]
)
def test_object_that_is_none_is_unreadable(value: Fields) -> None:
    with pytest.raises(Unreadable):
        told(value)


def test_balance_transaction_and_its_source_are_two_records() -> None:
    transaction, source = with_source(TRANSACTION)
    assert transaction == {**TRANSACTION, "source": "ch_1"}
    assert source == CHARGE
    assert with_source(transaction) == (transaction,)
    assert with_source({"id": "txn_2", "source": None}) == ({"id": "txn_2", "source": None},)


@pytest.mark.parametrize(
    "what",
    [
        {"type": "refund", "reporting_category": "partial_capture_reversal"},
        {"type": "adjustment", "reporting_category": "charge_failure"},
        {"type": "payment_failure_refund", "reporting_category": None},
    ],
)
def test_refund_only_in_form_stays_with_the_balance_transaction_that_says_so(what: Fields) -> None:
    refund = {"id": "re_1", "object": "refund", "charge": "ch_1"}
    transaction: Fields = {"id": "txn_3", **what, "source": refund}
    assert with_source(transaction) == (transaction,)
    assert len(with_source({**transaction, "source": CHARGE})) == 2
    assert len(with_source({"id": "txn_4", "type": "refund", "source": refund})) == 2


def test_digest_does_not_see_the_order_of_fields_but_every_value() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


def test_news_is_what_changed_each_object_once() -> None:
    changed = told({**CHARGE, "refunded": True})
    fresh = told({"id": "ch_2"})
    same = told({"id": "ch_3"})
    known = {"ch_1": told(CHARGE).digest, "ch_3": same.digest}
    assert news([told(CHARGE), changed, fresh, same], known) == (changed, fresh)


def test_cursor_is_the_newest_time_that_was_told() -> None:
    assert furthest(None, [told(TRANSACTION), told(CHARGE)]) == 1_700_000_000
    assert furthest(1_800_000_000, [told(TRANSACTION)]) == 1_800_000_000
    assert furthest(None, [told(CHARGE)]) is None
