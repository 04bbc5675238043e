"""What a batch adds to balances, day buckets and open items, summed before it is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from services.ledger.periods import Closings, day_of, midnight
from shared.contracts.books import BookMap
from shared.contracts.journal import Book, Direction, Entry

Place = tuple[int, int]


class _Turnover(msgspec.Struct, gc=False):
    exponent: int
    debit: int = 0
    credit: int = 0


class _Waiting(msgspec.Struct, gc=False):
    exponent: int
    minor: int
    since: datetime
    since_recorded: datetime


class Late(NamedTuple):
    """An entry that is reported on a later day than its own."""

    origin_id: int
    sequence: int
    book: Book
    reported_day: date
    reported_at: datetime


@dataclass(slots=True)
class Sums:
    """Sums of the entries taken in so far; each ``…_columns`` is sorted by its table's key."""

    zones: Mapping[str, ZoneInfo]
    closings: Mapping[Book, Closings] = field(default_factory=dict[Book, Closings])
    _buckets: dict[tuple[str, str, str, date, date, int], _Turnover] = field(default_factory=dict)
    _open: dict[tuple[str, str, str, str], _Waiting] = field(default_factory=dict)

    def take(self, entry: Entry, *, origin_id: int, recorded_at: datetime) -> None:
        """Add an entry."""
        book, zone = entry.book, self.zones.get(entry.book)
        recorded_day = day_of(recorded_at, zone)
        effective_day = self.reported_day(entry, recorded_at)
        for posting in entry.postings:
            currency, minor = posting.amount.currency, posting.amount.minor
            account, code = posting.account, currency.code
            day_key = (book, account, code, effective_day, recorded_day, origin_id)
            bucket = self._buckets.get(day_key)
            if bucket is None:
                bucket = self._buckets[day_key] = _Turnover(currency.exponent)
            is_debit = posting.direction is Direction.DEBIT
            if is_debit:
                bucket.debit += minor
            else:
                bucket.credit += minor
            if posting.key:
                self._wait(
                    (book, account, posting.key, code),
                    _Waiting(
                        currency.exponent,
                        minor if is_debit else -minor,
                        entry.effective_at,
                        recorded_at,
                    ),
                )

    def reported_day(self, entry: Entry, recorded_at: datetime) -> date:
        """The day that an entry counts on: its own, unless that was closed before."""
        day = day_of(entry.effective_at, self.zones.get(entry.book))
        closings = self.closings.get(entry.book)
        return closings.reported_day(day, recorded_at) if closings is not None else day

    def late(self, entry: Entry, recorded_at: datetime, place: Place) -> list[Late]:
        """The entry at a place, if it is reported on another day than its own."""
        zone, day = self.zones.get(entry.book), self.reported_day(entry, recorded_at)
        if day == day_of(entry.effective_at, zone):
            return []
        return [Late(*place, entry.book, day, midnight(day, zone))]

    def move(
        self,
        of: tuple[str, str, str, int],
        *,
        minor: int,
        is_debit: bool,
        days: tuple[date, date],
        recorded_day: date,
        origin_id: int,
    ) -> None:
        """Move a posting's amount from one day to another: (book, account, currency, exponent)."""
        book, account, code, exponent = of
        for sign, day in zip((-1, 1), days, strict=True):
            day_key = (book, account, code, day, recorded_day, origin_id)
            bucket = self._buckets.setdefault(day_key, _Turnover(exponent))
            if is_debit:
                bucket.debit += sign * minor
            else:
                bucket.credit += sign * minor

    def _wait(self, key: tuple[str, str, str, str], told: _Waiting) -> None:
        known = self._open.get(key)
        if known is None:
            self._open[key] = told
            return
        known.minor += told.minor
        known.since = min(known.since, told.since)
        known.since_recorded = min(known.since_recorded, told.since_recorded)

    def columns(self) -> list[list[object]]:
        """Columns for ``add_sums``."""
        rows = sorted(self._buckets.items(), key=lambda item: item[0])
        return _columns(9, ((*key, t.exponent, t.debit, t.credit) for key, t in rows))

    def open_columns(self) -> list[list[object]]:
        """Columns for ``add_open_items``; a key that nets to nothing here moves nothing."""
        waiting = [(key, w) for key, w in self._open.items() if w.minor]
        # As the keys themselves would be sorted, since no text of a database has a NUL.
        rows = sorted(waiting, key=lambda item: "\0".join(item[0]))
        return _columns(
            8, ((*key, w.exponent, w.minor, w.since, w.since_recorded) for key, w in rows)
        )


def zones_of(book_map: BookMap) -> dict[str, ZoneInfo]:
    """The time zone of each book."""
    return {book.name: book.zone for book in book_map.books}


def _columns(count: int, rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Rows turned into columns, which is how a set goes to the database in one statement."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(count)]
