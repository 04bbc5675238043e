"""The table: identity, books, modes, foreign accounts, and what cannot be read."""

import json

import pytest

from services.ledger.activation.in_force import InForce
from services.ledger.posting_rules import Decision, decide, difference, subject_of
from shared.contracts import references, topics
from shared.contracts.books import BankAccount, BookData, BookMap, Mode
from shared.contracts.errors import Refused, Unreadable
from shared.contracts.journal import Entry
from shared.contracts.money import MINOR_MAX, Money, currency_of
from tests.unit.ledger.telling import (
    Json,
    charge,
    event,
    of_event,
    of_object,
    refund,
    said,
    told,
    told_bytes,
    transfer,
    txn,
)

OURS = BookMap(books=(BookData(stripe_accounts=("acct_own",), mode=Mode.LIVE),))


def event_of(value: object, book_map: BookMap = OURS, **extensions: str) -> Decision:
    return decide(told(topics.STRIPE_EVENTS, value, **extensions), InForce(book_map))


def test_event_is_identified_by_its_id() -> None:
    decision = of_event(charge())
    assert decision.identity == "evt_1"
    assert decision.identity_digest is not None
    assert decision.book == "main"


@pytest.mark.parametrize(
    "fields",
    [
        {"pending_webhooks": 7},
        {"request": {"id": "req_2"}},
        {"request": "req_old_version"},
        {"api_version": "2020-08-27"},
        {"account": None},
        {"context": None},
    ],
)
def test_event_delivered_again_says_the_same(fields: Json) -> None:
    assert of_event(charge(), **fields).identity_digest == of_event(charge()).identity_digest


@pytest.mark.parametrize(
    "fields",
    [
        {"created": 1},
        {"type": "other"},
        {"account": "acct_x"},
        {"context": "acct_x"},
        {"data": {"object": txn()}},
    ],
)
def test_event_that_says_something_else_has_another_digest(fields: Json) -> None:
    assert of_event(charge(), **fields).identity_digest != of_event(charge()).identity_digest


def test_event_digest_does_not_depend_on_the_order_of_fields() -> None:
    turned = dict(reversed(list(event("thing.updated", charge()).items())))
    assert event_of(turned).identity_digest == of_event(charge()).identity_digest


def test_event_digest_keeps_fractions_as_they_were_written() -> None:
    one = of_event(charge(rate=1.085)).identity_digest
    assert one == of_event(charge(rate=1.085)).identity_digest
    assert one != of_event(charge(rate=1.0850000000000002)).identity_digest
    assert one != of_event(charge(rate="1.085")).identity_digest


def test_event_of_a_connected_account_books_nothing() -> None:
    decision = of_event(charge(), account="acct_other")
    assert decision.entries == ()
    assert said(decision) == [("nothing_to_book", "foreign_account", "evt_1")]


def test_event_of_our_own_account_is_booked() -> None:
    assert len(event_of(event("x", charge(), account="acct_own")).entries) == 1


def test_event_marked_foreign_at_the_door_books_nothing() -> None:
    decision = event_of(event("x", charge()), foreign="true")
    assert said(decision) == [("nothing_to_book", "foreign_account", "evt_1")]


@pytest.mark.parametrize("context", ["acct_other", "acct_own/acct_other"])
def test_event_whose_context_names_another_account_books_nothing(context: str) -> None:
    decision = event_of(event("x", charge(), context=context))
    assert said(decision) == [("nothing_to_book", "foreign_account", "evt_1")]


def test_event_whose_context_names_our_own_account_is_booked() -> None:
    assert len(event_of(event("x", charge(), context="acct_own")).entries) == 1


@pytest.mark.parametrize("account", [None, "acct_own"])
def test_test_event_at_a_live_connect_endpoint_books_nothing_and_is_no_discrepancy(
    account: str | None,
) -> None:
    value = event("x", charge(livemode=False), livemode=False, account=account)
    decision = event_of(value, book="main", livemode="false", othermode="true")
    assert decision.entries == ()
    assert said(decision) == [("nothing_to_book", "other_mode", "evt_1")]


def test_test_event_at_a_live_connect_endpoint_books_nothing_in_a_book_of_no_mode() -> None:
    value = event("x", charge(livemode=False), livemode=False)
    modeless = BookMap(books=(BookData(stripe_accounts=("acct_own",)),))
    decision = event_of(value, modeless, book="main", livemode="false", othermode="true")
    assert said(decision) == [("nothing_to_book", "other_mode", "evt_1")]


def test_polled_object_of_another_account_books_nothing() -> None:
    decision = of_object(charge(), account="acct_other")
    assert said(decision) == [("nothing_to_book", "foreign_account", "ch_1")]


