"""What clock ticks are judged by and what they leave: lines, what was taken back, the clocks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from services.ledger import accounts
from services.ledger.rulings.clock import CLOCK
from services.ledger.rulings.effects import ClockTicked
from services.ledger.rulings.standing import Standing
from services.ledger.shell.booking.batch import Batch, Told
from services.ledger.shell.booking.rows import Row
from services.ledger.shell.queries import SQL
from services.ledger.unearned import Clock, Cut, Schedule, UnearnedChange
from shared.contracts import references
from shared.contracts.errors import InvariantBroken
from shared.contracts.journal import Book
from shared.contracts.money import Currency, Money
from shared.runtime.postgres import Tx


async def read_clocks(tx: Tx, standings: Mapping[Book, Standing], books: Sequence[Book]) -> None:
    """Let the standings of these books know their clocks, and what stands unearned."""
    clocks = {book: Clock() for book in books}
    for row in await tx.fetch(SQL["read_clocks"], books):
        clocks[Book(row["book"])].ticked_until = row["ticked_until"]
    for row in await tx.fetch(SQL["read_unearned_lines"], books):
        book, currency = Book(row["book"]), Currency(row["currency"], row["exponent"])
        net = Money(row["minor"], currency)
        line = row["line"]
        schedule = Schedule(line, net, row["since"], row["until"])
        clocks[book].take(schedule, references.invoice_line(line))
        name = (str(accounts.UNEARNED), row["line"], currency.code)
        standings[book].posted[name] = row["standing"]
    await _hear_cuts(tx, clocks)
    for book, clock in clocks.items():
        standings[book].extra[CLOCK] = clock


async def hear_earlier_cuts(tx: Tx, standings: Mapping[Book, Standing]) -> None:
    """Let clocks know what was taken back, in batches before, of lines that this one brings."""
    clocks = {book: standing.extra.get(CLOCK) for book, standing in standings.items()}
    await _hear_cuts(tx, {b: clock for b, clock in clocks.items() if isinstance(clock, Clock)})


async def _hear_cuts(tx: Tx, clocks: Mapping[Book, Clock]) -> None:
    lines = [
        (book, line)
        for book, clock in sorted(clocks.items())
        for line in clock.schedules
        if line not in clock.asked
    ]
    if lines:
        for row in await tx.fetch(
            SQL["read_unearned_cuts"], [book for book, _ in lines], [line for _, line in lines]
        ):
            clock, line = clocks[Book(row["book"])], row["line"]
            amount = Money(row["minor"], clock.schedules[line].net.currency)
            is_void = row["reference"] == references.invoice_line_voided(line)
            clock.take(Cut(line, amount, row["at"], is_void), row["reference"])
    for book, line in lines:
        clocks[book].asked.add(line)


def changes_of(told: Told) -> Iterable[UnearnedChange]:
    """What an entry that is being booked changes of what is to be released."""
    decision = told.by.decision
    if decision is None or not decision.unearned:
        return ()
    wanted = told.entry.reference
    return [change for reference, change in decision.unearned if reference == wanted]


def changes_told(batch: Batch, fresh: Iterable[Told]) -> Iterator[tuple[Told, UnearnedChange]]:
    """What a batch changes of what is to be released: by the facts that it books, and by others.

    An event shows ten lines of a credit note. Told again with the same money and more lines, the
    note is booked already, and takes back of those lines all the same. What else there is of a fact
    stands in its entry.
    """
    changing = [(told, change) for told in batch.tellings for change in changes_of(told)]
    if not changing:
        return
    booked = {id(told) for told in fresh}
    yield from ((told, change) for told, change in changing if id(told) in booked)
    others = booked | {id(told) for told in batch.conflicting}
    for told, change in changing:
        if id(told) not in others and isinstance(change, Cut) and not change.is_void:
            yield told, change


def tell_clocks(standings: Mapping[Book, Standing], batch: Batch, fresh: Iterable[Told]) -> None:
    """Let the clocks that are judged by know of their own batch."""
    for told, change in changes_told(batch, fresh):
        standing = standings.get(told.entry.book)
        clock = standing.extra.get(CLOCK) if standing is not None else None
        if isinstance(clock, Clock):
            clock.take(change, told.entry.reference)


async def write_unearned(tx: Tx, batch: Batch, fresh: Iterable[Told]) -> None:
    """Keep what a batch changes of what is to be released; what is known already stands."""
    lines: dict[tuple[str, str], Row] = {}
    cuts: dict[tuple[str, str, str], Row] = {}
    for told, change in changes_told(batch, fresh):
        book, reference = told.entry.book, told.entry.reference
        match change:
            case Schedule(line, net, since, until):
                money = (net.currency.code, net.currency.exponent, net.minor)
                lines[book, line] = (book, line, *money, since, until)
            case Cut(line, amount, at, _):
                row = (book, line, reference, amount.minor, at)
                cuts.setdefault((book, line, reference), row)
    if lines:
        await tx.execute(SQL["add_unearned_lines"], *_columns(lines.values()))
    if cuts:
        await tx.execute(SQL["add_unearned_cuts"], *_columns(cuts.values()))


async def write_clocks(tx: Tx, batch: Batch) -> None:
    """Move the clocks on that the batch's commands have ticked."""
    moved: dict[Book, ClockTicked] = {}
    for caused in batch.caused:
        if isinstance(caused.effect, ClockTicked):
            if caused.by.decision is None:
                raise InvariantBroken("what was not decided moves a clock")
            book = caused.by.decision.book
            known = moved.get(book)
            if known is None or known.until < caused.effect.until:
                moved[book] = caused.effect
    if moved:
        books = sorted(moved)
        await tx.execute(SQL["move_clocks"], books, [moved[book].until for book in books])


def _columns(rows: Iterable[Row]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
