"""Charges, refunds, transfers and reversals: what each proves by itself."""

from datetime import UTC, datetime
from textwrap import dedent

import pytest

from shared.contracts.errors import Unreadable
from tests.unit.ledger.telling import (
    CREATED,
    Json,
    books,
    charge,
    listed,
    of_event,
    of_object,
    refund,
    reversal,
    said,
    transfer,
    txn,
)

PAYMENT = dedent("""\
    stripe:payment:ch_1
    Dr assets:stripe:settling[ch_1]  100.00 USD
    Cr revenue:stripe                100.00 USD""")
REFUND = dedent("""\
    stripe:refund:re_1
    Dr revenue:refunds               25.00 USD
    Cr assets:stripe:settling[re_1]  25.00 USD""")
REFUND_FAILED = dedent("""\
    stripe:refund:re_1:failed
    Dr assets:stripe:settling[re_1]  25.00 USD
    Cr revenue:refunds               25.00 USD""")


def test_charge_captured_waits_for_its_balance_transaction() -> None:
    assert books(of_event(charge())) == PAYMENT


@pytest.mark.parametrize("kind", ["charge.succeeded", "charge.captured", "charge.refunded"])
def test_charge_books_the_same_whatever_event_shows_it(kind: str) -> None:
    shown = charge(amount_refunded=2_500, disputed=True)
    assert books(of_event(shown, kind)) == PAYMENT


def test_charge_polled_books_the_same_as_its_event() -> None:
    assert of_object(charge()).entries[0].digest() == of_event(charge()).entries[0].digest()


def test_charge_takes_its_time_from_the_charge() -> None:
    assert of_event(charge()).entries[0].effective_at == datetime.fromtimestamp(CREATED, UTC)


def test_charge_captured_in_part_counts_what_was_captured() -> None:
    assert books(of_event(charge(amount_captured=7_000))) == dedent("""\
        stripe:payment:ch_1
        Dr assets:stripe:settling[ch_1]  70.00 USD
        Cr revenue:stripe                70.00 USD""")


def test_charge_of_an_old_version_without_amount_captured_counts_the_amount() -> None:
    shown = charge()
    del shown["amount_captured"]
    assert books(of_event(shown)) == PAYMENT


def test_charge_of_an_old_version_that_does_not_say_captured_was_captured() -> None:
    shown = charge()
    del shown["amount_captured"], shown["captured"]
    assert books(of_event(shown)) == PAYMENT


@pytest.mark.parametrize(
    "fields",
    [
        {"captured": False, "amount_captured": 0},
        {"status": "pending", "balance_transaction": "txn_1"},
        {"status": "failed", "captured": False, "amount_captured": 0},
        {"status": None, "paid": False},
        {"status": None, "paid": None},
        {"status": "a_new_state", "paid": False},
        {"status": "pending", "paid": True},
    ],
)
def test_charge_that_took_no_money_books_nothing(fields: Json) -> None:
    decision = of_event(charge(**fields))
    assert decision.entries == ()
    assert said(decision) == [("nothing_to_book", "no_booking", "ch_1")]


def test_charge_of_zero_books_nothing_and_says_so() -> None:
    decision = of_event(charge(amount=0, amount_captured=0))
    assert said(decision) == [("nothing_to_book", "zero_amount", "ch_1")]


@pytest.mark.parametrize(
    ("currency", "amount", "text"),
    [
        ("jpy", 500, "500 JPY"),
        ("kwd", 12_340, "12.340 KWD"),
        ("isk", 10_000, "100.00 ISK"),
        ("USD", 10**30, "10000000000000000000000000000.00 USD"),
        ("usd", 2**63, "92233720368547758.08 USD"),
        ("usd", 2**64 + 1, "184467440737095516.17 USD"),
    ],
)
def test_charge_keeps_every_minor_unit_of_any_currency(
    currency: str, amount: int, text: str
) -> None:
    shown = charge(amount=amount, amount_captured=amount, currency=currency)
    assert books(of_event(shown)) == dedent(f"""\
        stripe:payment:ch_1
        Dr assets:stripe:settling[ch_1]  {text}
        Cr revenue:stripe                {text}""")


@pytest.mark.parametrize("amount", [10.5, 12.0, "12", True, None, -1, 10**30 + 1, [], {}])
def test_charge_with_an_amount_that_is_none_is_refused_by_its_id(amount: object) -> None:
    decision = of_event(charge(amount_captured=amount))
    assert decision.entries == ()
    assert said(decision) == [("refused", "invalid_amount", "ch_1")]


