"""What commands and matches are judged by, read under locks, for one batch.

    holds and entries that they name                   locked by their ids, then read
    accounts, balances and holds that those lead to    locked by their names, then read

Locks are advisory, since there need be no row to lock; they are asked for in one order by everybody
and held until the commit. Facts do not take them: a fact is booked whatever it leaves.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from services.ledger.account_changes import AccountChange
from services.ledger.activation.in_force import BookInForce
from services.ledger.holds import Hold, HoldState
from services.ledger.periods import FIRST_DAY, LAST_DAY, Closings, first_open_day, midnight
from services.ledger.rulings.asking import Asked
from services.ledger.rulings.matches import wanted_by_match
from services.ledger.rulings.standing import OpenKey, PeriodFigures, Standing, Wanted
from services.ledger.rulings.wanting import Found, wanted, wanted_at_first
from services.ledger.shell.booking.clock_store import read_clocks
from services.ledger.shell.booking.rows import Columns, entries_of
from services.ledger.shell.queries import SQL
from shared.contracts.journal import Book, Direction, Entry
from shared.contracts.money import Currency, Money
from shared.runtime.postgres import Tx

KEYS_OF_ACCOUNT_MAX: Final = 1_000
OPEN_KEYS_SHOWN_MAX: Final = 20

Pair = tuple[str, str]


@dataclass(slots=True)
class _Reading:
    """Standings while they are read, and what is wanted of each book."""

    standings: dict[Book, Standing]
    wanted: dict[Book, Wanted] = field(default_factory=dict[Book, Wanted])

    def want(self, book: Book, more: Wanted) -> None:
        self.wanted[book] = self.wanted.get(book, Wanted()) | more

    def pairs(self, of: str) -> list[Pair]:
        """(book, name) of what is wanted, sorted."""
        return sorted(
            (book, name) for book, each in self.wanted.items() for name in getattr(each, of)
        )


async def read_standings(
    tx: Tx,
    asked: Sequence[Asked],
    matches: Iterable[Entry],
    closings: Mapping[Book, Closings],
    *,
    earliest: datetime,
) -> dict[Book, Standing]:
    """The books of these commands and matches as they stand, held until the transaction ends.

    ``earliest`` is when the first of them was recorded: what was over by then holds nothing for any
    of them.
    """
    by_match = [(each.book, wanted_by_match(each)) for each in matches]
    books = [*(each.book.name for each in asked), *(book for book, _ in by_match)]
    reading = _Reading(
        {book: Standing(book, closings.get(book, Closings())) for book in dict.fromkeys(books)}
    )
    for book, more in by_match:
        reading.want(book, more)
    for each in asked:
        reading.want(each.book.name, wanted_at_first(each.command))
    named = [("hold", *pair) for pair in reading.pairs("holds")]
    named += [("entry", *pair) for pair in reading.pairs("references")]
    await hold_names(tx, dict.fromkeys(named, False))
    await _read_holds(tx, reading)
    await _read_entries(tx, reading)
    for each in asked:
        standing = reading.standings[each.book.name]
        found = Found(standing.holds, standing.entries)
        reading.want(each.book.name, wanted(each.command, each.book, found))
    await hold_names(tx, _names(reading))
    await _read_accounts(tx, reading)
    await _read_posted(tx, reading)
    await _read_open_holds(tx, reading, earliest)
    ticking = sorted(book for book, each in reading.wanted.items() if each.ticks)
    if ticking:
        await read_clocks(tx, reading.standings, ticking)
    await _read_figures(tx, reading, {each.book.name: each.book for each in asked})
    return reading.standings


def _names(reading: _Reading) -> dict[tuple[str, ...], bool]:
    """What is locked by name, and whether together with others: accounts that stay as they are."""
    names: dict[tuple[str, ...], bool] = {}
    for book, each in reading.wanted.items():
        names |= {("account", book, name): True for name in each.accounts}
        names |= {("account", book, name): False for name in each.changing}
        names |= {("balance", book, *name): False for name in each.names}
        names |= {("clock", book): False} if each.ticks else {}
    return names


async def hold_names(tx: Tx, names: Mapping[tuple[str, ...], bool]) -> None:
    """Hold names, each shared or alone, until the transaction ends."""
    if not names:
        return
    locks: dict[int, bool] = {}
    for name, is_shared in names.items():
        number = _lock_of(name)
        locks[number] = locks.get(number, True) and is_shared
    ordered = sorted(locks.items())
    await tx.execute(
        SQL["hold_names"], [number for number, _ in ordered], [shared for _, shared in ordered]
    )


def _lock_of(name: Iterable[str]) -> int:
    said = "\x1f".join(("ledger judge", *name)).encode()
    return int.from_bytes(hashlib.sha256(said).digest()[:8], "big", signed=True)


async def _read_holds(tx: Tx, reading: _Reading) -> None:
    pairs = reading.pairs("holds")
    if pairs:
        rows = await tx.fetch(SQL["read_holds"], *_columns(pairs, 2))
        _take_holds(reading, rows)


async def _read_open_holds(tx: Tx, reading: _Reading, earliest: datetime) -> None:
    names = sorted((book, *name) for book, each in reading.wanted.items() for name in each.names)
    if names:
        rows = await tx.fetch(SQL["read_open_holds"], *_columns(names, 4), earliest)
        _take_holds(reading, rows)
    whole = reading.pairs("whole")
    if whole:
        rows = await tx.fetch(
            SQL["read_open_holds_of_accounts"], *_columns(whole, 2), earliest, KEYS_OF_ACCOUNT_MAX
        )
        _take_holds(reading, rows)


def _take_holds(reading: _Reading, rows: Iterable[Columns]) -> None:
    for row in rows:
        ended = row["ended"]
        reading.standings[Book(row["book"])].holds[row["hold"]] = Hold(
            id=row["hold"],
            account=row["account"],
            key=row["key"],
            amount=Money(row["minor"], Currency(row["currency"], row["exponent"])),
            expires_at=row["expires_at"],
            state=HoldState(ended) if ended is not None else HoldState.OPEN,
        )


async def _read_entries(tx: Tx, reading: _Reading) -> None:
    pairs = reading.pairs("references")
    if not pairs:
        return
    columns = _columns(pairs, 2)
    found: dict[tuple[str, str], Entry] = entries_of(
        await tx.fetch(SQL["read_claimed_entries"], *columns)
    )
    for (book, reference), entry in found.items():
        reading.standings[Book(book)].entries[reference] = entry
    for row in await tx.fetch(SQL["read_reversals"], *columns):
        reading.standings[Book(row["book"])].reversed_by[row["reverses"]] = row["reference"]


async def _read_accounts(tx: Tx, reading: _Reading) -> None:
    pairs = sorted({*reading.pairs("accounts"), *reading.pairs("changing")})
    if not pairs:
        return
    for row in await tx.fetch(SQL["read_account_changes"], *_columns(pairs, 2)):
        reading.standings[Book(row["book"])].changes[row["account"]] = AccountChange(
            account=row["account"],
            number=row["number"],
            display=row["display"],
            is_open=row["is_open"],
            is_of_chart=row["is_of_chart"],
            key=row["key"],
            normal=Direction(row["normal"]),
            has_floor=row["has_floor"],
        )


async def _read_posted(tx: Tx, reading: _Reading) -> None:
    names = sorted((book, *name) for book, each in reading.wanted.items() for name in each.names)
    rows: list[Columns] = []
    if names:
        rows += await tx.fetch(SQL["read_posted"], *_columns(names, 4))
    whole = reading.pairs("whole")
    if whole:
        rows += await tx.fetch(
            SQL["read_posted_of_accounts"], *_columns(whole, 2), KEYS_OF_ACCOUNT_MAX
        )
    for row in rows:
        posted = reading.standings[Book(row["book"])].posted
        posted[row["account"], row["key"], row["currency"]] = row["minor"]


async def _read_figures(tx: Tx, reading: _Reading, books: Mapping[Book, BookInForce]) -> None:
    for book, each in sorted(reading.wanted.items()):
        for through in sorted(day for day in each.through if FIRST_DAY <= day <= LAST_DAY):
            figures = await _figures(tx, books[book], through)
            reading.standings[book].figures[through] = figures


async def _figures(tx: Tx, book: BookInForce, through: date) -> PeriodFigures:
    totals = await tx.fetch(SQL["read_totals_through"], book.name, through)
    keys = await tx.fetch(
        SQL["read_open_keys"],
        book.name,
        [row.name for row in book.chart.clearing()],
        midnight(first_open_day(through), book.zone),
        OPEN_KEYS_SHOWN_MAX,
    )
    return PeriodFigures(
        {row["currency"]: (row["debit_minor"], row["credit_minor"]) for row in totals},
        tuple(OpenKey(r["account"], r["key"], r["currency"], r["minor"]) for r in keys),
        keys[0]["keys"] if keys else 0,
    )


def _columns(rows: Sequence[tuple[str, ...]], count: int) -> list[list[str]]:
    return [[row[column] for row in rows] for column in range(count)]
