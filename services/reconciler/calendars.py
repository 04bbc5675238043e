"""Business days and midnights: when something is expected, when its window ends, when it is due."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.reconciler.expectations import Expectation, Expected

PAYOUT_OVERDUE_DAYS: Final = 3
TOPUP_OVERDUE_DAYS: Final = 10
WINDOW_DAYS_BEFORE: Final = 1
WINDOW_DAYS_AFTER: Final = 5
SETTLING_TIME: Final = timedelta(days=3)
FEED_SILENCE_MAX: Final = timedelta(hours=24)
_WEEKEND: Final = 5


def business_days_after(day: date, count: int) -> date:
    """The date that many business days later, or earlier; Saturdays and Sundays do not count.

    Past the calendar's ends the day stays at the end.
    """
    step = timedelta(days=1 if count >= 0 else -1)
    left = abs(count)
    try:
        while left:
            day += step
            if day.weekday() < _WEEKEND:
                left -= 1
    except OverflowError:
        return date.max if count > 0 else date.min
    return day


def anchor_of(expected: Expectation, zone: ZoneInfo) -> date:
    """The date that window and due time hang on: a top-up's creation, a payout's arrival."""
    if expected.what is not Expected.TOPUP:
        return expected.arrival
    try:
        return expected.created.astimezone(zone).date()
    except OverflowError:
        return expected.created.date()


def window_of(expected: Expectation, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last booking date at which amount and date alone may match."""
    anchor = anchor_of(expected, zone)
    is_topup = expected.what is Expected.TOPUP
    return (
        business_days_after(anchor, -WINDOW_DAYS_BEFORE),
        business_days_after(anchor, TOPUP_OVERDUE_DAYS if is_topup else WINDOW_DAYS_AFTER),
    )


def due_at(expected: Expectation, zone: ZoneInfo) -> datetime:
    """When a payout or top-up that no bank has shown is overdue."""
    is_topup = expected.what is Expected.TOPUP
    days = TOPUP_OVERDUE_DAYS if is_topup else PAYOUT_OVERDUE_DAYS
    return midnight(business_days_after(anchor_of(expected, zone), days), zone)


def waited_until(expected: Expectation) -> datetime:
    """How long a bank that was never read is waited for: at a first start Stripe is read first."""
    try:
        return expected.told_at + FEED_SILENCE_MAX
    except OverflowError:
        return expected.told_at


def closed_at(expected: Expectation, zone: ZoneInfo) -> datetime:
    """When the window is over: the midnight after its last day."""
    _, last = window_of(expected, zone)
    try:
        return midnight(last + timedelta(days=1), zone)
    except OverflowError:
        return midnight(last, zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a date begins in a time zone, in UTC."""
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(day, time(), UTC)
