"""Balance transactions: every type that Stripe has, by the rule that is meant for it."""

from textwrap import dedent

import pytest

from tests.unit.ledger.telling import (
    Json,
    books,
    charge,
    legs,
    listed,
    moved,
    of_event,
    of_object,
    refund,
    said,
    txn,
)


def test_charge_settled_clears_the_payment_and_books_the_fee() -> None:
    decision = of_object(txn())
    assert books(decision) == dedent("""\
        stripe:balance_transaction:txn_1
        Dr assets:stripe:balance          96.80 USD
        Dr expenses:stripe-fees            3.20 USD
        Cr assets:stripe:settling[ch_1]  100.00 USD""")
    assert decision.remarks == ()


@pytest.mark.parametrize("status", ["pending", "available"])
def test_status_is_no_part_of_a_balance_transaction(status: str) -> None:
    told = of_object(txn(status=status, available_on=0, description="x"))
    assert told.entries[0].digest() == of_object(txn()).entries[0].digest()


def test_net_that_is_not_amount_less_fee_is_refused() -> None:
    decision = of_object(txn(net=9_681))
    assert decision.entries == ()
    assert said(decision) == [("refused", "invalid_amount", "txn_1")]


def test_unknown_type_whose_net_is_wrong_is_refused_as_well() -> None:
    assert said(of_object(txn(type="new", net=1))) == [("refused", "invalid_amount", "txn_1")]


@pytest.mark.parametrize("name", ["amount", "fee", "net"])
@pytest.mark.parametrize("value", [1.0, "1", True, None, 10**30 + 1])
def test_balance_transaction_with_an_amount_that_is_none_is_refused(
    name: str, value: object
) -> None:
    assert said(of_object(txn(**{name: value}))) == [("refused", "invalid_amount", "txn_1")]


def test_balance_transaction_of_zero_books_nothing() -> None:
    decision = of_object(txn(amount=0, fee=0, net=0))
    assert said(decision) == [("nothing_to_book", "zero_amount", "txn_1")]


def test_fee_above_the_amount_turns_the_balance() -> None:
    assert legs(moved("charge", 100, 130)) == dedent("""\
        Cr assets:stripe:balance         0.30 USD
        Dr expenses:stripe-fees          1.30 USD
        Cr assets:stripe:settling[ch_1]  1.00 USD""")


def test_fee_given_back_credits_the_fees() -> None:
    assert legs(moved("refund", -3_000, -87, source="re_1")) == dedent("""\
        Cr assets:stripe:balance         29.13 USD
        Cr expenses:stripe-fees           0.87 USD
        Dr assets:stripe:settling[re_1]  30.00 USD""")


def test_balance_transaction_past_a_bigint_is_exact() -> None:
    shown = moved("charge", 2**80, 1, currency="jpy")
    assert legs(shown) == dedent("""\
        Dr assets:stripe:balance         1208925819614629174706175 JPY
        Dr expenses:stripe-fees                                  1 JPY
        Cr assets:stripe:settling[ch_1]  1208925819614629174706176 JPY""")


@pytest.mark.parametrize("kind", ["refund", "payment_refund", "transfer"])
def test_money_that_leaves_clears_what_its_object_left(kind: str) -> None:
    assert legs(moved(kind, -2_500, source="x_1")) == dedent("""\
        Cr assets:stripe:balance        25.00 USD
        Dr assets:stripe:settling[x_1]  25.00 USD""")


@pytest.mark.parametrize(
    "kind", ["payment", "refund_failure", "transfer_refund", "transfer_cancel", "transfer_failure"]
)
def test_money_that_comes_clears_what_its_object_left(kind: str) -> None:
    assert legs(moved(kind, 2_500, source="x_1")) == dedent("""\
        Dr assets:stripe:balance        25.00 USD
        Cr assets:stripe:settling[x_1]  25.00 USD""")


def test_payout_is_in_transit_and_its_fee_is_ours() -> None:
    assert legs(moved("payout", -10_000, 100, source="po_1")) == dedent("""\
        Cr assets:stripe:balance           101.00 USD
        Dr expenses:stripe-fees              1.00 USD
        Dr assets:stripe:in-transit[po_1]  100.00 USD""")


@pytest.mark.parametrize("kind", ["payout_failure", "payout_cancel", "topup"])
def test_money_back_from_in_transit(kind: str) -> None:
    assert legs(moved(kind, 10_000, source="po_1")) == dedent("""\
        Dr assets:stripe:balance           100.00 USD
        Cr assets:stripe:in-transit[po_1]  100.00 USD""")


def test_topup_reversed_goes_back_into_transit() -> None:
    assert legs(moved("topup_reversal", -10_000, source="tu_1")) == dedent("""\
        Cr assets:stripe:balance           100.00 USD
        Dr assets:stripe:in-transit[tu_1]  100.00 USD""")


