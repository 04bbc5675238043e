"""A payout told with two amounts: one counts, and that there are two is said."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

from services.reconciler.facts.known import fold
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Expectation, Stage
from shared.contracts.discrepancies import DiscrepancyKind
from tests.support.reconciler_facts import SOON, A, facts_of, found, line, payout, said, settled

PAID = payout()
EARLY = replace(payout(stage=Stage.PENDING), minor=9_000)
MOVED = replace(payout(minor=9_500, stage=Stage.PENDING), first_hand=False)


def test_payout_told_with_two_amounts_counts_by_its_furthest_and_says_so() -> None:
    result = found(EARLY, PAID, line(A))
    assert settled(result) == {"l1": (A,)}
    (conflict,) = result.discrepancies
    assert (conflict.kind, conflict.subject) == (DiscrepancyKind.REFERENCE_CONFLICT, A)
    assert conflict.explanation == (
        f"{A} was told with 100.00 USD and with 90.00 USD; what was told of it when it had come"
        " furthest counts."
    )
    assert conflict.amount is not None
    assert conflict.amount.minor == 1_000


def test_payout_told_twice_alike_contradicts_nothing() -> None:
    later = replace(PAID, told_at=PAID.told_at + timedelta(hours=1))
    assert said(found(PAID, later, replace(EARLY, minor=10_000), line(A))) == []


def test_balance_transaction_is_no_telling_of_the_payouts_own_amount() -> None:
    assert said(found(MOVED, PAID, line(A))) == []


def test_two_currencies_are_a_contradiction_without_a_difference() -> None:
    (conflict,) = found(replace(EARLY, currency="eur"), PAID, line(A)).discrepancies
    assert conflict.amount is None
    assert "90.00 EUR" in conflict.explanation


def test_contradiction_is_known_whatever_is_told_first() -> None:
    third = replace(EARLY, minor=8_000, told_at=EARLY.told_at - timedelta(hours=1))
    orders = [tuple(fold(order).values()) for order in permutations((EARLY, PAID, MOVED, third))]
    assert len(set(orders)) == 1
    (kept,) = orders[0]
    assert isinstance(kept, Expectation)
    assert kept.other_amounts == ((8_000, "usd"), (9_000, "usd"))


def test_contradiction_that_a_person_closed_is_let_go_of() -> None:
    result = found(EARLY, PAID, line(A))
    assert PAID.key not in result.dormant
    (conflict,) = result.discrepancies
    known = facts_of((EARLY, PAID, line(A)))
    closed = reconcile(replace(known, accepted=frozenset({conflict.id})), at=SOON)
    assert PAID.key in closed.dormant
