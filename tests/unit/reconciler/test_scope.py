"""Scope: what a new fact brings along, and what it leaves asleep."""

from services.reconciler.facts.kinds import Fact, Transfer
from services.reconciler.scope import hooks, meeting
from tests.support.reconciler_facts import A, line, payout

AROUND = "ORIG CO NAME:STRIPE ORIG ID:1800948598 CO ENTRY DESCR:TRANSFER SEC:CCD"


def meet(one: Fact, other: Fact) -> bool:
    return bool({meeting(hook) for hook in hooks(one)} & hooks(other))


def test_lines_in_which_a_bank_writes_the_same_words_do_not_meet() -> None:
    assert not meet(line(f"{AROUND} {A}", id="l1"), line(f"{AROUND} {A}", id="l2"))


def test_line_meets_what_it_names_and_is_met_by_it() -> None:
    named = line(f"{AROUND} {A}")
    assert meet(named, payout(A))
    assert meet(payout(A), named)


def test_line_does_not_meet_what_it_does_not_name() -> None:
    assert not meet(line(AROUND), payout(A))


def test_transfers_of_no_charge_do_not_meet() -> None:
    assert not meet(Transfer("tr_1", ""), Transfer("tr_2", ""))


def test_transfers_of_one_charge_meet() -> None:
    assert meet(Transfer("tr_1", "ch_1"), Transfer("tr_2", "ch_1"))
