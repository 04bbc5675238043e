"""What of an invoice line is yet to be earned at a moment.

    on the first day            all of it
    from day to day             what stands, spread evenly over the days that are left, rounded
                                so that the last day takes the remainder
    after the day of a cut      that much less: a credit note takes back what is not served yet, and
                                only what is beyond that from what was earned
    once the line is voided     nothing, on whatever day: its entry took back the whole of it

It asks for nothing but the line and what was taken back of it, so what is earned in any cut of time
sums to the same, whatever order it all was told in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo

from shared.contracts.money import Money


@dataclass(frozen=True, slots=True)
class Schedule:
    """A line of an invoice, and when it is served."""

    line: str
    net: Money
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """What was taken back of a line, and when.

    Where that was itself undone, there is the same once more below zero, of the same time. A void
    takes the whole of it, and out of what stands unearned, where others leave that to the clock.
    """

    line: str
    amount: Money
    at: datetime
    is_void: bool = False


UnearnedChange = Schedule | Cut


@dataclass(slots=True)
class Clock:
    """What a book's clock releases: lines, what was taken back of each, and how far it has ticked.

    Of lines that came and ended before it, it need not know. ``asked`` are the lines of which is
    known what was taken back of them before. ``cuts`` are each known by its line and the entry that
    makes it, so that one that is told twice counts once.
    """

    ticked_until: datetime | None = None
    schedules: dict[str, Schedule] = field(default_factory=dict[str, Schedule])
    cuts: dict[str, dict[str, Cut]] = field(default_factory=dict[str, dict[str, Cut]])
    asked: set[str] = field(default_factory=set[str])

    def take(self, change: UnearnedChange, by: str) -> None:
        """Know of a change that an entry makes, ``by`` its reference."""
        match change:
            case Schedule():
                self.schedules.setdefault(change.line, change)
            case Cut():
                self.cuts.setdefault(change.line, {}).setdefault(by, change)

    def cuts_of(self, line: str) -> Iterable[Cut]:
        """What was taken back of a line."""
        return self.cuts.get(line, {}).values()


def unearned_on(schedule: Schedule, cuts: Iterable[Cut], on: date, zone: tzinfo) -> Money:
    """What is to stand unearned of a line when a day begins in its book's time zone."""
    sign = 1 if schedule.net.minor >= 0 else -1
    by_day: dict[date, int] = {}
    for cut in cuts:
        if cut.is_void:
            return Money(0, schedule.net.currency)
        day = cut.at.astimezone(zone).date()
        by_day[day] = by_day.get(day, 0) + sign * cut.amount.minor
    day = schedule.since.astimezone(zone).date()
    end = schedule.until.astimezone(zone).date()
    left = abs(schedule.net.minor)
    for cut_day in sorted(each for each in by_day if by_day[each] and each < on):
        if cut_day > day:
            left, day = _left_on(cut_day, left, day, end), cut_day
        left = min(max(left - by_day[cut_day], 0), abs(schedule.net.minor))
    return Money(sign * _left_on(on, left, day, end), schedule.net.currency)


def _left_on(on: date, left: int, since: date, end: date) -> int:
    """What is left of an amount that is earned evenly from one day to another."""
    days, served = (end - since).days, (on - since).days
    if served <= 0:
        return left
    return 0 if served >= days else left - left * served // days
