"""Movements of Stripe's balances beside payments: loans, reserves, cards, platforms, old shapes."""

from textwrap import dedent

import pytest

from tests.unit.ledger.telling import (
    CREATED,
    Json,
    books,
    charge,
    listed,
    moved,
    of_event,
    of_object,
    refund,
    reversal,
    said,
    transfer,
    txn,
)


def legs(shown: Json) -> str:
    """The postings of a polled balance transaction, without its reference."""
    return books(of_object(shown)).partition("\n")[2]


def balances(*shown: Json) -> dict[tuple[str, str, str], int]:
    """What is left on each account, key and currency after these objects, each fact once."""
    entries = {e.reference: e for each in shown for e in of_object(each).entries}
    left: dict[tuple[str, str, str], int] = {}
    for entry in entries.values():
        for p in entry.postings:
            at = (str(p.account), p.key, p.amount.currency.code)
            left[at] = left.get(at, 0) + p.signed_minor
    return {at: minor for at, minor in left.items() if minor}


# ---- advances and loans


def test_advance_is_a_debt_to_stripe_until_its_funding_takes_it_back() -> None:
    advance = moved("advance", 50_000, source=None, id="txn_a")
    assert legs(advance) == dedent("""\
        Dr assets:stripe:balance     500.00 USD
        Cr liabilities:stripe-loans  500.00 USD""")
    funding = moved("advance_funding", -50_000, source=None, id="txn_f")
    assert legs(funding) == dedent("""\
        Cr assets:stripe:balance     500.00 USD
        Dr liabilities:stripe-loans  500.00 USD""")
    assert balances(advance, funding) == {}


@pytest.mark.parametrize("kind", ["adjustment", "payment", "transfer", "new_kind"])
def test_loan_of_stripe_capital_is_a_debt_whatever_its_type(kind: str) -> None:
    lent = moved(kind, 1_000_000, reporting_category="financing_payout", source="x_1")
    assert legs(lent) == dedent("""\
        Dr assets:stripe:balance     10000.00 USD
        Cr liabilities:stripe-loans  10000.00 USD""")
    assert of_object(lent).remarks == ()


def test_loan_paid_down_beyond_what_was_lent_leaves_its_cost_on_the_account() -> None:
    lent = moved("adjustment", 1_000_000, reporting_category="financing_payout", id="t1")
    down = moved("adjustment", -1_120_000, reporting_category="financing_paydown", id="t2")
    back = moved("adjustment", 20_000, reporting_category="financing_paydown_reversal", id="t3")
    assert balances(lent, down, back) == {
        ("assets:stripe:balance", "", "usd"): -100_000,
        ("liabilities:stripe-loans", "", "usd"): 100_000,
    }


def test_loan_repaid_out_of_anticipated_receivables_pays_the_debt() -> None:
    assert legs(moved("anticipation_repayment", -900, currency="brl", source=None)) == dedent("""\
        Cr assets:stripe:balance     9.00 BRL
        Dr liabilities:stripe-loans  9.00 BRL""")


# ---- what is set aside within the payments balance


@pytest.mark.parametrize(
    ("held", "released", "account"),
    [
        ("reserve_transaction", "reserve_transaction", "assets:stripe:connect-reserved"),
        ("reserved_funds", "reserved_funds", "assets:stripe:reserve"),
        (
            "payment_network_reserve_hold",
            "payment_network_reserve_release",
            "assets:stripe:payment-network-reserve",
        ),
        (
            "payout_minimum_balance_hold",
            "payout_minimum_balance_release",
            "assets:stripe:minimum-balance",
        ),
    ],
)
def test_funds_set_aside_stay_ours_until_they_are_released(
    held: str, released: str, account: str
) -> None:
    hold = moved(held, -10_000, id="txn_h", source="rsv_1")
    assert balances(hold) == {
        ("assets:stripe:balance", "", "usd"): -10_000,
        (account, "", "usd"): 10_000,
    }
    release = moved(released, 10_000, id="txn_r", source="rsv_2")
    assert balances(hold, release) == {}
    assert of_object(hold).remarks == of_object(release).remarks == ()


def test_reserve_against_connected_accounts_is_held_and_released() -> None:
    assert legs(moved("reserve_transaction", -2_500, source="rtx_1")) == dedent("""\
        Cr assets:stripe:balance           25.00 USD
        Dr assets:stripe:connect-reserved  25.00 USD""")
    assert legs(
        moved("adjustment", 2_500, reporting_category="connect_reserved_funds", source=None)
    ) == dedent("""\
        Dr assets:stripe:balance           25.00 USD
        Cr assets:stripe:connect-reserved  25.00 USD""")


def test_loss_of_a_connected_account_is_collected_after_its_reserve_is_released() -> None:
    collected = moved("connect_collection_transfer", -2_500, id="txn_c", source="cct_1")
    assert legs(collected) == dedent("""\
        Cr assets:stripe:balance  25.00 USD
        Dr expenses:bad-debt      25.00 USD""")
    held = moved("reserve_transaction", -2_500, id="txn_h", source="rtx_1")
    released = moved("reserve_transaction", 2_500, id="txn_r", source="rtx_2")
    assert balances(held, released, collected) == balances(collected)


