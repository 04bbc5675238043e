"""Closed periods: which day a fact is reported on, for ever.

A book is closed up to and with a day. What is told of a closed day afterwards is booked all the
same, keeps its effective time, and is reported on the first day that was open when it was recorded:
the *reported day*, a pure function of the effective day, the recorded time and the closings. So a
statement of a closed period never changes, and nothing told is left out.

    effective day   recorded           closed then through   reported day
    30 May          31 May             30 April              30 May
    30 May          12 June            31 May                1 June
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

_SECONDS_IN_QUARTER: Final = 900
_DAY: Final = timedelta(days=1)
# What can be closed: behind and before it, some zones have no midnight that UTC can say.
FIRST_DAY: Final = date(1900, 1, 2)
LAST_DAY: Final = date(9998, 12, 31)


@dataclass(frozen=True, slots=True)
class Closing:
    """How far a book is closed, and locked, for what is recorded after ``since``.

    ``number`` counts the book's closings from 1; ``since`` never goes back as it grows.
    """

    number: int
    since: datetime
    closed_through: date | None
    locked_through: date | None


@dataclass(frozen=True, slots=True)
class Closings:
    """The closings of a book in their order, the last one last."""

    closings: tuple[Closing, ...] = ()

    @classmethod
    def of(cls, closings: Iterable[Closing]) -> "Closings":
        """These closings in their order, each number once."""
        by_number = {each.number: each for each in closings}
        return cls(tuple(by_number[number] for number in sorted(by_number)))

    def with_one(self, closing: Closing) -> "Closings":
        """These and one more."""
        return Closings.of((*self.closings, closing))

    @property
    def last(self) -> Closing | None:
        """How the book stands now."""
        return self.closings[-1] if self.closings else None

    @property
    def closed_through(self) -> date | None:
        """The last closed day; ``None`` where none is."""
        return self.last.closed_through if self.last is not None else None

    @property
    def locked_through(self) -> date | None:
        """The last day that is closed for good; ``None`` where none is."""
        return self.last.locked_through if self.last is not None else None

    def closed_at(self, recorded_at: datetime) -> date | None:
        """The last day that was closed before something was recorded."""
        before = bisect_left(self.closings, recorded_at, key=attrgetter("since"))
        return self.closings[before - 1].closed_through if before else None

    def reported_day(self, effective_day: date, recorded_at: datetime) -> date:
        """The day that a fact counts on: its own, or the first one that was open then."""
        closed = self.closed_at(recorded_at) if self.closings else None
        if closed is None or effective_day > closed:
            return effective_day
        return first_open_day(closed)


NEVER_CLOSED: Final = Closings()


def first_open_day(closed_through: date) -> date:
    """The day after the last closed one."""
    return closed_through + _DAY


@lru_cache(maxsize=4096)
def day_of(at: datetime, zone: ZoneInfo | None) -> date:
    """The day that a moment belongs to in a book's time zone."""
    # Facts come in crowds of one moment. And in every zone of our time midnight falls on a quarter
    # of an hour: one answer serves for all of it.
    return _day_of_quarter(int(at.timestamp()) // _SECONDS_IN_QUARTER, zone)


def midnight(day: date, zone: ZoneInfo | None) -> datetime:
    """The moment that a day begins at in a book's time zone."""
    return datetime(day.year, day.month, day.day, tzinfo=zone or UTC).astimezone(UTC)


@lru_cache(maxsize=8192)
def _day_of_quarter(quarter: int, zone: ZoneInfo | None) -> date:
    return datetime.fromtimestamp(quarter * _SECONDS_IN_QUARTER, zone or UTC).date()
