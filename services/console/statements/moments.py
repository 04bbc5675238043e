"""As of when: a day's end or a moment, on either axis, in the book's time zone."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from services.console.views import BadRequest

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAYS: Final = "write a day such as 2026-11-30, from 1900 on"
_ONE_DAY: Final = timedelta(days=1)
FIRST_DAY: Final = date(1900, 1, 1)
LAST_DAY: Final = date(9000, 1, 1)


@dataclass(frozen=True, slots=True)
class Moment:
    """Up to when facts count.

    Whole days through ``through``, then, where that is no day's end, the rest from its midnight up
    to ``before``, which is excluded.

    ``before`` is the end either way; ``day`` is the day it lies in; ``text`` is how it was asked.
    """

    through: date
    before: datetime
    day: date
    text: str
    rest_from: datetime | None = None

    @property
    def midnight(self) -> datetime:
        """Where the whole days end."""
        return self.rest_from or self.before


@dataclass(frozen=True, slots=True)
class AsOf:
    """As of when on both axes; ``None`` is no bound: all that is booked."""

    effective: Moment | None = None
    recorded: Moment | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, both included; ``None`` is no bound."""

    first: date | None = None
    last: date | None = None


EVER: Final = AsOf()
ALL_DAYS: Final = Period()


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins there."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def moment(text: str, zone: ZoneInfo, *, name: str) -> Moment | None:
    """The moment that a day or an RFC 3339 time says; a time itself still counts.

    Raises:
        BadRequest: Neither, or a time without its zone.
    """
    if not text:
        return None
    if _DAY.fullmatch(text):
        return end_of(day_of(text, name=name), zone)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _no_moment(name, text) from None
    if at.tzinfo is None:
        raise _no_moment(name, text)
    if not FIRST_DAY <= at.date() < LAST_DAY:
        raise _no_moment(name, text)
    at = at.astimezone(UTC)
    day = at.astimezone(zone).date()
    return Moment(
        through=day - _ONE_DAY,
        before=at + timedelta(microseconds=1),
        day=day,
        text=at.isoformat().replace("+00:00", "Z"),
        rest_from=midnight(day, zone),
    )


def end_of(day: date, zone: ZoneInfo) -> Moment:
    """The end of a day there."""
    return Moment(day, midnight(day + _ONE_DAY, zone), day, day.isoformat())


def day_of(text: str, *, name: str) -> date:
    """The day that a text says.

    Raises:
        BadRequest: No day of the calendar, or one that no book has.
    """
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None or not FIRST_DAY <= day < LAST_DAY:
        raise BadRequest(f"{name}: {text[:40]!r} is none; {_DAYS}")
    return day


def period(first: str, last: str) -> Period:
    """The span of days between two texts, either of which may be empty.

    Raises:
        BadRequest: No days, or the last before the first.
    """
    found = Period(
        day_of(first, name="from") if first else None, day_of(last, name="to") if last else None
    )
    if found.first and found.last and found.last < found.first:
        raise BadRequest(f"to: {found.last} is before {found.first}, which is the first day")
    return found


def _no_moment(name: str, text: str) -> BadRequest:
    return BadRequest(
        f"{name}: {text[:40]!r} is none; {_DAYS}, or a time with its zone such as"
        " 2026-11-30T12:00:00Z"
    )