def test_dispute_withdrawn_is_an_expense_with_its_fee() -> None:
    shown = moved("adjustment", -10_000, 1_500, reporting_category="dispute", source="du_1")
    assert legs(shown) == dedent("""\
        Cr assets:stripe:balance    115.00 USD
        Dr expenses:stripe-fees      15.00 USD
        Dr expenses:disputes[du_1]  100.00 USD""")


def test_dispute_reinstated_gives_a_fee_back() -> None:
    shown = moved("adjustment", 10_000, -1_500, reporting_category="dispute_reversal", source="d")
    assert legs(shown) == dedent("""\
        Dr assets:stripe:balance  115.00 USD
        Cr expenses:stripe-fees    15.00 USD
        Cr expenses:disputes[d]   100.00 USD""")


def test_dispute_event_books_the_funds_shown_inside_it() -> None:
    out = moved("adjustment", -10_000, 1_500, reporting_category="dispute", source="du_1")
    back = moved(
        "adjustment", 10_000, reporting_category="dispute_reversal", source="du_1", id="t2"
    )
    shown = {"id": "du_1", "object": "dispute", "balance_transactions": [out, back]}
    references = [e.reference for e in of_event(shown, "charge.dispute.closed").entries]
    assert references == ["stripe:balance_transaction:txn_1", "stripe:balance_transaction:t2"]


def test_dispute_without_funds_books_nothing() -> None:
    shown: Json = {"id": "du_1", "object": "dispute", "status": "lost", "balance_transactions": []}
    assert said(of_event(shown)) == [("nothing_to_book", "no_booking", "du_1")]


@pytest.mark.parametrize("source", ["dp_1", "du_1"])
def test_adjustment_of_an_old_version_is_a_dispute_by_its_source(source: str) -> None:
    shown = moved("adjustment", -500, reporting_category=None, source=source)
    assert f"Dr expenses:disputes[{source}]" in legs(shown)


def test_adjustment_of_a_failed_refund_clears_it() -> None:
    shown = moved("adjustment", 500, reporting_category="refund_failure", source="re_1")
    assert "Cr assets:stripe:settling[re_1]" in legs(shown)


def test_application_fee_is_revenue() -> None:
    assert legs(moved("application_fee", 1_000, source="fee_1")) == dedent("""\
        Dr assets:stripe:balance     10.00 USD
        Cr revenue:application-fees  10.00 USD""")


def test_application_fee_refunded_takes_it_back_even_without_a_source() -> None:
    assert legs(moved("application_fee_refund", -1_000, source=None)) == dedent("""\
        Cr assets:stripe:balance     10.00 USD
        Dr revenue:application-fees  10.00 USD""")


@pytest.mark.parametrize("kind", ["stripe_fee", "stripe_fx_fee", "tax_fee"])
def test_own_bill_has_its_money_in_the_amount(kind: str) -> None:
    assert legs(moved(kind, -250, source=None)) == dedent("""\
        Cr assets:stripe:balance  2.50 USD
        Dr expenses:stripe-fees   2.50 USD""")


def test_adjustment_of_a_fee_is_a_bill_of_stripe() -> None:
    shown = moved("adjustment", 250, reporting_category="fee", source=None)
    assert "Cr expenses:stripe-fees" in legs(shown)


@pytest.mark.parametrize("kind", ["reserve_hold", "reserve_release"])
def test_reserve_legs_meet_on_settling_by_their_balance_type(kind: str) -> None:
    sign = -1 if kind == "reserve_hold" else 1
    ours = moved(kind, sign * 500, source="rsv_1")
    theirs = moved(kind, -sign * 500, source="rsv_1", balance_type="risk_reserved")
    ours_side, theirs_side = ("Cr", "Dr") if sign < 0 else ("Dr", "Cr")
    assert legs(ours) == dedent(f"""\
        {ours_side} assets:stripe:balance          5.00 USD
        {theirs_side} assets:stripe:settling[rsv_1]  5.00 USD""")
    assert legs(theirs) == dedent(f"""\
        {theirs_side} assets:stripe:reserve          5.00 USD
        {ours_side} assets:stripe:settling[rsv_1]  5.00 USD""")


def test_other_balance_types_are_accounts_of_their_own() -> None:
    shown = moved("charge", 1, balance_type="refund_and_dispute_prefunding")
    assert "assets:stripe:refund-and-dispute-prefunding" in legs(shown)
    assert legs(txn(balance_type=None)) == legs(txn())


def test_balance_type_that_no_account_can_have_is_refused() -> None:
    decision = of_object(txn(balance_type="a:b c"))
    assert said(decision) == [("refused", "unreadable", "txn_1")]


UNCAPTURED = moved("refund", -3_000, -87, reporting_category="partial_capture_reversal", id="txn_p")
UNCAPTURED_LEGS = dedent("""\
    Cr assets:stripe:balance         29.13 USD
    Cr expenses:stripe-fees           0.87 USD
    Dr assets:stripe:settling[ch_1]  30.00 USD""")


