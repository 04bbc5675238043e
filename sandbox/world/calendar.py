"""Simulated time: whole Unix seconds in UTC, days, and business days (Monday to Friday)."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

DAY: Final = 86_400
HOUR: Final = 3_600
MINUTE: Final = 60

_SATURDAY: Final = 5


def midnight(day: date) -> int:
    """The second at which a day begins in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def day_of(at: int) -> date:
    """The UTC day of a second."""
    return datetime.fromtimestamp(at, UTC).date()


def text_of(at: int) -> str:
    """A second as RFC 3339 text."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def is_business_day(day: date) -> bool:
    """Whether banks work on it; weekends only, the world keeps no holidays."""
    return day.weekday() < _SATURDAY


def business_day_from(day: date, *, count: int) -> date:
    """The ``count``-th business day after ``day``; with 0, ``day`` or the next business day."""
    found = day
    while not is_business_day(found):
        found += timedelta(days=1)
    for _ in range(count):
        found += timedelta(days=1)
        while not is_business_day(found):
            found += timedelta(days=1)
    return found


def business_days_between(early: date, late: date) -> int:
    """How many business days lie after ``early`` up to and with ``late``."""
    span = (late - early).days
    return sum(is_business_day(early + timedelta(days=step)) for step in range(1, span + 1))
