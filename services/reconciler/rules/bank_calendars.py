"""The days on which banks work: bank holidays are data, computed for any year.

A calendar is closed on Saturdays, Sundays and its own holidays (``bank_calendars.toml``).
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.contracts.errors import Unreadable

CALENDARS_FILE: Final = Path(__file__).with_name("bank_calendars.toml")
WEEKENDS: Final = "weekends"
_SATURDAY: Final = 5
_SUNDAY: Final = 6
_DAY: Final = timedelta(days=1)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ON: Final = re.compile(
    rf"(?P<day>\d\d-\d\d)|easter(?P<easter>[+-]\d{{1,2}})?|(?P<once>\d{{4}}-\d\d-\d\d)"
    rf"|(?P<nth>[1-4]|last) (?P<weekday>{'|'.join(_WEEKDAYS)}) (?P<month>0[1-9]|1[0-2])"
    rf"|(?P<last>{'|'.join(_WEEKDAYS)}) before (?P<before>\d\d-\d\d)"
    r"|(?P<equinox>spring|autumn) equinox"
)


class _Holiday(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    on: str
    moves: Literal["", "sunday", "weekend"] = ""
    since: int = 1
    without: tuple[int, ...] = Field(default=(), alias="except")

    @field_validator("on")
    @classmethod
    def _says_a_day(cls, text: str) -> str:
        if _ON.fullmatch(text) is None:
            raise ValueError(f"{text!r} says no day")
        _day_in(text, 2024)  # a leap year has every day
        return text


class _Calendar(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1)
    between: bool = False
    holidays: tuple[_Holiday, ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    calendar: Mapping[str, _Calendar]


@dataclass(frozen=True, eq=False)
class Calendar:
    """One calendar of business days."""

    name: str
    source: str
    holidays: tuple[_Holiday, ...]
    between: bool = False

    def is_business_day(self, day: date) -> bool:
        """Whether banks work on it."""
        return day.weekday() < _SATURDAY and day not in _closed_in(self, day.year)

    def closed_in(self, year: int) -> frozenset[date]:
        """The holidays of a year, those on weekends too."""
        return _closed_in(self, year)

    def after(self, day: date, count: int) -> date:
        """The date that many business days later, or earlier; at the calendar's ends, the end."""
        return _after(self, day, count)

    def between_days(self, first: date, last: date) -> int:
        """How many business days lie after the first date up to and with the last."""
        if first > last:
            return -self.between_days(last, first)
        days = (last - first).days
        return sum(self.is_business_day(first + timedelta(days=n)) for n in range(1, days + 1))


def calendars_of(text: str) -> Mapping[str, Calendar]:
    """The calendars that a TOML text tells.

    Raises:
        Unreadable: Not TOML, or not calendars; says where.
    """
    try:
        told = _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"the calendars are not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Unreadable(f"the calendars are not right at {where}: {first['msg']}") from None
    return {
        name: Calendar(name, each.source, each.holidays, each.between)
        for name, each in sorted(told.calendar.items())
    }


@cache
def calendars() -> Mapping[str, Calendar]:
    """The calendars that are shipped."""
    return calendars_of(CALENDARS_FILE.read_text("utf-8"))


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar.

    Source: the algorithm of Meeus, Jones and Butcher.
    """
    a, b, c = year % 19, year // 100, year % 100
    d, e, f = b // 4, b % 4, (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    k = (32 + 2 * e + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * k) // 451
    month, day = divmod(h + k - 7 * m + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=16_384)
def _after(calendar: Calendar, day: date, count: int) -> date:
    step = _DAY if count >= 0 else -_DAY
    left = abs(count)
    try:
        while left:
            day += step
            left -= calendar.is_business_day(day)
    except OverflowError:
        return date.max if count > 0 else date.min
    return day


@lru_cache(maxsize=4_096)
def _closed_in(calendar: Calendar, year: int) -> frozenset[date]:
    """The holidays of a year; one that moves out of the year before counts where it comes."""
    found = {day for around in (year - 1, year) for day in _holidays(calendar.holidays, around)}
    if calendar.between:
        found |= {day + _DAY for day in found if day != date.max and day + 2 * _DAY in found}
    return frozenset(day for day in found if day.year == year)


def _holidays(holidays: Iterable[_Holiday], year: int) -> set[date]:
    if not date.min.year < year < date.max.year:
        return set()
    of_year = [
        (holiday, day)
        for holiday in holidays
        if year >= holiday.since
        and year not in holiday.without
        and (day := _day_in(holiday.on, year)) is not None
    ]
    found = {day for _, day in of_year}
    for holiday, day in sorted(of_year, key=lambda each: each[1]):
        is_lost = day.weekday() == _SUNDAY or (
            holiday.moves == "weekend" and day.weekday() == _SATURDAY
        )
        if not holiday.moves or not is_lost:
            continue
        made_up = day
        while made_up in found or made_up.weekday() >= _SATURDAY:
            made_up += _DAY
        found.add(made_up)
    return found


def _day_in(on: str, year: int) -> date | None:
    """The day of a holiday in a year; none where it is another year's."""
    said = _ON.fullmatch(on)
    if said is None:
        raise ValueError(f"{on!r} says no day")
    if said["day"]:
        return date.fromisoformat(f"{year}-{said['day']}")
    if said["once"]:
        once = date.fromisoformat(said["once"])
        return once if once.year == year else None
    if said["nth"]:
        return _nth(year, int(said["month"]), _WEEKDAYS.index(said["weekday"]), said["nth"])
    if said["last"]:
        end = date.fromisoformat(f"{year}-{said['before']}") - _DAY
        return end - timedelta(days=(end.weekday() - _WEEKDAYS.index(said["last"])) % 7)
    if said["equinox"]:
        return _equinox(year, said["equinox"])
    return easter(year) + timedelta(days=int(said["easter"] or 0))


def _nth(year: int, month: int, weekday: int, nth: str) -> date:
    first = date(year, month, 1)
    first += timedelta(days=(weekday - first.weekday()) % 7)
    if nth != "last":
        return first + timedelta(weeks=int(nth) - 1)
    later = first + timedelta(weeks=4)
    return later if later.month == month else first + timedelta(weeks=3)


def _equinox(year: int, season: str) -> date | None:
    """The day of the equinox in Japan; the approximation holds from 1980 to 2099.

    Source: the approximation of the National Astronomical Observatory's almanac, in whole numbers.
    """
    month, at = (3, 20_843_100) if season == "spring" else (9, 23_248_800)
    since = year - 1980
    if not 0 <= since < 120:
        return None
    return date(year, month, (at + 242_194 * since) // 1_000_000 - since // 4)