@pytest.mark.parametrize(
    "value",
    [
        event("x", charge(livemode=False), livemode=False),
        event("x", charge(livemode=False), livemode=True),
        event("x", charge(livemode=True), livemode=False),
    ],
)
def test_event_of_the_other_mode_is_refused_under_its_own_id(value: Json) -> None:
    decision = event_of(value)
    assert decision.entries == ()
    assert said(decision) == [("refused", "mode_mismatch", "evt_1")]


def test_event_and_object_of_two_modes_are_refused_in_a_book_of_no_mode() -> None:
    decision = of_event(charge(livemode=False))
    assert said(decision) == [("refused", "mode_mismatch", "evt_1")]


def test_delivery_stamped_with_the_other_mode_is_refused() -> None:
    decision = decide(told(topics.STRIPE_EVENTS, event("x", charge()), livemode="false"), InForce())
    assert said(decision) == [("refused", "mode_mismatch", "evt_1")]


def test_polled_object_of_the_other_mode_is_refused_under_its_own_id() -> None:
    decision = decide(told(topics.STRIPE_OBJECTS, charge(livemode=False)), InForce(OURS))
    assert said(decision) == [("refused", "mode_mismatch", "ch_1")]


TWO = BookMap(
    books=(
        BookData(
            name="live",
            mode=Mode.LIVE,
            stripe_accounts=("acct_own",),
            bank_accounts=(BankAccount(name="main", currency="usd"),),
        ),
        BookData(name="test", mode=Mode.TEST, stripe_accounts=("acct_own",)),
    )
)


def test_mode_chooses_the_book() -> None:
    live = event_of(event("x", charge()), TWO)
    test = event_of(event("x", charge(livemode=False), livemode=False), TWO)
    assert (live.book, len(live.entries)) == ("live", 1)
    assert (test.book, len(test.entries)) == ("test", 1)


def test_stamped_book_goes_before_the_mode() -> None:
    decision = event_of(event("x", charge()), TWO, book="test")
    assert decision.book == "test"
    assert said(decision) == [("refused", "mode_mismatch", "evt_1")]


def test_stamped_book_that_nobody_knows_stands_by_itself() -> None:
    assert event_of(event("x", charge()), TWO, book="other").book == "other"


def test_bank_account_that_no_book_names_cannot_be_read_among_several() -> None:
    line = {"account": "else", "id": "l", "amount": {"minor": "1", "currency": "usd", "exponent": 2},
            "booked_on": "2026-11-01"}  # fmt: skip
    with pytest.raises(Unreadable):
        decide(told(topics.BANK_OBSERVATIONS, line), InForce(TWO))


THIN: Json = {"id": "evt_2", "object": "v2.core.event", "type": "v1.charge.succeeded",
              "created": "2026-11-21T04:05:06Z", "livemode": True,
              "related_object": {"id": "ch_1", "type": "charge"}}  # fmt: skip


@pytest.mark.parametrize(
    "changes", [{}, {"livemode": False}, {"context": "acct_other"}, {"related_object": None}]
)
def test_thin_event_is_known_and_books_nothing(changes: Json) -> None:
    decision = event_of(THIN | changes)
    assert said(decision) == [("nothing_to_book", "no_booking", "evt_2")]
    assert decision.identity == "evt_2"


def test_thin_event_says_the_same_in_its_notification_and_through_the_api() -> None:
    told_whole = THIN | {"data": {"amount": 1}, "changes": {"x": 1}, "snapshot_event": "evt_1"}
    assert event_of(told_whole).identity_digest == event_of(THIN).identity_digest


@pytest.mark.parametrize(
    "changes", [{"context": "acct_1"}, {"related_object": {"id": "ch_2", "type": "charge"}}]
)
def test_thin_event_that_says_something_else_has_another_digest(changes: Json) -> None:
    assert event_of(THIN | changes).identity_digest != event_of(THIN).identity_digest


def test_balance_has_no_id_and_books_nothing() -> None:
    shown: Json = {"object": "balance", "livemode": True, "available": [], "pending": []}
    assert said(of_object(shown)) == [("nothing_to_book", "no_booking", "balance")]


def test_list_of_objects_books_each() -> None:
    shown = {"object": "list", "data": [charge(), refund(), txn()], "has_more": False}
    assert len(of_object(shown).entries) == 3


