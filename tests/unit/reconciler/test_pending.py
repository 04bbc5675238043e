"""What was pending and then changed: posted otherwise, taken back, or never posted at all."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from services.reconciler.breaks.pending import (
    was_taken_back,
)
from services.reconciler.facts.kinds import Line
from services.reconciler.facts.known import fold
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Stage
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind
from shared.contracts.observations import LineState
from tests.support.reconciler_facts import LATER, SOON, A, B, facts_of, found, line, payout, said

K = DiscrepancyKind
PENDING = line(f"STRIPE {A}", state=LineState.PENDING)
TAKEN_BACK = replace(line(f"STRIPE {A}", state=LineState.REMOVED, revision=2))
POSTED = line(f"STRIPE {A}", revision=2)


def test_pending_line_that_is_posted_as_it_was_is_no_break() -> None:
    assert said(found(payout(), PENDING)) == []
    assert said(found(payout(), PENDING, POSTED)) == []


def test_pending_line_posted_short_of_what_is_expected_says_that_the_bank_changed_it() -> None:
    (short,) = found(payout(), PENDING, replace(POSTED, minor=9_850)).discrepancies
    assert (short.kind, short.subject) == (K.PAYOUT_AMOUNT_MISMATCH, A)
    assert short.break_class is BreakClass.PENDING_CHANGED
    assert short.amount is not None
    assert short.amount.minor == 150
    assert short.evidence[-1] == "l1 was pending with 100.00 USD and posted with 98.50 USD"
    assert short.probable_cause == "the bank changed the amount when it posted the line"


def test_pending_amount_that_was_wrong_and_is_posted_right_is_done_with() -> None:
    assert said(found(payout(), replace(PENDING, minor=9_850, pending_minor=None), POSTED)) == []


def test_line_that_was_never_right_is_a_mismatch_like_any_other() -> None:
    pending = line(f"STRIPE {A}", 9_900, state=LineState.PENDING)
    (short,) = found(payout(), pending, replace(POSTED, minor=9_850)).discrepancies
    assert short.break_class is BreakClass.AMOUNT_MISMATCH


def test_line_posted_under_another_id_is_compared_with_the_one_that_it_replaces() -> None:
    """As Plaid tells it: a new id that points at the old one, and the old one removed."""
    posted = replace(line(f"STRIPE {A}", 9_850, id="l2"), replaces="l1")
    (short,) = found(payout(), PENDING, TAKEN_BACK, posted).discrepancies
    assert short.break_class is BreakClass.PENDING_CHANGED
    assert short.evidence[-1] == "l2 was pending with 100.00 USD and posted with 98.50 USD"
    whole = replace(posted, minor=10_000)
    assert said(found(payout(), PENDING, TAKEN_BACK, whole)) == []


def test_pending_line_taken_back_says_at_once_that_its_payout_may_not_come() -> None:
    (gone,) = found(payout(), PENDING, TAKEN_BACK).discrepancies
    assert (gone.kind, gone.subject) == (K.PENDING_CHANGED, "l1")
    assert gone.break_class is BreakClass.PENDING_CHANGED
    assert gone.explanation == (
        f"Pending bank line l1 of 100.00 USD on 2026-11-11 names {A}: the bank took it back."
        f" {A} may still come until 2026-11-18."
    )


def test_pending_line_taken_back_is_no_break_once_another_line_pays_or_the_payout_is_over() -> None:
    assert said(found(payout(), PENDING, TAKEN_BACK, line(A, id="l2"))) == []
    canceled = payout(stage=Stage.CANCELED)
    assert said(found(canceled, PENDING, TAKEN_BACK)) == []


def test_pending_line_that_comes_back_heals() -> None:
    back = line(f"STRIPE {A}", revision=3)
    assert said(found(payout(), PENDING, TAKEN_BACK, back)) == []
    pending = replace(PENDING, revision=3, pending_minor=None, pending_revision=0)
    assert said(found(payout(), PENDING, TAKEN_BACK, pending)) == []


def test_payout_that_is_overdue_by_then_is_told_once_with_what_was_pending() -> None:
    (overdue,) = found(payout(), PENDING, TAKEN_BACK, at=LATER).discrepancies
    assert (overdue.kind, overdue.break_class) == (K.PAYOUT_OVERDUE, BreakClass.MISSING_IN_BANK)
    assert overdue.evidence == (
        "l1 of 100.00 USD was pending on 2026-11-11: the bank took it back",
    )
    assert overdue.probable_cause == "the bank refused what it had shown as pending"


def test_pending_line_that_is_never_posted_is_told_when_its_time_is_over() -> None:
    """It was booked before the payout is due: five business days are over before that is."""
    early = line(
        f"STRIPE {A}", state=LineState.PENDING, on=datetime(2026, 11, 4, tzinfo=UTC).date()
    )
    ends = datetime(2026, 11, 12, tzinfo=UTC)
    assert said(found(payout(), early, at=ends - timedelta(seconds=1))) == []
    (gone,) = found(payout(), early, at=ends).discrepancies
    assert gone.kind is K.PENDING_CHANGED
    assert "the bank has not posted it in 5 business days" in gone.explanation
    before = found(payout(), early, at=ends - timedelta(hours=1))
    assert before.wake_at == ends


def test_pending_line_is_not_past_its_time_before_its_bank_was_read_so_far() -> None:
    early = line(
        f"STRIPE {A}", state=LineState.PENDING, on=datetime(2026, 11, 4, tzinfo=UTC).date()
    )
    ends = datetime(2026, 11, 12, tzinfo=UTC)
    known = facts_of(
        (payout(), early),
        require_readings=True,
        read_until={"ops": ends - timedelta(hours=1)},
        heard_at={"ops": ends},
    )
    assert said(reconcile(known, at=ends)) == []
    read = replace(known, read_until={"ops": ends})
    assert said(reconcile(read, at=ends)) == [f"{K.PENDING_CHANGED} l1 10000"]


@pytest.mark.parametrize(
    "gone",
    [
        TAKEN_BACK,
        replace(TAKEN_BACK, description="COFFEE SHOP"),
        replace(TAKEN_BACK, description=f"STRIPE {B}"),
        replace(TAKEN_BACK, minor=-10_000),
    ],
    ids=["unknown", "a card hold", "another payout", "the other way"],
)
def test_pending_line_on_which_nothing_was_expected_goes_without_a_word(gone: Line) -> None:
    pending = replace(gone, state=LineState.PENDING, revision=1)
    expected = () if gone is TAKEN_BACK else (payout(),)
    assert said(found(*expected, pending, gone)) == []


def test_line_that_was_posted_and_taken_back_is_not_one_that_vanished_while_pending() -> None:
    gone = replace(TAKEN_BACK, revision=3)
    (kept,) = fold((PENDING, POSTED, gone)).values()
    assert isinstance(kept, Line)
    assert not was_taken_back(kept)
    assert said(found(payout(), PENDING, POSTED, gone)) == []


def test_what_was_pending_is_known_whatever_form_is_told_first() -> None:
    forms = (PENDING, POSTED, replace(TAKEN_BACK, revision=3))
    assert len({tuple(fold(order).values()) for order in permutations(forms)}) == 1


def test_pending_line_is_held_until_what_it_names_is_settled() -> None:
    held = found(payout(), PENDING, TAKEN_BACK, at=SOON).dormant
    assert not held & {PENDING.key, f"expectation:{A}"}
    paid = found(payout(), PENDING, TAKEN_BACK, line(A, id="l2"), at=SOON).dormant
    assert {PENDING.key, f"expectation:{A}"} <= paid
