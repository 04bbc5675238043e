"""Movements of Stripe's balances beside payments: loans, reserves, cards, platforms."""

from textwrap import dedent

import pytest

from tests.unit.ledger.telling import (
    CREATED,
    Json,
    balances,
    books,
    legs,
    moved,
    of_object,
    said,
    txn,
)

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
    assert decision.remarks[0].detail.startswith(f"no rule for type {kind}")


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
