"""Moments and days as contracts take them: all of the calendar but its two ends.

Whoever has no time sends an end of the calendar instead, and a database keeps that as infinite:
there it is no moment any more, and cannot be read as one.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

FIRST: Final = datetime.min.replace(tzinfo=UTC)
LAST: Final = datetime.max.replace(tzinfo=UTC)


def _in_time(at: datetime) -> datetime:
    if at in (FIRST, LAST):
        raise ValueError(f"{at} is an end of the calendar, which means never, not a time")
    return at


def _in_the_calendar(day: date) -> date:
    if day in (date.min, date.max):
        raise ValueError(f"{day} is an end of the calendar, which means never, not a day")
    return day


Moment = Annotated[AwareDatetime, AfterValidator(_in_time)]
Day = Annotated[date, AfterValidator(_in_the_calendar)]
