"""What a batch adds to balances, day buckets and open items, summed before it is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from shared.contracts.books import BookMap
from shared.contracts.journal import Direction, Entry

_SECONDS_IN_QUARTER: Final = 900


@dataclass(slots=True)
class _Turnover:
    exponent: int
    debit: int = 0
    credit: int = 0


@dataclass(slots=True)
class _Waiting:
    exponent: int
    minor: int
    since: datetime
    since_recorded: datetime


@dataclass(slots=True)
class Sums:
    """Sums of the entries taken in so far; each ``…_columns`` is sorted by its table's key."""

    zones: Mapping[str, ZoneInfo]
    _buckets: dict[tuple[str, str, str, date, date, int], _Turnover] = field(default_factory=dict)
    _open: dict[tuple[str, str, str, str], _Waiting] = field(default_factory=dict)

    def take(self, entry: Entry, *, origin_id: int, recorded_at: datetime) -> None:
        """Add an entry."""
        zone = self.zones.get(entry.book)
        effective_day, recorded_day = _day(entry.effective_at, zone), _day(recorded_at, zone)
        book = entry.book
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

    def _wait(self, key: tuple[str, str, str, str], told: _Waiting) -> None:
        known = self._open.get(key)
        if known is None:
            self._open[key] = told
            return
        known.minor += told.minor
        known.since = min(known.since, told.since)
        known.since_recorded = min(known.since_recorded, told.since_recorded)

    def balance_columns(self) -> list[list[object]]:
        """Columns for ``add_balances``."""
        summed: dict[tuple[str, str, str, int], _Turnover] = {}
        for (book, account, code, _, _, origin_id), bucket in self._buckets.items():
            key = (book, account, code, origin_id)
            total = summed.get(key)
            if total is None:
                total = summed[key] = _Turnover(bucket.exponent)
            total.debit += bucket.debit
            total.credit += bucket.credit
        return _columns(
            7, ((*key, t.exponent, t.debit, t.credit) for key, t in sorted(summed.items()))
        )

    def bucket_columns(self) -> list[list[object]]:
        """Columns for ``add_day_buckets``."""
        rows = sorted(self._buckets.items(), key=lambda item: item[0])
        return _columns(9, ((*key, t.exponent, t.debit, t.credit) for key, t in rows))

    def open_columns(self) -> list[list[object]]:
        """Columns for ``add_open_items``; a key that nets to nothing here moves nothing."""
        rows = sorted((key, w) for key, w in self._open.items() if w.minor)
        return _columns(
            8, ((*key, w.exponent, w.minor, w.since, w.since_recorded) for key, w in rows)
        )


def zones_of(book_map: BookMap) -> dict[str, ZoneInfo]:
    """The time zone of each book."""
    return {book.name: book.zone for book in book_map.books}


def _columns(count: int, rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Rows turned into columns, which is how a set goes to the database in one statement."""
    columns: list[list[object]] = [[] for _ in range(count)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns


def _day(at: datetime, zone: ZoneInfo | None) -> date:
    # In every zone of our time midnight falls on a quarter of an hour: one answer serves for it.
    return _day_of_quarter(int(at.timestamp()) // _SECONDS_IN_QUARTER, zone)


@lru_cache(maxsize=8192)
def _day_of_quarter(quarter: int, zone: ZoneInfo | None) -> date:
    return datetime.fromtimestamp(quarter * _SECONDS_IN_QUARTER, zone or UTC).date()
