"""Movements that meet: payouts, returned debits, refunds, disputes, transfers, currencies."""

from textwrap import dedent

import pytest

from tests.unit.ledger.telling import (
    Json,
    balances,
    books,
    charge,
    legs,
    listed,
    moved,
    of_event,
    of_object,
    refund,
    reversal,
    said,
    transfer,
)

# ---- payouts


def test_instant_payout_leaves_the_same_in_transit_in_both_forms_of_its_fee() -> None:
    inside = moved("payout", -10_000, 150, source="po_1", id="t1")
    apart = (
        moved("payout", -10_000, source="po_1", id="t1"),
        moved("stripe_fee", -150, source=None, id="t2", reporting_category="fee"),
    )
    assert (
        balances(inside)
        == balances(*apart)
        == {
            ("assets:stripe:balance", "", "usd"): -10_150,
            ("assets:stripe:in-transit", "po_1", "usd"): 10_000,
            ("expenses:stripe-fees", "", "usd"): 150,
        }
    )


def test_payout_below_zero_takes_money_from_the_bank() -> None:
    assert legs(moved("payout", 7_500, source="po_1")) == dedent("""\
        Dr assets:stripe:balance           75.00 USD
        Cr assets:stripe:in-transit[po_1]  75.00 USD""")


def test_payout_that_failed_with_its_fee_given_back_leaves_nothing() -> None:
    out = moved("payout", -10_000, 150, source="po_1", id="t1")
    back = moved(
        "payout_failure", 10_000, -150, source="po_1", id="t2", reporting_category="payout_reversal"
    )
    assert balances(out, back) == {}


def test_payout_reversed_by_another_keeps_a_key_for_each() -> None:
    out = moved("payout", -10_000, source="po_1", id="t1")
    back = moved("payout", 10_000, source="po_2", id="t2")
    assert balances(out, back) == {
        ("assets:stripe:in-transit", "po_1", "usd"): 10_000,
        ("assets:stripe:in-transit", "po_2", "usd"): -10_000,
    }


@pytest.mark.parametrize("kind", ["inbound_transfer", "inbound_transfer_reversal"])
def test_funds_drawn_from_the_bank_are_in_transit_like_a_top_up(kind: str) -> None:
    sign = 1 if kind == "inbound_transfer" else -1
    assert balances(moved(kind, sign * 700, source="ibt_1")) == {
        ("assets:stripe:balance", "", "usd"): sign * 700,
        ("assets:stripe:in-transit", "ibt_1", "usd"): -sign * 700,
    }


BANK_TRANSFER = transfer(id="tr_old", type="bank_account", destination="ba_1")


@pytest.mark.parametrize(
    "fields",
    [
        {"reporting_category": "payout", "source": "tr_old"},
        {"reporting_category": None, "source": "po_old"},
        {"reporting_category": None, "source": BANK_TRANSFER},
        {"reporting_category": None, "source": BANK_TRANSFER | {"type": "card"}},
        {
            "reporting_category": "transfer",
            "source": {"id": "tr_old", "object": "payout", "amount": 500, "currency": "usd"},
        },
    ],
)
def test_payout_of_a_version_that_called_it_a_transfer_is_in_transit(fields: Json) -> None:
    assert "Dr assets:stripe:in-transit[" in legs(moved("transfer", -500) | fields)


def test_payout_of_such_a_version_comes_back_from_in_transit() -> None:
    shown = moved("transfer_failure", 500, source="tr_old", reporting_category="payout_reversal")
    assert "Cr assets:stripe:in-transit[tr_old]" in legs(shown)


def test_payout_told_as_a_bare_transfer_without_a_category_stays_open_and_is_seen() -> None:
    shown = moved("transfer", -500, source="tr_old", reporting_category=None)
    assert "Dr assets:stripe:settling[tr_old]" in legs(shown)


# ---- debits that are returned


@pytest.mark.parametrize("source", ["pyr_1", "re_1", None])
def test_returned_debit_whose_charge_is_not_told_waits_in_suspense(source: object) -> None:
    shown = moved("payment_failure_refund", -10_000, 750, source=source)
    decision = of_object(shown)
    assert books(decision) == dedent("""\
        stripe:balance_transaction:txn_1
        Cr assets:stripe:balance        107.50 USD
        Dr liabilities:suspense[txn_1]  107.50 USD""")
    assert said(decision) == [("noted", "unknown_balance_transaction", "txn_1")]
    assert decision.remarks[0].detail.startswith("no key told along for type payment_failure_ref")


@pytest.mark.parametrize("kind", ["payment_failure_refund", "payment_reversal", "adjustment"])
def test_debit_that_fails_later_leaves_only_its_fees(kind: str) -> None:
    fallen = charge(id="py_1", status="failed", failure_balance_transaction="t2", paid=False)
    settled = moved("payment", 10_000, 80, source="py_1", id="t1")
    back = moved(
        kind, -10_000, 400, id="t2", reporting_category="charge_failure",
        source=refund(id="pyr_1", amount=10_000, charge="py_1"),
    )  # fmt: skip
    assert balances(fallen, settled, back) == {
        ("assets:stripe:balance", "", "usd"): -480,
        ("expenses:stripe-fees", "", "usd"): 480,
    }


def test_payment_reversal_without_a_category_that_explains_it_asks_for_a_rule() -> None:
    assert "liabilities:suspense[txn_1]" in legs(moved("payment_reversal", -5, source="py_1"))


