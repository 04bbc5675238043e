"""Business days of the made worlds: the bank holidays of 2026 as the banks publish them."""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

_SATURDAY: Final = 5
_CLOSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "usd": "01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25",
        "eur": "01-01 04-03 04-06 05-01 12-25",
        "gbp": "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
        "jpy": "01-01 01-02 01-12 02-11 02-23 03-20 04-29 05-04 05-05 05-06 07-20 08-11 09-21"
        " 09-22 09-23 10-12 11-03 11-23 12-31",
    }
)
HOLIDAYS: Final[Mapping[str, frozenset[date]]] = MappingProxyType(
    {
        currency: frozenset(date.fromisoformat(f"2026-{day}") for day in days.split())
        for currency, days in _CLOSED.items()
    }
)
_NONE: Final[frozenset[date]] = frozenset()


def is_business_day(day: date, currency: str) -> bool:
    """Whether the banks of a currency work on a day."""
    return day.weekday() < _SATURDAY and day not in HOLIDAYS.get(currency, _NONE)


def business_day(day: date, count: int, currency: str) -> date:
    """The business day so many later or earlier; with 0 the day or the next one."""
    step = timedelta(days=-1 if count < 0 else 1)
    while count == 0 and not is_business_day(day, currency):
        day += step
    left = abs(count)
    while left:
        day += step
        left -= is_business_day(day, currency)
    return day