# ---- reserves of today: two legs, in any order; one that never comes stays open


@pytest.mark.parametrize("kind", ["reserve_hold", "reserve_release"])
def test_reserve_whose_second_leg_never_comes_stays_open_under_its_key(kind: str) -> None:
    sign = -1 if kind == "reserve_hold" else 1
    first = moved(kind, sign * 500, source="rsv_1", id="t1")
    second = moved(kind, -sign * 500, source="rsv_1", balance_type="risk_reserved", id="t2")
    assert ("assets:stripe:settling", "rsv_1", "usd") in balances(first)
    assert balances(first, second) == {
        ("assets:stripe:balance", "", "usd"): sign * 500,
        ("assets:stripe:reserve", "", "usd"): -sign * 500,
    }


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


# ---- others


def test_customer_funds_that_pay_nothing_yet_are_owed_to_the_customer() -> None:
    shown = moved("payment_unreconciled", 3_000, reporting_category="unreconciled_customer_funds")
    assert legs(shown) == dedent("""\
        Dr assets:stripe:balance       30.00 USD
        Cr liabilities:customer-funds  30.00 USD""")


@pytest.mark.parametrize("kind", ["climate_order_purchase", "contribution"])
def test_climate_order_is_an_expense_and_its_refund_takes_it_back(kind: str) -> None:
    paid = moved(kind, -1_000, source=None, id="t1")
    assert legs(paid) == dedent("""\
        Cr assets:stripe:balance  10.00 USD
        Dr expenses:climate       10.00 USD""")
    assert balances(paid, moved("climate_order_refund", 1_000, source=None, id="t2")) == {}


def issued(kind: str, amount: int, **fields: object) -> Json:
    return moved(kind, amount, balance_type="issuing") | fields


def test_issued_card_holds_pays_and_disputes_on_the_issuing_balance() -> None:
    hold = issued("issuing_authorization_hold", -2_000, source="iauth_1", id="t1")
    assert legs(hold) == dedent("""\
        Cr assets:stripe:issuing       20.00 USD
        Dr assets:stripe:issuing-held  20.00 USD""")
    free = issued("issuing_authorization_release", 2_000, source="iauth_1", id="t2")
    spent = issued("issuing_transaction", -1_900, source="ipi_1", id="t3")
    assert legs(spent) == dedent("""\
        Cr assets:stripe:issuing  19.00 USD
        Dr expenses:issuing       19.00 USD""")
    credit = issued("issuing_dispute_provisional_credit", 1_900, source="idp_1", id="t4")
    undone = issued("issuing_dispute_provisional_credit_reversal", -1_900, source="idp_1", id="t5")
    final = issued("issuing_dispute", 1_900, source="idp_1", id="t6")
    assert balances(hold, free, spent, credit, undone) == balances(spent)
    assert balances(hold, free, spent, credit, undone, final) == {}


def test_issuing_balance_is_topped_up_out_of_the_bank() -> None:
    assert legs(issued("topup", 50_000, source="tu_1")) == dedent("""\
        Dr assets:stripe:issuing           500.00 USD
        Cr assets:stripe:in-transit[tu_1]  500.00 USD""")


def test_refund_out_of_the_prefunding_leaves_the_payments_balance_alone() -> None:
    shown = moved("refund", -2_500, source="re_1", balance_type="refund_and_dispute_prefunding")
    assert legs(shown) == dedent("""\
        Cr assets:stripe:refund-and-dispute-prefunding  25.00 USD
        Dr assets:stripe:settling[re_1]                 25.00 USD""")


@pytest.mark.parametrize("category", ["fee", "network_cost", "tax"])
def test_adjustment_that_bills_us_is_a_fee(category: str) -> None:
    assert legs(moved("adjustment", -77, reporting_category=category, source=None)) == dedent("""\
        Cr assets:stripe:balance  0.77 USD
        Dr expenses:stripe-fees   0.77 USD""")


@pytest.mark.parametrize(
    "kind", ["fee_credit_funding", "obligation_outbound", "obligation_reversal_inbound", "tax_fund"]
)
def test_movement_that_stripe_does_not_explain_asks_for_a_rule(kind: str) -> None:
    decision = of_object(moved(kind, -77, source="x_1"))
    assert "Dr liabilities:suspense[txn_1]" in books(decision)
    assert said(decision) == [("noted", "unknown_balance_transaction", "txn_1")]


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


# ---- balances


@pytest.mark.parametrize("name", ["balance", "settling", "in_transit", "in-transit"])
def test_balance_that_would_be_another_account_of_ours_is_refused(name: str) -> None:
    decision = of_object(txn(balance_type=name))
    assert decision.entries == ()
    assert said(decision) == [("refused", "unreadable", "txn_1")]


def test_balance_that_stripe_adds_later_is_an_account_of_its_own() -> None:
    shown = moved("transfer", 500, source="bt_1", balance_type="allocated_funds")
    assert "Dr assets:stripe:allocated-funds" in legs(shown)


def test_time_of_a_movement_is_its_own() -> None:
    shown = moved("advance", 5, created=CREATED + 7, available_on=CREATED + 99)
    assert int(of_object(shown).entries[0].effective_at.timestamp()) == CREATED + 7
