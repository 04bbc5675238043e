"""A discrepancy's life, told in full state at each step."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from services.reconciler.findings import life
from services.reconciler.findings.found import Discrepancy
from shared.contracts.discrepancies import (
    DiscrepancyId,
    DiscrepancyKind,
    DiscrepancyState,
    Severity,
)
from shared.contracts.messages import DiscrepancyReported
from shared.contracts.money import Money

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
FOUND = Discrepancy(
    id=DiscrepancyId("dsc_1"),
    kind=DiscrepancyKind.PAYOUT_OVERDUE,
    subject="po_1",
    amount=Money.of(1000, "usd"),
    expected="10.00 USD",
    found="no bank line",
    explanation="nothing came",
    next_step="ask",
)


def opened() -> DiscrepancyReported:
    (report,) = life.reports(book="main", wanted=[FOUND], known={}, at=AT)
    return report


def test_discrepancy_found_first_is_opened_in_its_first_revision() -> None:
    report = opened()
    assert (report.revision, report.state, report.opened_at) == (1, DiscrepancyState.OPEN, AT)
    assert report.amount is not None
    assert report.amount.money() == FOUND.amount


def test_discrepancy_found_again_is_not_told_again() -> None:
    known = {"dsc_1": opened()}
    assert life.reports(book="main", wanted=[FOUND], known=known, at=LATER) == []
    moved = replace(FOUND, found="no bank line at 13:00")
    assert life.reports(book="main", wanted=[moved], known=known, at=LATER) == []


def test_discrepancy_with_another_amount_is_changed_and_keeps_its_state() -> None:
    known = {"dsc_1": opened().model_copy(update={"state": DiscrepancyState.ACKNOWLEDGED})}
    other = replace(FOUND, amount=Money.of(900, "usd"))
    (report,) = life.reports(book="main", wanted=[other], known=known, at=LATER)
    assert (report.revision, report.state) == (2, DiscrepancyState.ACKNOWLEDGED)
    assert (report.opened_at, report.changed_at) == (AT, LATER)


def test_discrepancy_no_longer_found_is_resolved_once() -> None:
    (report,) = life.reports(book="main", wanted=[], known={"dsc_1": opened()}, at=LATER)
    assert (report.revision, report.state, report.resolved_at) == (
        2,
        DiscrepancyState.RESOLVED,
        LATER,
    )
    assert life.reports(book="main", wanted=[], known={"dsc_1": report}, at=LATER) == []


def test_discrepancy_found_after_it_was_resolved_is_opened_again() -> None:
    resolved = opened().model_copy(
        update={"state": DiscrepancyState.RESOLVED, "revision": 2, "resolved_at": AT}
    )
    (report,) = life.reports(book="main", wanted=[FOUND], known={"dsc_1": resolved}, at=LATER)
    assert (report.revision, report.state) == (3, DiscrepancyState.OPEN)
    assert (report.opened_at, report.resolved_at) == (LATER, None)


def test_age_and_severity_count_from_the_day_of_the_fact_and_not_of_its_opening() -> None:
    """A line of September that is imported today is not one day old to an auditor."""
    old = replace(
        FOUND,
        kind=DiscrepancyKind.UNIDENTIFIED_BANK_CREDIT,
        since=(AT - timedelta(days=70)).date(),
    )
    (report,) = life.reports(book="main", wanted=[old], known={}, at=AT)
    assert (report.opened_at, report.since, report.age) == (AT, old.since, "61-90")
    assert report.severity is Severity.CRITICAL
    (fresh,) = life.reports(book="main", wanted=[replace(old, since=None)], known={}, at=AT)
    assert (fresh.age, fresh.severity) == ("0-1", Severity.MEDIUM)
    assert life.ages_next([report], at=AT, zone=ZoneInfo("UTC")) == datetime(
        2026, 12, 11, tzinfo=UTC
    )


def test_one_that_breaks_again_is_as_old_as_its_fact() -> None:
    old = replace(FOUND, since=(AT - timedelta(days=40)).date())
    (first,) = life.reports(book="main", wanted=[old], known={}, at=AT)
    (gone,) = life.reports(book="main", wanted=[], known={"dsc_1": first}, at=LATER)
    (again,) = life.reports(book="main", wanted=[old], known={"dsc_1": gone}, at=LATER)
    assert (again.opened_at, again.age) == (LATER, first.age)


def test_one_told_before_the_day_of_its_fact_was_told_is_told_once_more() -> None:
    dated = replace(FOUND, since=AT.date())
    (report,) = life.reports(book="main", wanted=[dated], known={"dsc_1": opened()}, at=LATER)
    assert (report.revision, report.since) == (2, AT.date())
    assert life.reports(book="main", wanted=[dated], known={"dsc_1": report}, at=LATER) == []
