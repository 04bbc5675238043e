"""What of an invoice line is earned by when.

    line, less what was taken back of it        what is to be earned in all
    ... by days served of days in all           what is earned by then, rounded down
    the rest                                    what is to stand unearned

It asks for nothing but the line, so what is earned in any cut of time sums to the same, and the
last day takes the remainder.
"""

from dataclasses import dataclass
from datetime import datetime, tzinfo

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
    """What was taken back of a line: below zero where the taking back was itself undone."""

    line: str
    amount: Money


UnearnedChange = Schedule | Cut


@dataclass(frozen=True, slots=True)
class Unearned:
    """A line with what was taken back of it in all, and what stands unearned of it now."""

    schedule: Schedule
    cut: Money
    standing: Money


def to_be_earned(net: Money, cut: Money) -> Money:
    """What of a line is to be earned in all: never more than it, and never of the other sign."""
    low, high = min(net.minor, 0), max(net.minor, 0)
    return Money(max(low, min(high, net.minor - cut.minor)), net.currency)


def unearned_at(schedule: Schedule, cut: Money, until: datetime, zone: tzinfo) -> Money:
    """What is to stand unearned of a line at a moment, by the calendar days of its book."""
    total = to_be_earned(schedule.net, cut)
    first, end = (at.astimezone(zone).date() for at in (schedule.since, schedule.until))
    days = max((end - first).days, 1)
    served = min(max((until.astimezone(zone).date() - first).days, 0), days)
    left = abs(total) - Money(abs(total.minor) * served // days, total.currency)
    return left if total.minor >= 0 else -left
