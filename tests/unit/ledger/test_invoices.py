"""Invoices on accrual basis: what is asked for, earned, paid, given up and taken back."""

from textwrap import dedent

import pytest

from services.ledger.decisions import subject_of
from services.ledger.posting_rules import decide
from shared.contracts import topics
from tests.unit.ledger.invoicing import (
    ACCRUAL,
    CASH,
    FINALIZED,
    FIRST_RULES,
    MONTH,
    PAID,
    credit_note,
    given_up,
    invoice,
    left,
    line,
    payment,
    taxed,
    told_by,
)
from tests.unit.ledger.telling import (
    CREATED,
    Json,
    books,
    charge,
    event,
    listed,
    refund,
    said,
    told,
)

YEAR = line(120_000, 365)


def test_invoice_on_cash_basis_books_nothing_and_names_what_tells_its_money() -> None:
    old = invoice(MONTH, status="paid", charge="ch_1", payment_intent="pi_1")
    for shown in (old, payment(10_000), credit_note(500)):
        decision = told_by(shown, CASH)
        assert not decision.entries
        assert [(o, r) for o, r, _ in said(decision)] == [("nothing_to_book", "no_booking")]


def test_invoice_of_a_month_is_earned_when_it_is_finalized() -> None:
    decision = told_by(invoice(MONTH, tax=1_900))
    assert books(decision) == dedent("""\
        stripe:invoice:in_1
        Dr assets:receivable[in_1]  119.00 USD
        Cr revenue:stripe           100.00 USD
        Cr liabilities:tax           19.00 USD""")
    assert decision.entries[0].effective_at.timestamp() == FINALIZED


def test_invoice_of_a_year_is_yet_to_be_earned() -> None:
    decision = told_by(invoice(YEAR, MONTH | {"id": "il_2"}, tax=24_700))
    assert books(decision) == dedent("""\
        stripe:invoice:in_1
        Dr assets:receivable[in_1]  1547.00 USD
        Cr revenue:stripe           1300.00 USD
        Cr liabilities:tax           247.00 USD
        stripe:invoice_line:il_1
        Dr revenue:stripe              1200.00 USD
        Cr liabilities:unearned[il_1]  1200.00 USD""")
    (reference, schedule), *others = decision.unearned
    assert (reference, schedule.line, others) == ("stripe:invoice_line:il_1", "il_1", [])


def test_line_that_was_served_before_its_invoice_is_earned_at_once() -> None:
    metered = YEAR | {"period": {"start": CREATED - 400 * 86_400, "end": CREATED}}
    assert left(invoice(metered)) == {
        "assets:receivable[in_1]": 120_000,
        "revenue:stripe": -120_000,
    }


@pytest.mark.parametrize("status", ["draft", None])
def test_invoice_that_is_not_finalized_books_nothing(status: str | None) -> None:
    shown = invoice(YEAR) | {"status": status, "status_transitions": {"finalized_at": None}}
    assert said(told_by(shown)) == [("nothing_to_book", "no_booking", "in_1")]
    assert said(told_by({**shown, "id": None}))[0][2] == "invoice"


def test_invoice_of_nothing_books_nothing() -> None:
    shown = invoice(line(0, 31), status="paid")
    assert said(told_by(shown)) == [("nothing_to_book", "zero_amount", "in_1")]


def test_invoice_in_old_and_new_shape_is_one_fact() -> None:
    new = invoice(YEAR, tax=22_800, status="paid") | {"payments": listed(payment(142_800))}
    old = invoice(YEAR, tax=22_800, status="paid") | {
        "charge": "ch_1", "payment_intent": "pi_1", "tax": 22_800, "paid": True,
        "paid_out_of_band": False, "subscription": "sub_1",
        "total_tax_amounts": [{"amount": 22_800, "inclusive": False, "tax_rate": "txr_1"}],
    }  # fmt: skip
    for gone in ("total_excluding_tax", "total_taxes", "parent", "amount_overpaid"):
        del old[gone]
    oldest = {k: v for k, v in old.items() if k != "total_tax_amounts"}
    digests = {e.reference: e.digest() for e in told_by(new).entries}
    for shown in (old, oldest):
        assert {e.reference: e.digest() for e in told_by(shown).entries} == digests
    assert left(old, charge(id="ch_1", amount=142_800, amount_captured=142_800)) == {
        "assets:stripe:settling[ch_1]": 142_800,
        "liabilities:tax": -22_800,
        "liabilities:unearned[il_1]": -120_000,
    }


