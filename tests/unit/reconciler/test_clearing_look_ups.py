"""A settling key that stays open past its time is asked for at Stripe by its id."""

from datetime import UTC, datetime, timedelta

import pytest

from services.reconciler.breaks.waits import WaitState
from services.reconciler.facts.kinds import SETTLING, Booking, Leg
from services.reconciler.reconcile import reconcile
from services.reconciler.rules.calendars import SETTLING_TIME
from shared.contracts.discrepancies import DiscrepancyKind
from shared.contracts.look_ups import LookUp
from tallystick.cli.expectations import waited_for
from tests.support.reconciler_facts import booking, facts_of

KNOWN = datetime(2026, 11, 2, tzinfo=UTC)
ENDS = KNOWN + SETTLING_TIME


def half(key: str, *, minor: int = 5_000, reference: str = "") -> Booking:
    told = reference or f"stripe:payment:{key}"
    return booking(told, Leg(SETTLING, key, "usd", minor), on=KNOWN)


@pytest.mark.parametrize(
    ("key", "kind"),
    [("ch_1", "charge"), ("py_1", "charge"), ("re_1", "refund"), ("pyr_1", "refund"),
     ("tr_1", "transfer")],
)  # fmt: skip
def test_open_settling_key_is_looked_up_when_its_time_has_passed(key: str, kind: str) -> None:
    facts = facts_of((half(key),))
    early = reconcile(facts, at=ENDS - timedelta(seconds=1))
    assert (early.look_ups, early.discrepancies) == ((), ())
    assert early.wake_at == ENDS
    late = reconcile(facts, at=ENDS)
    (asked,) = late.look_ups
    assert (asked.subject, asked.where, asked.kind) == (key, key, kind)
    assert (asked.look_up, asked.deadline) == (LookUp.STRIPE_OBJECT, ENDS)
    (said,) = late.discrepancies
    assert (said.kind, said.subject) == (DiscrepancyKind.CLEARING_OVERDUE, key)
    assert late.wake_at == ENDS + timedelta(days=7)
    (again,) = reconcile(facts, at=ENDS + timedelta(days=15)).look_ups
    assert again.deadline == ENDS + timedelta(days=14), "once for each week, the last one only"


def test_key_that_stripe_does_not_give_by_its_id_is_told_and_not_asked_for() -> None:
    found = reconcile(facts_of((half("trr_1"), half("rsv_1"))), at=ENDS)
    assert found.look_ups == ()
    assert [d.subject for d in found.discrepancies] == ["rsv_1", "trr_1"]


def test_key_whose_other_half_has_come_is_waited_for_no_more() -> None:
    other = half("ch_1", minor=-5_000, reference="stripe:balance_transaction:txn_1")
    found = reconcile(facts_of((half("ch_1"), other)), at=ENDS)
    assert (found.look_ups, found.discrepancies) == ((), ())


def test_expectations_list_it_as_overdue_as_its_discrepancy_says() -> None:
    facts = facts_of((half("ch_1"),))
    assert list(waited_for([(facts, ENDS - timedelta(days=1))])) == []
    ((_, wait),) = waited_for([(facts, ENDS)])
    assert (wait.subject, wait.state, wait.where) == ("ch_1", WaitState.OVERDUE, "ch_1")
    assert str(wait.amount) == "50.00 USD"