@pytest.mark.parametrize("status", [None, "", "a_new_state"])
def test_charge_without_a_status_that_is_known_counts_by_whether_it_is_paid(status: object) -> None:
    assert books(of_event(charge(status=status, paid=True))) == PAYMENT
    told = charge(paid=True)
    del told["status"]
    assert books(of_event(told)) == PAYMENT


def test_charge_whose_state_nobody_can_tell_is_refused() -> None:
    with pytest.raises(Unreadable, match="paid"):
        of_event(charge(status=None, paid="yes"))


@pytest.mark.parametrize("length", [1, 255])
def test_charge_with_an_id_of_any_length_that_stripe_allows_is_booked(length: int) -> None:
    shown = charge(id="c" * length, status="failed", failure_balance_transaction=txn(source=None))
    assert len(of_event(shown).entries) == 3
    assert not of_event(shown).remarks


@pytest.mark.parametrize("currency", ["xxx", "", None, 3, "us"])
def test_charge_in_no_known_currency_is_refused(currency: object) -> None:
    assert said(of_event(charge(currency=currency))) == [("refused", "invalid_amount", "ch_1")]


def test_destination_charge_owes_what_it_sends_on() -> None:
    shown = charge(transfer_data={"destination": "acct_m", "amount": 9_000})
    assert books(of_event(shown)) == dedent("""\
        stripe:payment:ch_1
        Dr assets:stripe:settling[ch_1]  100.00 USD
        Cr liabilities:connect[acct_m]    90.00 USD
        Cr revenue:stripe                 10.00 USD""")


def test_destination_charge_without_an_amount_sends_all_of_it_on() -> None:
    shown = charge(transfer_data={"destination": "acct_m", "amount": None}, amount_captured=7_000)
    assert books(of_event(shown)) == dedent("""\
        stripe:payment:ch_1
        Dr assets:stripe:settling[ch_1]  70.00 USD
        Cr liabilities:connect[acct_m]   70.00 USD""")


def test_destination_charge_with_an_expanded_account_is_keyed_by_its_id() -> None:
    named = charge(transfer_data={"destination": "acct_m", "amount": 1})
    expanded = charge(transfer_data={"destination": {"id": "acct_m"}, "amount": 1})
    assert books(of_event(named)) == books(of_event(expanded))


@pytest.mark.parametrize(
    "fields",
    [
        {"balance_transaction": "txn_1"},
        {"failure_balance_transaction": "txn_2"},
        {"failure_balance_transaction": "txn_2", "captured": False, "amount_captured": 0},
        {"failure_balance_transaction": "txn_2", "captured": False, "amount_captured": None},
    ],
)
def test_charge_returned_books_the_payment_and_its_failure(fields: Json) -> None:
    shown = charge(status="failed", paid=False, **fields)
    assert books(of_event(shown)) == PAYMENT + "\n" + dedent("""\
        stripe:payment:ch_1:failed
        Cr assets:stripe:settling[ch_1]  100.00 USD
        Dr revenue:stripe                100.00 USD""")


def test_charge_returned_fails_at_the_time_of_the_event() -> None:
    failed = of_event(charge(status="failed", balance_transaction="txn_1")).entries[1]
    assert failed.effective_at == datetime.fromtimestamp(CREATED + 5, UTC)
    assert failed.reverses == "stripe:payment:ch_1"


def test_destination_charge_returned_takes_back_both_credits() -> None:
    shown = charge(
        status="failed",
        failure_balance_transaction="txn_2",
        transfer_data={"destination": "acct_m", "amount": 9_000},
    )
    assert books(of_event(shown)).endswith(
        dedent("""\
        stripe:payment:ch_1:failed
        Cr assets:stripe:settling[ch_1]  100.00 USD
        Dr liabilities:connect[acct_m]    90.00 USD
        Dr revenue:stripe                 10.00 USD""")
    )


@pytest.mark.parametrize("status", ["succeeded", "pending", "requires_action", None])
def test_refund_books_in_any_state(status: str | None) -> None:
    assert books(of_event(refund(status=status))) == REFUND


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_refund_failed_books_the_refund_and_its_failure(status: str) -> None:
    assert books(of_event(refund(status=status))) == f"{REFUND}\n{REFUND_FAILED}"


def test_refund_failed_takes_its_time_from_the_returned_funds_when_they_are_shown() -> None:
    back = txn(id="txn_9", type="refund_failure", created=CREATED + 999, source="re_1")
    failed = of_event(refund(status="failed", failure_balance_transaction=back)).entries[1]
    assert failed.effective_at == datetime.fromtimestamp(CREATED + 999, UTC)


@pytest.mark.parametrize("amount", [1.5, "2500", None, -2_500])
def test_refund_with_an_amount_that_is_none_is_refused(amount: object) -> None:
    assert said(of_event(refund(amount=amount))) == [("refused", "invalid_amount", "re_1")]


