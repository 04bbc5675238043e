"""What is asked for by name when a deadline has passed: which, where, once for each deadline."""

from datetime import UTC, datetime, timedelta

import pytest

from services.reconciler.facts.kinds import IN_TRANSIT, MATCH_KINDS, Fact, Leg
from services.reconciler.findings.found import DueLookUp
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.calendars import SETTLING_TIME
from services.reconciler.rules.expectations import Stage
from shared.contracts.look_ups import LookUp
from shared.contracts.observations import LineState
from tests.support.reconciler_facts import ANYWHERE, ARRIVAL, A, B, booking, facts_of, line, payout

DAY = timedelta(days=1)
WEEK = 7 * DAY
ARRIVES = datetime(2026, 11, 11, tzinfo=UTC)
DUE = datetime(2026, 11, 16, tzinfo=UTC)
CLOSED = datetime(2026, 11, 19, tzinfo=UTC)
BANK, STRIPE = LookUp.BANK_LINES, LookUp.STRIPE_OBJECT


def due(*known: Fact, at: datetime, is_unread: bool = False) -> list[DueLookUp]:
    return list(reconcile(facts_of(known, require_readings=is_unread), at=at).look_ups)


def told(found: list[DueLookUp]) -> list[tuple[datetime, LookUp]]:
    return [(each.deadline, each.look_up) for each in found]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (ARRIVES - DAY, []),
        (ARRIVES, [(ARRIVES, STRIPE)]),
        (DUE - DAY / 2, [(ARRIVES, STRIPE)]),
        (DUE, [(DUE, BANK), (DUE, STRIPE)]),
        (CLOSED - DAY / 2, [(DUE, BANK), (DUE, STRIPE)]),
        (CLOSED, [(CLOSED, BANK), (CLOSED, STRIPE)]),
        (CLOSED + WEEK, [(CLOSED + WEEK, STRIPE)]),
        # Away for a year: once for what is waited for now, not for each week of it.
        (CLOSED + 400 * DAY, [(CLOSED + 57 * WEEK, STRIPE)]),
    ],
)
def test_payout_is_looked_up_at_the_last_deadline_that_has_passed(
    at: datetime, expected: list[tuple[datetime, LookUp]]
) -> None:
    assert told(due(payout(stage=Stage.IN_TRANSIT), at=at)) == expected


def test_look_up_says_what_to_ask_for_and_where() -> None:
    bank, stripe = due(payout(stage=Stage.IN_TRANSIT), at=DUE)
    assert (bank.where, bank.currency, bank.since) == ("ops", "usd", ARRIVAL - DAY)
    assert (stripe.where, stripe.kind, stripe.since) == (A, "payout", None)
    asked = stripe.asked("main", at=DUE)
    assert asked.id == stripe.id("main") != bank.id("main")
    assert stripe.id("other") != asked.id
    (anywhere, _) = reconcile(facts_of((payout(),), book=ANYWHERE), at=DUE).look_ups
    assert anywhere.where == ""


def test_bank_that_was_not_read_is_asked_and_stripe_is_not() -> None:
    unread = payout(stage=Stage.PAID, created=DUE - DAY / 2)
    (only,) = due(unread, at=DUE, is_unread=True)
    assert only.look_up is BANK
    assert told(due(unread, at=CLOSED, is_unread=True)) == [(CLOSED, BANK), (CLOSED, STRIPE)]


@pytest.mark.parametrize("stage", [Stage.FAILED, Stage.CANCELED])
def test_payout_that_went_back_is_looked_up_no_more(stage: Stage) -> None:
    assert due(payout(stage=stage), at=CLOSED) == []


def test_payout_that_came_is_looked_up_no_more_and_one_that_came_short_is() -> None:
    assert due(payout(), line(f"STRIPE {A}"), at=CLOSED) == []
    assert due(payout(), line("STRIPE"), at=DUE) == []
    short = line(f"STRIPE {A}", 9_900)
    assert due(payout(), short, at=DUE) == []
    assert told(due(payout(), short, at=CLOSED)) == [(CLOSED, STRIPE)]


def test_pending_line_is_looked_up_at_its_bank_from_its_day_on_and_again_each_week() -> None:
    pending = line("CARD HOLD", -700, state=LineState.PENDING, on=ARRIVAL)
    ends = datetime(2026, 11, 19, tzinfo=UTC)
    assert due(pending, at=ends - DAY / 2) == []
    (first,) = due(pending, at=ends)
    assert (first.deadline, first.look_up, first.where, first.since) == (ends, BANK, "ops", ARRIVAL)
    (again,) = due(pending, at=ends + 8 * DAY)
    assert again.deadline == ends + WEEK
    other = line("CARD HOLD", -700, state=LineState.PENDING, on=ARRIVAL, account="tax")
    first, second = due(pending, other, at=ends)
    assert first.id("main") != second.id("main"), "two banks may give one id"


def test_pending_line_stays_open_until_it_is_not_pending_any_more() -> None:
    pending = line("CARD HOLD", -700, state=LineState.PENDING, on=ARRIVAL)
    assert pending.key not in reconcile(facts_of((pending,)), at=ARRIVES).dormant
    gone = line("CARD HOLD", -700, state=LineState.REMOVED, on=ARRIVAL, revision=2)
    assert gone.key in reconcile(facts_of((pending, gone)), at=ARRIVES).dormant


def test_payout_whose_movement_never_came_is_looked_up_though_it_is_done_with() -> None:
    """It failed and went back, or the bank has paid it: what lacks is a balance transaction."""
    went = booking("stripe:balance_transaction:txn_1", Leg(IN_TRANSIT, A, "usd", 10_000))
    failed = payout(stage=Stage.FAILED)
    ends = went.known_at + SETTLING_TIME
    assert due(failed, went, at=ends - DAY / 2) == []
    (first,) = due(failed, went, at=ends)
    assert (first.deadline, first.look_up, first.where, first.kind) == (ends, STRIPE, A, "payout")
    (again,) = due(failed, went, at=ends + 15 * DAY)
    assert again.deadline == ends + 2 * WEEK
    back = booking("stripe:balance_transaction:txn_2", Leg(IN_TRANSIT, A, "usd", -10_000))
    assert due(failed, went, back, at=ends) == [], "both movements have come"
    matched = booking("match:m1:1", Leg(IN_TRANSIT, A, "usd", -10_000), kind=min(MATCH_KINDS))
    paid = (payout(), line(f"STRIPE {A}"), matched)
    assert told(due(*paid, at=ends)) == [(ends, STRIPE)]
    assert due(*paid, went, at=ends) == []


def test_longest_waiting_comes_first_and_the_book_is_judged_at_the_next_deadline() -> None:
    old, new = payout(A, arrival=ARRIVAL - 3 * DAY), payout(B, 700)
    found = reconcile(facts_of((new, old)), at=CLOSED)
    assert [d.subject for d in found.look_ups] == [A, A, B, B]
    assert found.wake_at is not None
    alone = reconcile(facts_of((new,)), at=CLOSED)
    assert alone.wake_at == CLOSED + WEEK
    assert reconcile(facts_of((new,)), at=ARRIVES - DAY).wake_at == ARRIVES