def test_included_tax_and_discounts_are_no_part_of_a_line() -> None:
    shown = YEAR | {
        "discount_amounts": [{"amount": 20_000, "discount": "di_1"}],
        "taxes": [taxed(16_667, "inclusive"), taxed(1, "exclusive")],
    }
    told = told_by(invoice(shown, total=100_001, total_excluding_tax=83_333))
    assert books(told) == dedent("""\
        stripe:invoice:in_1
        Dr assets:receivable[in_1]  1000.01 USD
        Cr revenue:stripe            833.33 USD
        Cr liabilities:tax           166.68 USD
        stripe:invoice_line:il_1
        Dr revenue:stripe              833.33 USD
        Cr liabilities:unearned[il_1]  833.33 USD""")
    old = YEAR | {
        "discount_amounts": [{"amount": 20_000}],
        "tax_amounts": [{"amount": 16_667, "inclusive": True}, {"amount": 1, "inclusive": False}],
    }
    again = told_by(invoice(old, total=100_001, total_excluding_tax=83_333))
    assert again.entries == told.entries


def test_credit_grants_count_once_where_they_are_listed_with_the_discounts() -> None:
    pretax = [{"amount": 100, "type": "discount"}, {"amount": 50, "type": "credit_balance"}]
    shown = YEAR | {"discount_amounts": [{"amount": 100}], "pretax_credit_amounts": pretax}
    assert left(invoice(shown))["liabilities:unearned[il_1]"] == -119_850


def test_change_of_plan_gives_unused_time_back_by_a_line_below_zero() -> None:
    unused = line(-60_000, 180) | {"id": "il_unused"}
    assert left(invoice(unused, YEAR)) == {
        "assets:receivable[in_1]": 60_000,
        "liabilities:unearned[il_1]": -120_000,
        "liabilities:unearned[il_unused]": 60_000,
    }


def test_invoice_below_zero_goes_to_the_customers_balance_and_pays_the_next() -> None:
    first = invoice(line(-30_000, 31), status="paid", ending_balance=-30_000)
    assert left(first) == {"liabilities:customer-balance[cus_1]": -30_000, "revenue:stripe": 30_000}
    second = invoice(MONTH, id="in_2", status="paid", starting_balance=-30_000, amount_due=0)
    second |= {"ending_balance": -20_000, "amount_paid": 0}
    assert left(first, second) == {
        "liabilities:customer-balance[cus_1]": -20_000,
        "revenue:stripe": 20_000,
    }


def test_invoice_too_small_to_charge_is_owed_by_the_customers_balance() -> None:
    shown = invoice(line(20, 31), status="paid", ending_balance=20, amount_due=0, amount_paid=0)
    assert left(shown) == {"liabilities:customer-balance[cus_1]": 20, "revenue:stripe": -20}


def test_invoice_paid_in_two_parts_is_told_by_its_payments_alone() -> None:
    second = {"id": "inpay_2", "payment": {"type": "charge", "charge": "py_2"}}
    parts = [payment(4_000), payment(6_000, **second)]
    assert left(invoice(MONTH, status="paid"), *parts) == {}
    whole = invoice(MONTH, status="paid", payments=listed(*parts))
    assert told_by(whole).entries[1:] == tuple(e for each in parts for e in told_by(each).entries)


def test_invoice_payment_that_is_open_or_outside_of_stripe_books_nothing() -> None:
    for shown in (
        payment(0, status="open", amount_paid=None),
        payment(500, payment={"type": "payment_record", "payment_record": "pr_1"}),
    ):
        assert said(told_by(shown)) == [("nothing_to_book", "no_booking", "inpay_1")]


def test_charge_of_an_invoice_leaves_the_revenue_that_the_invoice_had_made() -> None:
    sale = charge(id="ch_1", amount=11_900, amount_captured=11_900)
    shown = (invoice(MONTH, tax=1_900), sale, payment(11_900))
    assert (
        left(*shown)
        == left(*reversed(shown))
        == {
            "assets:stripe:settling[ch_1]": 11_900,
            "liabilities:tax": -1_900,
            "revenue:stripe": -10_000,
        }
    )


@pytest.mark.parametrize(
    "how", [{"amount_paid_off_stripe": 10_000}, {"paid_out_of_band": True, "charge": None}]
)
def test_invoice_paid_out_of_band_waits_in_suspense_for_the_bank(how: Json) -> None:
    assert left(invoice(MONTH, status="paid") | how) == {
        "liabilities:suspense[in_1]": 10_000,
        "revenue:stripe": -10_000,
    }