def test_refund_of_zero_books_nothing() -> None:
    assert said(of_event(refund(amount=0))) == [("nothing_to_book", "zero_amount", "re_1")]


def test_charge_with_embedded_refunds_books_each_of_them() -> None:
    shown = charge(
        amount_refunded=3_000,
        refunds=listed(refund(id="re_2", amount=500, status="failed"), refund()),
    )
    decision = of_event(shown, "charge.refunded")
    assert [e.reference for e in decision.entries] == [
        "stripe:payment:ch_1",
        "stripe:refund:re_2",
        "stripe:refund:re_2:failed",
        "stripe:refund:re_1",
    ]


def test_running_totals_book_nothing() -> None:
    assert books(of_event(charge(amount_refunded=9_999))) == PAYMENT
    assert len(of_event(transfer(amount_reversed=9_000, reversed=True)).entries) == 1


def test_transfer_pays_what_a_connected_account_is_owed() -> None:
    assert books(of_event(transfer())) == dedent("""\
        stripe:transfer:tr_1
        Dr liabilities:connect[acct_m]   90.00 USD
        Cr assets:stripe:settling[tr_1]  90.00 USD""")


def test_transfer_reversals_book_each_item() -> None:
    shown = transfer(
        amount_reversed=1_500, reversals=listed(reversal(id="trr_2", amount=500), reversal())
    )
    assert books(of_event(shown, "transfer.reversed")).split("\n", 3)[3] == dedent("""\
        stripe:transfer_reversal:trr_2
        Dr assets:stripe:settling[trr_2]  5.00 USD
        Cr liabilities:connect[acct_m]    5.00 USD
        stripe:transfer_reversal:trr_1
        Dr assets:stripe:settling[trr_1]  10.00 USD
        Cr liabilities:connect[acct_m]    10.00 USD""")


def test_transfer_reversal_of_a_refund_credits_refunds() -> None:
    assert books(of_object(reversal(source_refund="re_1"))) == dedent("""\
        stripe:transfer_reversal:trr_1
        Dr assets:stripe:settling[trr_1]  10.00 USD
        Cr revenue:refunds                10.00 USD""")


def test_transfer_reversal_alone_leaves_the_booking_to_its_transfer() -> None:
    assert said(of_object(reversal())) == [("nothing_to_book", "no_booking", "trr_1")]


def test_transfer_reversal_with_its_transfer_expanded_books_both() -> None:
    references = [e.reference for e in of_object(reversal(transfer=transfer())).entries]
    assert references == ["stripe:transfer_reversal:trr_1", "stripe:transfer:tr_1"]


def test_transfer_of_versions_that_called_a_payout_so_books_nothing() -> None:
    shown = transfer(type="bank_account", destination="ba_1")
    assert said(of_event(shown)) == [("nothing_to_book", "no_booking", "tr_1")]


@pytest.mark.parametrize("odd", [{}, []])
def test_word_that_is_no_text_breaks_no_rule(odd: object) -> None:
    assert len(of_event(transfer(type=odd)).entries) == 1
    shown = charge(balance_transaction=txn(source=refund(), reporting_category=odd))
    assert [e.reference for e in of_event(shown).entries] == [
        "stripe:payment:ch_1",
        "stripe:refund:re_1",
    ]


def test_one_bad_refund_among_good_ones_is_refused_alone() -> None:
    shown = charge(refunds=listed(refund(id="re_2", amount="5"), refund()))
    decision = of_event(shown)
    assert [e.reference for e in decision.entries] == ["stripe:payment:ch_1", "stripe:refund:re_1"]
    assert said(decision) == [("refused", "invalid_amount", "re_2")]


@pytest.mark.parametrize(
    "kind",
    ["payment_intent", "checkout.session", "invoice", "payout", "topup", "customer", "account"],
)
def test_object_that_moves_no_money_by_itself_books_nothing(kind: str) -> None:
    shown: Json = {
        "id": "x_1",
        "object": kind,
        "amount": 10_000,
        "currency": "usd",
        "status": "paid",
    }
    assert said(of_event(shown)) == [("nothing_to_book", "no_booking", "x_1")]


@pytest.mark.parametrize("kind", ["payout", "topup"])
@pytest.mark.parametrize("amount", [10.5, "100", None, True, 10**31])
def test_object_that_the_bank_is_to_show_with_an_amount_that_is_none_is_refused(
    kind: str, amount: object
) -> None:
    shown: Json = {"id": "x_1", "object": kind, "amount": amount, "currency": "usd"}
    assert said(of_event(shown)) == [("refused", "invalid_amount", "x_1")]