def test_fact_told_twice_in_one_message_is_booked_once() -> None:
    shown = charge(balance_transaction=txn(source=charge()))
    assert len(of_object(shown).entries) == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"\xff\xfe",
        b"{}",
        b'{"object": "event"}',
        b'{"id": "", "object": "event"}',
        b'{"id": 5, "object": "event", "data": {"object": {}}}',
        b'{"id": "evt_1", "created": 99999999999999, "data": {"object": {"id": "c", "object": "charge"}}}',
        b'{"id": "evt:1", "created": 1, "data": {"object": {"id": "c", "object": "charge"}}}',
        b'{"id": "evt_1", "livemode": "yes", "created": 1, "data": {"object": {"id": "c", "object": "charge"}}}',
        b"[" * 10_000 + b"]" * 10_000,
        b'{"id": "evt_1", "data": ' + b'{"object": ' * 10_000 + b"1" + b"}" * 10_001,
        b'{"id": "evt_1", "note": "\\ud800", "data": {"object": {}}}',
        b'{"id": "evt_1", "note": "\\u0000", "data": {"object": {}}}',
        b'{"id": "evt_1\\u0000", "data": {"object": {}}}',
    ],
)
@pytest.mark.parametrize("topic", [topics.STRIPE_EVENTS, topics.STRIPE_OBJECTS])
def test_bytes_that_say_nothing_are_unreadable(topic: str, raw: bytes) -> None:
    with pytest.raises(Unreadable):
        decide(told_bytes(topic, raw), InForce())


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e400", "1E2", "1.0", "9" * 5_000]
)
def test_number_that_is_no_amount_is_refused_and_never_made_a_float(number: str) -> None:
    raw = json.dumps(event("x", charge(amount_captured="@"))).replace('"@"', number).encode()
    decision = decide(told_bytes(topics.STRIPE_EVENTS, raw), InForce())
    assert decision.entries == ()
    assert said(decision) == [("refused", "invalid_amount", "ch_1")]


def test_pair_of_surrogates_is_one_letter_and_readable() -> None:
    assert len(of_event(charge(description="\U0001f9fe")).entries) == 1


def test_topic_that_the_ledger_does_not_read_is_refused() -> None:
    with pytest.raises(Refused):
        decide(told("some.topic", {}), InForce())


def test_object_that_does_not_say_what_it_is_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        of_event({"id": "ch_1", "amount": 5})


@pytest.mark.parametrize(
    ("reference", "subject"),
    [
        (references.payment("ch_1"), "ch_1"),
        (references.payment_failed("ch_1"), "ch_1"),
        (references.refund_failed("re_1"), "re_1"),
        (references.balance_transaction("txn_1"), "txn_1"),
        (references.transfer_reversal("trr_1"), "trr_1"),
        (references.bank_line("main", "a:b", 3), "a:b"),
        (references.bank_line_reversed("main", "l:r1", 3), "l:r1"),
        (references.match("mtc_1", 2), "mtc_1"),
        (references.match_undone("mtc_1", 2), "mtc_1"),
        (references.command("key:1"), "key:1"),
    ],
)
def test_reference_tells_the_object_that_it_is_about(reference: str, subject: str) -> None:
    assert subject_of(reference) == subject


def test_reference_of_no_known_form_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        subject_of("what:ever")


def test_difference_of_two_tellings_is_absolute_in_the_currency_that_differs() -> None:
    one = of_event(charge()).entries[0]
    less = of_event(charge(amount_captured=9_000)).entries[0]
    euros = of_event(charge(currency="eur")).entries[0]
    other_account = of_event(charge(transfer_data={"destination": "acct_m"})).entries[0]
    assert str(difference(one, less)) == str(difference(less, one)) == "10.00 USD"
    assert str(difference(one, euros)) == "100.00 EUR"
    assert str(difference(one, other_account)) == "100.00 USD"
    assert difference(one, one) is None


def test_difference_where_the_totals_agree_is_what_was_booked_elsewhere() -> None:
    def movement(fee: int) -> Entry:
        return of_object(txn(fee=fee, net=10_000 - fee)).entries[0]

    assert str(difference(movement(320), movement(350))) == "0.30 USD"


def test_difference_past_the_limit_of_money_stands_at_the_limit() -> None:
    out = of_object(txn(amount=-MINOR_MAX, fee=0, net=-MINOR_MAX)).entries[0]
    back = of_object(txn(amount=MINOR_MAX, fee=0, net=MINOR_MAX)).entries[0]
    assert difference(out, back) == Money(MINOR_MAX, currency_of("usd"))


def test_forecast_of_an_invoice_without_an_id_books_nothing() -> None:
    forecast: Json = {"object": "invoice", "amount_due": 500, "currency": "usd"}
    (remark,) = of_event(forecast, "invoice.upcoming").remarks
    assert (remark.reason, remark.subject) == ("no_booking", "invoice")
    (polled,) = of_object(forecast).remarks
    assert (polled.reason, polled.subject) == ("no_booking", "invoice")


def test_transfer_without_a_destination_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        of_event(transfer(destination=None))