def test_event_of_an_invoice_paid_out_of_band_leaves_it_open_until_the_api_says_so() -> None:
    shown = invoice(MONTH, status="paid")
    asked = shown | {"amount_paid_off_stripe": 10_000, "payments": listed()}
    settled = {"liabilities:suspense[in_1]": 10_000, "revenue:stripe": -10_000}
    assert left(shown)["assets:receivable[in_1]"] == 10_000
    assert left(shown, asked) == left(asked, shown) == settled


def test_invoice_that_the_api_tells_with_its_payments_is_settled_once() -> None:
    shown, by = invoice(MONTH, status="paid"), payment(10_000)
    asked = shown | {"amount_paid_off_stripe": 0, "payments": listed(by)}
    sale = charge(id="ch_1", amount=10_000, amount_captured=10_000)
    settled = {"assets:stripe:settling[ch_1]": 10_000, "revenue:stripe": -10_000}
    assert left(shown, sale, by, asked) == left(asked, shown, by, sale) == settled


def test_invoice_marked_as_paid_in_an_old_shape_was_paid_by_what_was_due() -> None:
    """Before 2025-03-31 what is paid out of band is no part of what was paid."""
    marked: Json = {"paid_out_of_band": True, "charge": None, "payment_intent": None}
    shown = invoice(MONTH, status="paid") | {"amount_paid": 0, "amount_remaining": 10_000} | marked
    assert left(shown) == {"liabilities:suspense[in_1]": 10_000, "revenue:stripe": -10_000}
    first = left(shown, in_force=FIRST_RULES)
    assert first == {"assets:receivable[in_1]": 10_000, "revenue:stripe": -10_000}


def test_account_that_stands_for_a_customer_has_the_balance() -> None:
    nobody: Json = {"customer": None, "customer_account": "acct_a"}
    uses = invoice(MONTH, status="paid", starting_balance=-3_000) | nobody
    leaves = invoice(line(-500, 31), id="in_2", status="paid", ending_balance=-500) | nobody
    given = credit_note(200) | REFUNDED | {"post_payment_amount": 200} | nobody
    stands = left(uses, leaves, given)
    assert stands["liabilities:customer-balance[acct_a]"] == 3_000 - 500 - 200
    assert "liabilities:customer-balance" in left(uses, leaves, given, in_force=FIRST_RULES)


def test_what_is_overpaid_stands_to_the_customers_credit() -> None:
    shown = invoice(MONTH, status="paid", amount_overpaid=500)
    sale = charge(id="ch_1", amount=10_500, amount_captured=10_500)
    assert left(shown, payment(10_500), sale) == {
        "assets:stripe:settling[ch_1]": 10_500,
        "liabilities:customer-balance[cus_1]": -500,
        "revenue:stripe": -10_000,
    }


def test_voided_invoice_leaves_nothing_behind() -> None:
    shown = invoice(YEAR, tax=22_800, status="void", starting_balance=-5_000)
    assert left(shown) == left(invoice(YEAR, tax=22_800, starting_balance=-5_000), shown) == {}
    assert left(given_up("void")) == {}


def test_voided_invoice_is_not_taken_back_beyond_its_credit_notes() -> None:
    note = credit_note(2_380, tax=380)
    shown = invoice(MONTH, tax=1_900, status="void", pre_payment_credit_notes_amount=2_380)
    assert left(note, shown) == {}


def test_credit_note_takes_an_open_invoice_back_in_part() -> None:
    note = credit_note(2_380, tax=380)
    assert left(invoice(MONTH, tax=1_900), note) == {
        "assets:receivable[in_1]": 9_520,
        "liabilities:tax": -1_520,
        "revenue:stripe": -8_000,
    }
    undone = note | {"status": "void", "voided_at": PAID + 90_000}
    assert left(invoice(MONTH, tax=1_900), note, undone) == left(invoice(MONTH, tax=1_900))


def test_credit_note_that_shows_a_part_of_its_lines_says_so() -> None:
    lines = listed({"invoice_line_item": "il_1", "amount": 2_380})
    note = credit_note(2_380, lines=lines)
    cut = note | {"lines": lines | {"has_more": True}}
    assert said(told_by(cut)) == [("noted", "credit_note_lines_untold", "cn_1")]
    assert said(told_by(note)) == said(told_by(cut, FIRST_RULES)) == []
    assert told_by(cut).unearned == told_by(note).unearned


REFUNDED: Json = {"pre_payment_amount": 0, "post_payment_amount": 2_380, "type": "post_payment"}


