"""What is expected is in one of its states, has a deadline, and says where to look."""

from datetime import UTC, datetime, timedelta

import pytest

from services.reconciler.breaks.waits import Wait, WaitState, waits_of
from services.reconciler.facts.kinds import Fact
from services.reconciler.facts.known import Facts
from services.reconciler.matching.passes import matched
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.expectations import Stage
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.look_ups import LookUp
from shared.contracts.observations import LineState
from tests.support.reconciler_facts import ARRIVAL, A, facts_of, line, payout

DAY = timedelta(days=1)
# Wednesday 11 November 2026 is Veterans Day.
ARRIVES = datetime(2026, 11, 11, tzinfo=UTC)
DUE = datetime(2026, 11, 16, tzinfo=UTC)
CLOSED = datetime(2026, 11, 19, tzinfo=UTC)


def waits(*known: Fact, at: datetime) -> list[Wait]:
    facts: Facts = facts_of(known)
    return list(waits_of(facts, matched(facts, at=at), at=at))


@pytest.mark.parametrize(
    ("at", "state", "deadline", "look_up"),
    [
        (ARRIVES - DAY, WaitState.EXPECTED, ARRIVES, LookUp.STRIPE_OBJECT),
        (ARRIVES, WaitState.DUE, DUE, LookUp.BANK_LINES),
        (DUE - DAY / 2, WaitState.DUE, DUE, LookUp.BANK_LINES),
        (DUE, WaitState.OVERDUE, CLOSED, LookUp.BANK_LINES),
        (CLOSED, WaitState.MISSING, CLOSED + 7 * DAY, LookUp.STRIPE_OBJECT),
        (CLOSED + 30 * DAY, WaitState.MISSING, CLOSED + 35 * DAY, LookUp.STRIPE_OBJECT),
    ],
)
def test_payout_goes_from_expected_to_missing_and_each_state_has_a_deadline(
    at: datetime, state: WaitState, deadline: datetime, look_up: LookUp
) -> None:
    (wait,) = waits(payout(stage=Stage.IN_TRANSIT), at=at)
    assert (wait.state, wait.deadline, wait.look_up) == (state, deadline, look_up)
    assert wait.where == (A if look_up is LookUp.STRIPE_OBJECT else "ops")


@pytest.mark.parametrize("at", [ARRIVES - DAY, ARRIVES, DUE, CLOSED, CLOSED + 9 * DAY])
def test_only_what_is_overdue_missing_or_mismatched_alarms(at: datetime) -> None:
    facts = facts_of((payout(),))
    (wait,) = waits_of(facts, matched(facts, at=at), at=at)
    assert bool(reconcile(facts, at=at).discrepancies) is wait.state.alarms
    assert wait.deadline > at


def test_short_payout_is_mismatched_and_a_whole_one_waits_no_more() -> None:
    (short,) = waits(payout(), line(f"STRIPE {A}", 9_900), at=DUE)
    assert (short.state, short.state.alarms) == (WaitState.MISMATCHED, True)
    assert waits(payout(), line(f"STRIPE {A}"), at=DUE) == []
    assert waits(payout(stage=Stage.FAILED), at=DUE) == []


@pytest.mark.parametrize("at", [DUE - 3 * DAY, DUE, CLOSED + 9 * DAY])
def test_payout_that_came_in_another_currency_is_mismatched_as_its_discrepancy_says(
    at: datetime,
) -> None:
    facts = facts_of((payout(), line(f"STRIPE {A}", 9_200, currency="eur", account="euro")))
    (wait,) = waits_of(facts, matched(facts, at=at), at=at)
    assert (wait.subject, wait.state, wait.state.alarms) == (A, WaitState.MISMATCHED, True)
    (said,) = reconcile(facts, at=at).discrepancies
    assert (said.subject, said.kind) == (A, DiscrepancyKind.PAYOUT_AMOUNT_MISMATCH)


def test_payout_that_the_bank_took_back_is_mismatched_and_looked_up_at_stripe_at_once() -> None:
    back = line(f"RETURN {A}", -10_000, id="l2", on=ARRIVAL + DAY)
    at = ARRIVES + 2 * DAY
    (wait,) = waits(payout(), line(A), back, at=at)
    assert (wait.subject, wait.state, wait.state.alarms) == (A, WaitState.MISMATCHED, True)
    (asked,) = wait.due_look_ups()
    assert (asked.where, asked.look_up, asked.kind) == (A, LookUp.STRIPE_OBJECT, "payout")
    assert wait.deadline > at
    assert waits(payout(stage=Stage.FAILED), line(A), back, at=at) == []


@pytest.mark.parametrize(
    "other",
    [
        line(f"RETURN {A}", -9_000, id="l2"),
        line("RETURN", -10_000, id="l2"),
        line(f"STRIPE {A}", 10_000, id="l2"),
    ],
)
def test_what_takes_no_payout_back_whole_leaves_it_settled(other: Fact) -> None:
    assert waits(payout(), line(A), other, at=DUE) == []


def test_match_by_amount_waits_for_the_end_of_its_window() -> None:
    (weak,) = waits(payout(), line("STRIPE"), at=DUE)
    assert (weak.state, weak.deadline, weak.state.alarms) == (WaitState.SETTLED, CLOSED, False)
    assert waits(payout(), line("STRIPE"), at=CLOSED) == []


def test_pending_line_has_a_deadline_too() -> None:
    told = line("STRIPE", state=LineState.PENDING, on=ARRIVAL)
    (wait,) = waits(told, at=ARRIVES)
    assert (wait.subject, wait.state, wait.where) == ("l1", WaitState.DUE, "ops")
    (late,) = waits(told, at=ARRIVES + 20 * DAY)
    assert late.state is WaitState.OVERDUE
    assert late.deadline > ARRIVES + 20 * DAY


def test_overdue_payout_says_whether_it_may_still_come_and_is_judged_again_then() -> None:
    facts = facts_of((payout(),))
    overdue = reconcile(facts, at=DUE)
    assert "may still come until 2026-11-18" in overdue.discrepancies[0].explanation
    assert overdue.wake_at == CLOSED
    missing = reconcile(facts, at=CLOSED)
    assert "it is missing" in missing.discrepancies[0].explanation
    assert missing.discrepancies[0].id == overdue.discrepancies[0].id