# ---- refunds that fail


@pytest.mark.parametrize("kind", ["refund_failure", "adjustment"])
def test_refund_that_failed_leaves_nothing_in_both_forms_of_its_return(kind: str) -> None:
    failed = refund(status="failed", failure_balance_transaction="t2")
    out = moved("refund", -2_500, source="re_1", id="t1")
    back = moved(kind, 2_500, source="re_1", id="t2", reporting_category="refund_failure")
    assert balances(failed, out, back) == {}


# ---- disputes


def test_dispute_won_late_and_in_part_leaves_what_was_lost() -> None:
    out = moved("adjustment", -10_000, 1_500, reporting_category="dispute", source="du_1", id="t1")
    part = moved("adjustment", 4_000, reporting_category="dispute_reversal", source="du_1", id="t2")
    rest = moved(
        "adjustment", 6_000, -1_500, reporting_category="dispute_reversal", source="du_1", id="t3"
    )
    assert balances(out, part) == {
        ("assets:stripe:balance", "", "usd"): -7_500,
        ("expenses:disputes", "du_1", "usd"): 6_000,
        ("expenses:stripe-fees", "", "usd"): 1_500,
    }
    assert balances(out, part, rest) == {}


@pytest.mark.parametrize("status", ["warning_needs_response", "warning_closed", "a_new_state"])
def test_inquiry_that_moved_no_money_books_nothing(status: str) -> None:
    shown: Json = {"id": "du_1", "object": "dispute", "status": status, "balance_transactions": []}
    assert said(of_event(shown)) == [("nothing_to_book", "no_booking", "du_1")]


# ---- platforms


def test_destination_charge_refunded_with_its_reversals_leaves_the_kept_fee() -> None:
    sale = charge(transfer_data={"destination": "acct_m", "amount": None})
    told = (
        sale,
        moved("charge", 10_000, 320, id="t1"),
        transfer(id="tr_1", amount=10_000),
        moved("transfer", -10_000, source="tr_1", id="t2"),
        moved("application_fee", 1_000, source="fee_1", id="t3"),
        refund(amount=10_000),
        moved("refund", -10_000, source="re_1", id="t4"),
        reversal(amount=10_000, source_refund="re_1", transfer=transfer(amount=10_000)),
        moved("transfer_refund", 10_000, source="trr_1", id="t5"),
        moved("application_fee_refund", -400, source="fr_1", id="t6"),
    )
    assert balances(*told) == {
        ("assets:stripe:balance", "", "usd"): 280,
        ("revenue:application-fees", "", "usd"): -600,
        ("expenses:stripe-fees", "", "usd"): 320,
    }


def test_separate_charge_and_transfer_is_an_advance_until_the_share_is_decided() -> None:
    told = (
        charge(),
        moved("charge", 10_000, 320, id="t1"),
        transfer(),
        moved("transfer", -9_000, source="tr_1", id="t2"),
        transfer(amount_reversed=1_000, reversals=listed(reversal())),
        moved("transfer_refund", 1_000, source="trr_1", id="t3"),
    )
    assert balances(*told) == {
        ("assets:stripe:balance", "", "usd"): 9_680 - 8_000,
        ("expenses:stripe-fees", "", "usd"): 320,
        ("liabilities:connect", "acct_m", "usd"): 8_000,
        ("revenue:stripe", "", "usd"): -10_000,
    }


@pytest.mark.parametrize("kind", ["transfer_cancel", "transfer_failure"])
def test_transfer_that_did_not_arrive_reopens_its_key(kind: str) -> None:
    out = moved("transfer", -9_000, source="tr_1", id="t1")
    back = moved(kind, 9_000, source="tr_1", id="t2", reporting_category="transfer_reversal")
    assert balances(transfer(), out, back) == {
        ("liabilities:connect", "acct_m", "usd"): 9_000,
        ("assets:stripe:settling", "tr_1", "usd"): -9_000,
    }


def test_payment_out_of_the_stripe_balance_is_what_our_platform_costs() -> None:
    paid = moved("stripe_balance_payment_debit", -4_900, source="py_1", id="t1")
    assert legs(paid) == dedent("""\
        Cr assets:stripe:balance   49.00 USD
        Dr expenses:platform-fees  49.00 USD""")
    back = moved("stripe_balance_payment_debit_reversal", 4_900, source="pyr_1", id="t2")
    assert balances(paid, back) == {}


# ---- currencies


def test_payment_and_refund_in_another_currency_keep_stripes_own_figures() -> None:
    told = (
        charge(currency="eur"),
        moved("charge", 10_850, 345, exchange_rate=1.085, id="t1"),
        refund(amount=10_000, currency="eur"),
        moved("refund", -10_612, exchange_rate=1.0612, source="re_1", id="t2"),
    )
    assert balances(*told) == {
        ("assets:stripe:settling", "ch_1", "eur"): 10_000,
        ("revenue:stripe", "", "eur"): -10_000,
        ("assets:stripe:settling", "ch_1", "usd"): -10_850,
        ("assets:stripe:settling", "re_1", "eur"): -10_000,
        ("revenue:refunds", "", "eur"): 10_000,
        ("assets:stripe:settling", "re_1", "usd"): 10_612,
        ("assets:stripe:balance", "", "usd"): 10_850 - 345 - 10_612,
        ("expenses:stripe-fees", "", "usd"): 345,
    }