# The refund item that it is the movement of, which is one in form only.
UNCAPTURED_ITEM = dedent("""\
    stripe:refund:re_1
    Dr revenue:refunds               30.00 USD
    Cr assets:stripe:settling[re_1]  30.00 USD
    stripe:refund:re_1:released
    Dr assets:stripe:settling[re_1]  30.00 USD
    Cr revenue:refunds               30.00 USD""")


def test_uncaptured_part_is_keyed_by_its_charge_when_the_charge_is_the_source() -> None:
    assert legs(UNCAPTURED | {"source": "ch_1"}) == UNCAPTURED_LEGS


def test_uncaptured_part_is_keyed_by_the_charge_of_its_expanded_refund() -> None:
    decision = of_object(UNCAPTURED | {"source": refund(amount=3_000)})
    movement = f"stripe:balance_transaction:txn_p\n{UNCAPTURED_LEGS}"
    assert books(decision) == f"{movement}\n{UNCAPTURED_ITEM}"


def test_uncaptured_part_told_inside_its_refund_is_keyed_by_the_charge() -> None:
    shown = refund(amount=3_000, balance_transaction=UNCAPTURED | {"source": "re_1"})
    movement = f"stripe:balance_transaction:txn_p\n{UNCAPTURED_LEGS}"
    assert books(of_event(shown)) == f"{UNCAPTURED_ITEM}\n{movement}"


def test_uncaptured_part_told_inside_its_charge_leaves_nothing_open() -> None:
    item = refund(amount=3_000, balance_transaction=UNCAPTURED | {"source": "re_1"})
    whole = charge(amount_captured=7_000, balance_transaction=txn(), refunds=listed(item))
    open_minor: dict[tuple[str, str], int] = {}
    for entry in of_event(whole).entries:
        for p in entry.postings:
            at = (str(p.account), p.key)
            open_minor[at] = open_minor.get(at, 0) + p.signed_minor
    assert {at: minor for at, minor in open_minor.items() if minor} == {
        ("revenue:stripe", ""): -7_000,
        ("assets:stripe:balance", ""): 9_680 - 2_913,
        ("expenses:stripe-fees", ""): 320 - 87,
    }


def test_uncaptured_part_whose_charge_is_not_told_waits_in_suspense() -> None:
    decision = of_object(UNCAPTURED | {"source": "re_1"})
    assert books(decision) == dedent("""\
        stripe:balance_transaction:txn_p
        Cr assets:stripe:balance        29.13 USD
        Dr liabilities:suspense[txn_p]  29.13 USD""")
    assert said(decision) == [("noted", "unknown_balance_transaction", "txn_p")]


@pytest.mark.parametrize(
    ("source", "item"),
    [
        ("ch_1", []),
        (
            refund(id="pyr_1", amount=10_000),
            ["stripe:refund:pyr_1", "stripe:refund:pyr_1:released"],
        ),
    ],
)
def test_returned_debit_is_keyed_by_its_charge(source: object, item: list[str]) -> None:
    shown = moved(
        "payment_failure_refund", -10_000, 750, reporting_category="charge_failure", source=source
    )
    decision = of_object(shown)
    assert [e.reference for e in decision.entries] == ["stripe:balance_transaction:txn_1", *item]
    assert "Dr assets:stripe:settling[ch_1]" in books(decision)


def test_unknown_type_waits_in_suspense_under_its_own_id() -> None:
    decision = of_object(moved("quantum_rebate", 777, 7, source="qr_1"))
    assert books(decision) == dedent("""\
        stripe:balance_transaction:txn_1
        Dr assets:stripe:balance        7.70 USD
        Cr liabilities:suspense[txn_1]  7.70 USD""")
    assert said(decision) == [("noted", "unknown_balance_transaction", "txn_1")]
    assert str(decision.remarks[0].amount) == "7.70 USD"
    assert decision.entries[0].kind == "unknown_balance_transaction"


@pytest.mark.parametrize("kind", ["charge", "refund", "payout", "topup", "transfer"])
def test_missing_source_where_it_is_the_key_waits_in_suspense(kind: str) -> None:
    decision = of_object(moved(kind, -777, source=None))
    assert "Dr liabilities:suspense[txn_1]" in books(decision)
    assert str(decision.remarks[0].amount) == "7.77 USD"


def test_expanded_source_books_its_own_half_too() -> None:
    references = [e.reference for e in of_object(txn(source=charge())).entries]
    assert references == ["stripe:balance_transaction:txn_1", "stripe:payment:ch_1"]


def test_expanded_balance_transaction_in_a_charge_books_both_halves() -> None:
    references = [e.reference for e in of_object(charge(balance_transaction=txn())).entries]
    assert references == ["stripe:payment:ch_1", "stripe:balance_transaction:txn_1"]
