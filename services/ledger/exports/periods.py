"""Balances at the end of each month, and at the end, for the assertions of plain-text books."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.ledger.exports.journal import Opening, Told
from shared.contracts.errors import Refused

Place = tuple[str, str]


class BookUnfit(Refused):
    """A plain-text journal is of one book; entries of another came."""

    reason = "book_unfit"


class Standing(NamedTuple):
    """What stands on an account at the end of a day; ``below`` counts its sub-accounts too."""

    day: date
    account: str
    currency: str
    minor: int
    below: int


@dataclass(slots=True)
class Periods:
    """What moved on each account in each month; days are those of the book's time zone."""

    zone: ZoneInfo
    exponents: dict[str, int] = field(default_factory=dict[str, int])
    first_day: date | None = None
    last_day: date | None = None
    _moves: dict[date, dict[Place, int]] = field(default_factory=dict[date, dict[Place, int]])

    def open(self, opening: Iterable[Opening], day: date) -> None:
        """Take what stood there before."""
        for each in opening:
            self._move(day, each.account, each.currency, each.exponent, each.minor)

    def add(self, told: Told) -> date:
        """Count an entry; gives the day that it is reported on, its own where it is not late."""
        day = told.reported_day or self.day_of(told.effective_at)
        for leg in told.legs:
            self._move(day, leg.account, leg.currency, leg.exponent, leg.signed)
        return day

    def day_of(self, at: datetime) -> date:
        """The day on which a moment falls in the book."""
        return at.astimezone(self.zone).date()

    def accounts(self) -> dict[str, list[str]]:
        """The accounts that were touched, each with its currencies."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for moves in self._moves.values():
            for account, currency in moves:
                found[account].add(currency)
        return {account: sorted(codes) for account, codes in sorted(found.items())}

    def standings(self) -> Iterator[Standing]:
        """What stands at each month's end where it moved in it, and everything on the last day."""
        if self.last_day is None:
            return
        above = _above(self.accounts())
        own: defaultdict[Place, int] = defaultdict(int)
        below: defaultdict[Place, int] = defaultdict(int)
        months = sorted(self._moves)
        for month in months:
            touched = self._moves[month]
            shown = set(touched)
            for (account, currency), minor in touched.items():
                own[account, currency] += minor
                for each in (account, *above[account]):
                    below[each, currency] += minor
                    shown.add((each, currency))
            is_last = month == months[-1]
            day = self.last_day if is_last else _end_of(month)
            for account, currency in sorted(below if is_last else shown):
                place = (account, currency)
                yield Standing(day, account, currency, own[place], below[place])

    def _move(self, day: date, account: str, currency: str, exponent: int, minor: int) -> None:
        self.exponents.setdefault(currency, exponent)
        if self.first_day is None or day < self.first_day:
            self.first_day = day
        if self.last_day is None or day > self.last_day:
            self.last_day = day
        month = self._moves.setdefault(day.replace(day=1), {})
        month[account, currency] = month.get((account, currency), 0) + minor


def _above(accounts: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Of each account those that it lies under and that have postings of their own."""
    found: dict[str, tuple[str, ...]] = {}
    for account in accounts:
        parts = account.split(":")
        names = (":".join(parts[:size]) for size in range(1, len(parts)))
        found[account] = tuple(name for name in names if name in accounts)
    return found


def _end_of(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1) - timedelta(days=1)
