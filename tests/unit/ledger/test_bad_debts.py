"""Invoices on accrual basis that are given up: a loss, and none once they are paid or voided."""

from dataclasses import replace
from itertools import permutations
from typing import Final

import pytest

from tests.unit.ledger.invoicing import (
    ACCRUAL,
    FINALIZED,
    credit_note,
    given_up,
    left,
    payment,
    told_by,
)
from tests.unit.ledger.telling import Json, charge, listed

FIRST_RULES: Final = replace(ACCRUAL, rules_version=1)
EARLY = payment(4_000, status_transitions={"paid_at": FINALIZED + 30})
LATE = payment(7_900, id="inpay_2", payment={"type": "charge", "charge": "ch_2"})
LOST = given_up(amount_paid=4_000, amount_remaining=7_900)


def test_invoice_that_is_given_up_is_a_bad_debt_and_its_tax_stays() -> None:
    assert left(given_up()) == {
        "expenses:bad-debt": 11_900,
        "liabilities:tax": -1_900,
        "revenue:stripe": -10_000,
    }


def test_invoice_given_up_and_paid_after_all_is_no_loss_in_any_order() -> None:
    paid, by = given_up("paid"), payment(11_900)
    sale = charge(id="ch_1", amount=11_900, amount_captured=11_900)
    assert (
        left(given_up(), paid, by, sale)
        == left(sale, by, paid)
        == {
            "assets:stripe:settling[ch_1]": 11_900,
            "liabilities:tax": -1_900,
            "revenue:stripe": -10_000,
        }
    )


def test_invoice_given_up_after_a_part_was_paid_loses_the_rest() -> None:
    assert left(LOST, EARLY) == {
        "expenses:bad-debt": 7_900,
        "liabilities:tax": -1_900,
        "revenue:stripe": -6_000,
    }


@pytest.mark.parametrize("payments", [{}, {"payments": listed(EARLY, LATE)}])
def test_invoice_given_up_after_a_part_was_paid_is_no_loss_once_it_is_paid(payments: Json) -> None:
    """The first part, then given up with what remained, then the rest: told in any order.

    Of the paid invoice it is told with its payments or, as events do since 2025-03-31, without.
    """
    told_once = [EARLY, LOST, LATE, given_up("paid", **payments)]
    booked = {"liabilities:tax": -1_900, "revenue:stripe": 1_900}
    for order in permutations(told_once):
        assert left(*order) == booked
        assert left(*order, *order) == booked


def test_what_was_given_up_is_told_while_it_is_so() -> None:
    assert "expenses:bad-debt" not in left(given_up("paid"))
    assert "expenses:bad-debt" not in left(given_up("void"))
    regained = {e.reference: e for e in told_by(given_up("paid"), FIRST_RULES).entries}
    assert "stripe:invoice:in_1:recovered" in regained


def test_credit_note_on_an_invoice_that_was_given_up_is_no_part_of_what_is_recovered() -> None:
    """The note lowers what is due, so the paid invoice tells less than had been given up."""
    note = credit_note(2_000)
    regained = given_up("paid", amount_due=9_900, amount_paid=9_900)
    for order in permutations([given_up(), note, payment(9_900), regained]):
        assert "expenses:bad-debt" not in left(*order)
        assert "assets:receivable[in_1]" not in left(*order)


def test_first_rules_take_back_what_the_paid_invoice_says_for_as_long_as_they_are_in_force() -> (
    None
):
    wrong = left(EARLY, LOST, LATE, given_up("paid"), in_force=FIRST_RULES)
    assert (wrong["expenses:bad-debt"], wrong["assets:receivable[in_1]"]) == (-4_000, 4_000)
