"""Windows and due times: when something is expected, when its window ends, when it is overdue.

Which days count is the rail's own calendar (``matching_rules.py``, ``bank_calendars.py``).
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from services.reconciler.rules.bank_calendars import WEEKENDS, calendars
from services.reconciler.rules.expectations import Expectation, Expected
from services.reconciler.rules.matching_rules import MatchingRules, default_rules

SETTLING_TIME: Final = timedelta(days=3)
FEED_SILENCE_MAX: Final = timedelta(hours=24)


def business_days_after(day: date, count: int) -> date:
    """The date that many business days later, or earlier, where no bank holidays are known.

    Past the calendar's ends the day stays at the end.
    """
    return calendars()[WEEKENDS].after(day, count)


def anchor_of(expected: Expectation, zone: ZoneInfo) -> date:
    """The date that window and due time hang on: a top-up's creation, a payout's arrival."""
    if expected.what is not Expected.TOPUP:
        return expected.arrival
    try:
        return expected.created.astimezone(zone).date()
    except OverflowError:
        return expected.created.date()


def window_of(
    expected: Expectation, zone: ZoneInfo, rules: MatchingRules | None = None
) -> tuple[date, date]:
    """The first and the last booking date at which amount and date alone may match."""
    rail = (rules or default_rules()).rail_of(expected)
    anchor = anchor_of(expected, zone)
    return (rail.calendar.after(anchor, -rail.early), rail.calendar.after(anchor, rail.late))


def due_at(expected: Expectation, zone: ZoneInfo, rules: MatchingRules | None = None) -> datetime:
    """When a payout or top-up that no bank has shown is overdue."""
    rail = (rules or default_rules()).rail_of(expected)
    return midnight(rail.calendar.after(anchor_of(expected, zone), rail.overdue), zone)


def waited_until(expected: Expectation) -> datetime:
    """How long a bank that was never read is waited for: at a first start Stripe is read first."""
    try:
        return expected.told_at + FEED_SILENCE_MAX
    except OverflowError:
        return expected.told_at


def closed_at(
    expected: Expectation, zone: ZoneInfo, rules: MatchingRules | None = None
) -> datetime:
    """When the window is over: the midnight after its last day."""
    _, last = window_of(expected, zone, rules)
    return end_of(last, zone)


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The midnight after a day."""
    try:
        return midnight(day + timedelta(days=1), zone)
    except OverflowError:
        return midnight(day, zone)


@lru_cache(maxsize=16_384)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a date begins in a time zone, in UTC."""
    try:
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except OverflowError:
        return datetime.combine(day, time(), UTC)
