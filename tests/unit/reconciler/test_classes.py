"""Class, severity and age: each discrepancy has them, and they change when they should."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.reconciler.findings.classes import CLASSES, ages_at, bucket_of, days_open, severity_of
from services.reconciler.findings.explain import NEXT_STEPS, PROBABLE_CAUSES
from shared.contracts.discrepancies import BreakClass, DiscrepancyKind, Severity
from shared.contracts.money import Money

ZONE = ZoneInfo("UTC")
FRIDAY = datetime(2026, 11, 6, 15, tzinfo=UTC)
K, B, S = DiscrepancyKind, BreakClass, Severity


def usd(minor: int) -> Money:
    return Money.of(minor, "usd")


@pytest.mark.parametrize("kind", list(K))
def test_every_kind_has_a_class_a_probable_cause_and_a_next_step(kind: DiscrepancyKind) -> None:
    assert kind in CLASSES
    assert PROBABLE_CAUSES[kind]
    assert NEXT_STEPS[kind]


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(0, "0-1"), (1, "0-1"), (2, "2-3"), (7, "4-7"), (8, "8-30"), (31, "31-60"), (61, "61-90"),
     (90, "61-90"), (91, "90+"), (4_000, "90+")],
)  # fmt: skip
def test_bucket_is_that_of_the_days(days: int, bucket: str) -> None:
    assert bucket_of(days) == bucket


def test_what_a_rail_is_waited_for_ages_by_business_days_and_the_rest_by_days() -> None:
    wednesday = FRIDAY + timedelta(days=5)
    assert days_open(K.PAYOUT_OVERDUE, FRIDAY.date(), wednesday, ZONE) == 3
    assert days_open(K.UNIDENTIFIED_BANK_CREDIT, FRIDAY.date(), wednesday, ZONE) == 5
    assert days_open(K.PAYOUT_OVERDUE, FRIDAY.date(), FRIDAY + timedelta(days=2), ZONE) == 0


def test_age_is_never_negative_though_a_clock_goes_back() -> None:
    assert days_open(K.BALANCE_DRIFT, FRIDAY.date(), FRIDAY - timedelta(days=3), ZONE) == 0


def test_day_of_a_book_ends_at_its_own_midnight() -> None:
    auckland = ZoneInfo("Pacific/Auckland")
    there = FRIDAY.astimezone(auckland).date()
    assert days_open(K.BALANCE_DRIFT, there, FRIDAY + timedelta(hours=2), auckland) == 0
    assert days_open(K.BALANCE_DRIFT, FRIDAY.date(), FRIDAY, auckland) == 1


@pytest.mark.parametrize("kind", [K.PAYOUT_OVERDUE, K.BALANCE_DRIFT])
def test_next_bucket_begins_when_it_is_said_to(kind: DiscrepancyKind) -> None:
    at, seen = FRIDAY, [bucket_of(0)]
    while (following := ages_at(kind, FRIDAY.date(), at, ZONE)) is not None:
        assert following > at
        before = following - timedelta(microseconds=1)
        assert bucket_of(days_open(kind, FRIDAY.date(), before, ZONE)) == seen[-1]
        at = following
        seen.append(bucket_of(days_open(kind, FRIDAY.date(), at, ZONE)))
    assert seen == ["0-1", "2-3", "4-7", "8-30", "31-60", "61-90", "90+"]


def test_severity_is_class_and_amount_and_age_together() -> None:
    assert severity_of(B.UNIDENTIFIED_RECEIPT, usd(5_000), 0) is S.MEDIUM
    assert severity_of(B.UNIDENTIFIED_RECEIPT, usd(999), 0) is S.LOW
    assert severity_of(B.UNIDENTIFIED_RECEIPT, usd(1_000_000), 0) is S.HIGH
    assert severity_of(B.UNIDENTIFIED_RECEIPT, usd(5_000), 8) is S.HIGH
    assert severity_of(B.UNIDENTIFIED_RECEIPT, usd(5_000), 61) is S.CRITICAL
    assert severity_of(B.BALANCE_DRIFT, None, 400) is S.CRITICAL


def test_severity_of_an_asset_with_many_decimals_goes_by_its_units() -> None:
    one_eth = Money.of(10**18, "eth")
    assert severity_of(B.UNIDENTIFIED_RECEIPT, one_eth, 0) is S.LOW


def test_amount_that_wavers_around_a_bound_keeps_the_severity() -> None:
    high = severity_of(B.UNIDENTIFIED_RECEIPT, usd(1_000_001), 0)
    assert severity_of(B.UNIDENTIFIED_RECEIPT, usd(900_000), 0, last=high) is S.HIGH
    assert severity_of(B.UNIDENTIFIED_RECEIPT, usd(790_000), 0, last=high) is S.MEDIUM
    assert severity_of(B.UNIDENTIFIED_RECEIPT, usd(900_000), 0) is S.MEDIUM