def test_credit_note_that_is_refunded_counts_once() -> None:
    by = [{"amount_refunded": 2_380, "refund": "re_1", "type": "refund"}]
    new = credit_note(2_380, tax=380, refunds=by) | REFUNDED
    money = refund(amount=2_380)
    assert left(new, money) == {
        "assets:stripe:settling[re_1]": -2_380,
        "liabilities:tax": 380,
        "revenue:stripe": 2_000,
    }
    old = {k: v for k, v in new.items() if not k.endswith("payment_amount")}
    old |= {"refund": "re_1", "tax_amounts": [{"amount": 380, "inclusive": False}]}
    for gone in ("refunds", "total_taxes", "total_excluding_tax"):
        del old[gone]
    assert told_by(old).entries == told_by(new).entries


def test_credit_note_to_the_balance_and_out_of_band() -> None:
    new = credit_note(2_380, out_of_band_amount=380) | REFUNDED
    assert left(new) == {
        "liabilities:customer-balance[cus_1]": -2_000,
        "liabilities:suspense[cn_1]": -380,
        "revenue:stripe": 2_380,
    }
    elsewhere = [{"amount_refunded": 380, "refund": None, "type": "payment_record_refund"}]
    assert left(new | {"out_of_band_amount": None, "refunds": elsewhere}) == left(new)
    old = {k: v for k, v in new.items() if not k.endswith("payment_amount")}
    assert left(old | {"refund": None, "customer_balance_transaction": "cbtxn_1"}) == left(new)


def test_credit_note_given_back_outside_by_a_record_and_besides_owes_the_customer_nothing() -> None:
    by = [{"amount_refunded": 7_000, "refund": None, "type": "payment_record_refund"}]
    note = credit_note(10_000, refunds=by, out_of_band_amount=3_000) | REFUNDED
    note |= {"post_payment_amount": 10_000}
    assert left(note) == {"liabilities:suspense[cn_1]": -10_000, "revenue:stripe": 10_000}
    assert left(note, in_force=FIRST_RULES) == {
        "liabilities:customer-balance[cus_1]": -7_000,
        "liabilities:suspense[cn_1]": -3_000,
        "revenue:stripe": 10_000,
    }


def test_old_credit_note_that_does_not_split_what_it_gives_back_is_set_aside() -> None:
    old = credit_note(2_380) | {"refund": "re_1", "customer_balance_transaction": "cbtxn_1"}
    old |= {"type": "post_payment"}
    del old["pre_payment_amount"]
    with pytest.raises(Exception, match="how much of it was refunded"):
        told_by(old)
    full = told_by(old | {"refund": refund(amount=380)})
    assert [p.amount.minor for p in full.entries[0].postings] == [2_380, 380, 2_000]


def test_credit_note_says_what_is_no_longer_to_be_earned() -> None:
    by_line = {"invoice_line_item": "il_1", "amount": 5_000, "discount_amounts": [{"amount": 500}]}
    note = credit_note(4_500, lines=listed(by_line, {"invoice_line_item": None, "amount": 7}))
    ((reference, cut),) = told_by(note).unearned
    assert (reference, cut.line) == ("stripe:credit_note:cn_1", "il_1")
    assert "4500" in repr(cut)


def test_invoice_with_more_lines_than_are_shown_says_so() -> None:
    shown = invoice(YEAR) | {"lines": listed(YEAR, has_more=True)}
    assert said(told_by(shown)) == [("noted", "invoice_lines_untold", "in_1")]
    all_lines = listed(YEAR, line(500) | {"id": "il_2"})
    more = invoice(YEAR) | {"lines": all_lines}
    firsts = {e.reference: e.digest() for e in told_by(shown).entries}
    assert firsts.items() <= {e.reference: e.digest() for e in told_by(more).entries}.items()


@pytest.mark.parametrize(
    ("field", "odd"),
    [("total", 1.5), ("total", "x"), ("total", None), ("total_excluding_tax", 10**31)],
)
def test_invoice_with_an_amount_that_is_none_is_refused(field: str, odd: object) -> None:
    assert said(told_by(invoice(MONTH) | {field: odd})) == [("refused", "invalid_amount", "in_1")]


def test_invoice_event_of_another_account_books_nothing() -> None:
    foreign = event("invoice.paid", invoice(MONTH), account="acct_other")
    assert said(decide(told(topics.STRIPE_EVENTS, foreign), ACCRUAL)) == [
        ("nothing_to_book", "foreign_account", "evt_1")
    ]


def test_reference_of_an_invoice_is_about_its_object() -> None:
    entries = told_by(given_up("paid", payments=listed(payment(11_900)), charge=None)).entries
    assert {subject_of(e.reference) for e in entries} == {"in_1"}
    assert subject_of("release:tick:2026-11-21:3") == "tick:2026-11-21"
    assert subject_of("stripe:payment:ch_1:failed") == "ch_1"
