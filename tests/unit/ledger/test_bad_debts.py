"""Invoices on accrual basis that are given up: a loss, and none once they are paid or voided."""

from datetime import UTC, datetime
from itertools import permutations

import pytest
from msgspec import structs

from services.ledger.posting_rules import decide
from shared.contracts import topics
from tallystick.preview.books import Books
from tests.unit.ledger.invoicing import (
    ACCRUAL,
    FINALIZED,
    FIRST_RULES,
    PAID,
    RECEIVED,
    credit_note,
    given_up,
    left,
    payment,
    told_by,
)
from tests.unit.ledger.telling import Json, charge, listed, told

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


def test_credit_note_lowers_the_loss_whether_it_came_before_or_after_the_invoice_was_given_up() -> (
    None
):
    """The invoice is told twice in that state, with what remained before the note and after it."""
    note = credit_note(2_380, tax=380)
    after = given_up(amount_remaining=9_520, pre_payment_credit_notes_amount=2_380)
    for order in permutations([given_up(), note, after]):
        for seen in (order, order[:2], order[1:]):
            if note in seen:
                assert left(*seen) == {
                    "expenses:bad-debt": 9_520,
                    "liabilities:tax": -1_520,
                    "revenue:stripe": -8_000,
                }


def test_part_that_is_paid_of_an_invoice_that_was_given_up_is_no_loss() -> None:
    after = given_up(amount_paid=4_000, amount_remaining=7_900)
    for order in permutations([given_up(), EARLY, after]):
        assert left(*order)["expenses:bad-debt"] == 7_900
        assert "assets:receivable[in_1]" not in left(*order)


def test_credit_note_after_it_was_given_up_is_no_part_of_what_is_paid() -> None:
    note = credit_note(2_000)
    paid = given_up("paid", amount_due=9_900, amount_paid=9_900)
    for order in permutations([given_up(), note, payment(9_900), paid]):
        assert "expenses:bad-debt" not in left(*order)
        assert "assets:receivable[in_1]" not in left(*order)


def test_loss_takes_effect_when_the_invoice_was_given_up_and_ends_when_it_is_paid() -> None:
    told = [EARLY, given_up(), LATE]
    moments = {FINALIZED + 59: None, FINALIZED + 60: 7_900, PAID - 1: 7_900, PAID: None}
    for order in permutations(told):
        for at, lost in moments.items():
            stands = left(*order, until=datetime.fromtimestamp(at, UTC))
            assert stands.get("expenses:bad-debt") == lost
            assert lost is None or "assets:receivable[in_1]" not in stands


def test_what_the_first_rules_booked_of_a_loss_counts_for_nothing_once_later_ones_hear_of_it() -> (
    None
):
    booked = Books()
    for shown, in_force in (
        (EARLY, FIRST_RULES), (LOST, FIRST_RULES), (LATE, FIRST_RULES),
        (given_up("paid"), FIRST_RULES), (given_up("paid"), ACCRUAL),
    ):  # fmt: skip
        booked.take(structs.replace(told_by(shown, in_force), identity=None), RECEIVED)
    stands = {b.account: b.minor for b in booked.balances()}
    assert stands == {"liabilities:tax": -1_900, "revenue:stripe": 1_900}


def test_first_rules_take_back_what_the_paid_invoice_says_for_as_long_as_they_are_in_force() -> (
    None
):
    wrong = left(EARLY, LOST, LATE, given_up("paid"), in_force=FIRST_RULES)
    assert (wrong["expenses:bad-debt"], wrong["assets:receivable[in_1]"]) == (-4_000, 4_000)


REVERSES: Json = {"kind": "reverse_entry", "idempotency_key": "k1", "reason": "not lost"}


def test_loss_that_a_person_had_taken_back_by_hand_is_not_taken_back_twice() -> None:
    """The first rules told the loss, somebody reversed it, the second rules hear of the invoice."""
    undone = REVERSES | {"reference": "stripe:invoice:in_1:uncollectible"}
    for order in permutations(["first", "by hand", "second", "paid"]):
        if order.index("first") > order.index("by hand"):
            continue
        booked = Books()
        for what in order:
            match what:
                case "by hand":
                    decision = decide(told(topics.LEDGER_COMMANDS, undone), ACCRUAL)
                case "paid":
                    decision = told_by(payment(11_900))
                case _:
                    decision = told_by(given_up(), FIRST_RULES if what == "first" else ACCRUAL)
                    decision = structs.replace(decision, identity=None)
            remarks = booked.take(decision, RECEIVED)
            assert "refused" not in [remark.outcome for remark in remarks], remarks
        stands = {b.account: b.minor for b in booked.balances()}
        assert stands == {"liabilities:tax": -1_900, "revenue:stripe": 1_900}


def test_entry_that_passes_another_on_is_not_reversed_by_itself() -> None:
    booked = Books()
    booked.take(told_by(given_up()), RECEIVED)
    undone = REVERSES | {"reference": "bad_debt:stripe:invoice:in_1"}
    (said,) = booked.take(decide(told(topics.LEDGER_COMMANDS, undone), ACCRUAL), RECEIVED)
    assert (said.outcome, said.reason) == ("refused", "command")
    assert said.decided is not None
    assert said.decided["rule"] == "follows_another_entry"
    assert said.decided["way_out"] == "reverse stripe:invoice:in_1, which is passed on as well"
